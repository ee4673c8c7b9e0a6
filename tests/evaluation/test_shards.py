"""Shards of one evaluation: independent jobs in one folder give the rows of one run."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pandas as pd
import pytest

from tests.evaluation.small_world import run
from tests.killing import kill
from zsris_viz.errors import InvalidInputError, UnavailableError, ZsrisWarning
from zsris_viz.evaluation import Evaluation
from zsris_viz.evaluation.shards import Shard
from zsris_viz.evaluation.store import finished_images
from zsris_viz.io.locks import FolderLock

VARYING = ["run_id", "seconds"]


def same_rows(one: Evaluation, other: Evaluation) -> None:
    for name in ("rows", "chance_rows"):
        mine, theirs = (getattr(found, name).drop(columns=VARYING) for found in (one, other))
        pd.testing.assert_frame_equal(mine, theirs)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_shards_share_all_images(count: int) -> None:
    shards = [Shard.parse(f"{number}/{count}") for number in range(1, count + 1)]
    indices = sorted(index for shard in shards for index in shard.indices(7))
    assert indices == list(range(7))


@pytest.mark.parametrize("wrong", ["", "2", "0/3", "4/3", "a/b", "1/0", "-1/2", "1/2/3"])
def test_wrong_shards(wrong: str) -> None:
    with pytest.raises(InvalidInputError, match="1/4 to 4/4"):
        Shard.parse(wrong)


def test_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zsris_viz.evaluation.store.PARTS_PER_BLOCK", 3)
    whole = run(images=11)
    for number in (2, 3):
        part = run(tmp_path, images=11, shard=f"{number}/3")
        assert part.rows["image_id"].nunique() == len(Shard(number, 3).indices(11))
        assert not (tmp_path / "rows.parquet").exists()
    run(tmp_path, images=11, shard="1/3")
    same_rows(Evaluation.load(tmp_path), whole)


def test_a_run_of_all_images_takes_the_shards_and_evaluates_the_rest(tmp_path: Path) -> None:
    run(tmp_path, images=6, shard="1/3")
    with FolderLock(tmp_path / "shards" / "1-of-3"), pytest.raises(UnavailableError, match="in use"):
        run(tmp_path, images=6)
    found = run(tmp_path, images=6)
    assert found.rows["run_id"].nunique() == 2
    same_rows(found, run(images=6))
    (part,) = tmp_path.glob("shards/*/parts/00000003-*")
    part.write_bytes(part.read_bytes()[:-1] + b"?")
    with pytest.warns(ZsrisWarning, match="damaged"):
        same_rows(run(tmp_path, images=6), found)
    with pytest.raises(InvalidInputError, match="other settings"):
        run(tmp_path, images=6, shard="2/3", preprocess="glclip")


def _job(folder: str, number: int, count: int) -> None:
    run(folder, images=20, delay=0.005, shard=f"{number}/{count}")


@pytest.mark.slow
def test_jobs_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.evaluation.small_world"])
    jobs = [context.Process(target=_job, args=(str(tmp_path), number, 4)) for number in range(1, 5)]
    for job in jobs:
        job.start()
    kill(jobs[0], "evaluate")
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs[1:]] == [0, 0, 0]
    again = context.Process(target=_job, args=(str(tmp_path), 1, 4))
    again.start()
    again.join()
    assert again.exitcode == 0 and len(finished_images(tmp_path)) == 20
    same_rows(Evaluation.load(tmp_path), run(images=20, delay=0.005))
