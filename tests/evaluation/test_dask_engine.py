"""Evaluation on a Dask cluster of two processes: the same rows, one load for each worker, and a worker that dies."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.evaluation.small_world import ByHash, LoggedClip, NeedsMore, NoClip, SmallWorld, run
from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.evaluation import DaskEngine, Evaluation, EvaluationConfig, evaluate
from zsris_viz.evaluation.dask_engine import read_address
from zsris_viz.evaluation.settings import weights_fingerprint
from zsris_viz.evaluation.worker_spec import WorkerSpec

VARYING = ["run_id", "seconds"]


def same_rows(one: Evaluation, other: Evaluation) -> None:
    for name in ("rows", "chance_rows"):
        mine, theirs = (getattr(found, name).drop(columns=VARYING) for found in (one, other))
        pd.testing.assert_frame_equal(mine, theirs)


@pytest.fixture(scope="module")
def engine() -> Iterator[DaskEngine]:
    with DaskEngine("dask://local:2", shard=2) as running:
        yield running


@pytest.mark.slow
def test_the_same_rows_and_one_load_for_each_worker(tmp_path: Path, engine: DaskEngine) -> None:
    log = tmp_path / "loads"
    found = run(images=24, delay=0.02, clip=LoggedClip(log), engine=engine)
    same_rows(found, run(images=24, delay=0.02))
    loads = log.read_text().split()
    assert len(loads) == len(set(loads)) == 2 and str(os.getpid()) not in loads  # both took part, each loaded once
    assert engine.dashboard_link.startswith("http://127.0.0.1:") and "2 workers" in repr(engine)
    with urllib.request.urlopen(engine.dashboard_link, timeout=60) as page:
        assert page.status == 200 and b"bokeh" in page.read().lower()
    assert run(images=0, dataset=SmallWorld(0), engine=engine).rows.empty


@pytest.mark.slow
def test_a_worker_that_is_killed(tmp_path: Path, engine: DaskEngine) -> None:
    before = set(engine.client.run(os.getpid).values())
    victim = min(before)

    def kill() -> None:
        while len(list((tmp_path / "run").glob("parts/*.parquet"))) < 5:
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    found = run(tmp_path / "run", images=60, delay=0.1, engine=engine)
    killer.join()
    after = set(engine.client.run(os.getpid).values())
    assert victim not in after and len(after & before) == 1
    same_rows(found, run(images=60, delay=0.1))
    same_rows(Evaluation.load(tmp_path / "run"), found)


@pytest.mark.slow
def test_output_lock_and_continuation_are_as_ever(tmp_path: Path, engine: DaskEngine) -> None:
    first = run(tmp_path, images=6)
    log = tmp_path.with_name(f"{tmp_path.name}-seen")
    whole = run(tmp_path, dataset=SmallWorld(10, seen=log), engine=engine)
    assert sorted(map(int, log.read_text().split())) == [0, 5, 6, 7, 8, 9]  # the first two: the ids are compared here
    same_rows(whole, run(images=10))
    assert whole.rows["run_id"].nunique() == 2 and first.rows["run_id"].nunique() == 1
    same_rows(run(tmp_path, images=10, engine="dask://127.0.0.1:1"), whole)  # nothing is left: nobody is asked
    with pytest.raises(InvalidInputError, match="other settings"):
        run(tmp_path, images=10, clip=NoClip(seed=3), engine=engine)


@pytest.mark.slow
def test_errors_of_workers_arrive(engine: DaskEngine) -> None:
    with pytest.raises(UnavailableError, match="no captioner"):
        evaluate(SmallWorld(3), NeedsMore(), clip=NoClip(), parts="gold", progress=False, engine=engine)
    with pytest.warns(UserWarning, match="no such picture"):
        found = run(dataset=SmallWorld(4, bad=(1,)), engine=engine)
    assert found.rows.loc[found.rows["image_id"] == "image-1", "error"].notna().all()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_built_in_models_on_the_command_line(tmp_path: Path) -> None:
    from zsris_viz.cli import app

    words = ["evaluate", "--methods", "cropping,global-local", "--limit", "6", "--json"]
    here = CliRunner().invoke(app, [*words, "--output", str(tmp_path / "here")])
    there = CliRunner().invoke(app, [*words, "--output", str(tmp_path / "there"), "--engine", "dask://local:2"])
    assert here.exit_code == there.exit_code == 0, there.output
    assert json.loads(there.stdout)["rows"][0]["n"] > 6
    one, other = (Evaluation.load(tmp_path / name) for name in ("here", "there"))
    skipped = [*VARYING]
    pd.testing.assert_frame_equal(one.rows.drop(columns=skipped), other.rows.drop(columns=skipped))


def test_addresses() -> None:
    assert read_address("dask://local:3") == (None, 3) and read_address("dask://local")[0] is None
    assert read_address("dask://10.0.0.1:8786") == ("10.0.0.1:8786", None)
    for wrong in ("local", "dask://", "dask://local:0", "dask://host", "dask://host:x", "ray://host:1", ""):
        with pytest.raises(InvalidInputError, match=r"dask://HOST:PORT"):
            read_address(wrong)
    with pytest.raises(InvalidTypeError, match="engine is int"):
        read_address(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="shard"):
        DaskEngine("dask://local:1", shard=0)
    with pytest.raises(InvalidInputError, match=r"dask://HOST:PORT"):
        run(images=1, engine="spark://x:1")


def test_no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zsris_viz.evaluation.dask_engine.CONNECT", 0.5)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1 .*dask worker tcp://127\.0\.0\.1:1"):
        run(images=1, engine="dask://127.0.0.1:1")


def spec(**changes: Any) -> WorkerSpec:
    clip = NoClip()
    config = EvaluationConfig(clip=clip, parts="gold", limit=2)
    return WorkerSpec(SmallWorld(3), {"a": ByHash()}, config, **{"weights": weights_fingerprint(clip), **changes})


def test_a_spec_is_whole_and_checked() -> None:
    dataset, bench = spec().build()
    assert len(dataset) == 2 and bench.parts == "gold" and bench.proposer.name == "ground-truth"
    with pytest.raises(UnavailableError, match="other weights for 'none'"):
        spec(weights="0" * 16).build()
    with pytest.raises(UnavailableError, match=r"started with 0\.0\.0; install"):
        spec(version="0.0.0").build()
