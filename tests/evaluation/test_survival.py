"""A run survives being killed, keeps to its settings, and has its folder to itself."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd
import pytest

from tests.evaluation.small_world import ByHash, NoClip, SmallWorld, run, run_slowly
from tests.killing import kill, wait_for
from zsris_viz.datasets.types import Subset
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError, ZsrisWarning
from zsris_viz.evaluation import Evaluation, evaluate
from zsris_viz.evaluation.rows import COLUMNS
from zsris_viz.evaluation.store import RowStore, finished_images
from zsris_viz.io.locks import FolderLock

VARYING = ["run_id", "seconds"]
STABLE = [name for name in COLUMNS if name not in (*VARYING, "config_hash")]  # the delay is a setting


def same_rows(one: Evaluation, other: Evaluation) -> None:
    for name in ("rows", "chance_rows"):
        pd.testing.assert_frame_equal(
            getattr(one, name).drop(columns=VARYING), getattr(other, name).drop(columns=VARYING)
        )


@pytest.fixture(scope="module")
def start() -> Callable[..., BaseProcess]:
    """Starts a process that evaluates the small world, from a server that has everything loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.evaluation.small_world"])

    def begin(folder: Path, images: int, delay: float) -> BaseProcess:
        process = context.Process(target=run_slowly, args=(str(folder), images, delay, 7), daemon=True)
        process.start()
        return process

    return begin


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_any_moment_and_started_again(tmp_path: Path, start: Callable[..., BaseProcess], kills: int) -> None:
    undisturbed = run(images=100)
    folder, rng = tmp_path / "run", random.Random(0)
    done = [0]
    for number in range(kills):
        process = start(folder, 100, 0.01)
        if number % 4 != 3:  # three of four are killed at work, the fourth anywhere
            wanted = done[-1] + rng.randrange(1, 5)
            wait_for(process, lambda wanted=wanted: len(finished_images(folder)) >= wanted)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.05))
        kill(process, "evaluate")
        done.append(len(finished_images(folder)))
    assert done == sorted(done)  # nothing is lost
    assert len({count for count in done if count < 100}) >= kills // 2  # the kills came in the middle of the work
    finished = run(folder, images=100, delay=0.01)
    same_rows(Evaluation.load(folder), finished)
    pd.testing.assert_frame_equal(finished.rows[STABLE], undisturbed.rows[STABLE])
    assert not [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.parametrize("seed", range(5))
def test_stopped_between_any_two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Every write and every removal in the store is a moment at which the process may end."""
    monkeypatch.setattr("zsris_viz.evaluation.store.PARTS_PER_BLOCK", 4)
    undisturbed = run(images=10)
    rng = random.Random(seed)

    class Killed(BaseException):
        pass

    real_replace, real_unlink = os.replace, Path.unlink

    def maybe(do: object) -> object:
        def step(*args: object, **options: object) -> object:
            if rng.random() < 0.15:
                raise Killed
            return do(*args, **options)  # type: ignore[operator]

        return step

    for _ in range(100):
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", maybe(real_replace))
            patch.setattr(Path, "unlink", maybe(real_unlink))
            try:
                finished = run(tmp_path / "run", images=10)
                break
            except Killed:
                continue
    else:
        pytest.fail("never finished")
    same_rows(finished, undisturbed)
    same_rows(run(tmp_path / "run", images=10), undisturbed)
    assert len(list(tmp_path.glob("run/blocks/*.parquet"))) == 2


def test_what_is_finished_is_not_done_again(tmp_path: Path) -> None:
    loaded = []

    class Watched(SmallWorld):
        def _picture(self, index: int) -> object:
            loaded.append(index)
            return super()._picture(index)

    run(tmp_path, dataset=Watched(2))
    assert loaded == [0, 1]
    first = run(tmp_path, dataset=Watched(4))
    assert loaded == [0, 1, 2, 3]
    same_rows(run(tmp_path, dataset=Watched(4)), first)
    assert loaded == [0, 1, 2, 3]
    same_rows(run(tmp_path, dataset=Watched(4), limit=3), run(images=3))
    same_rows(first, run(images=4))


def test_other_settings_are_refused(tmp_path: Path) -> None:
    run(tmp_path, images=2)
    for change, words in (
        ({"clip": NoClip("other", seed=1)}, r'clip.name is "none" there and "other" here; clip.weights'),
        ({"dataset": SmallWorld(2, seed=9)}, "dataset.seed is 0 there and 9 here"),
        ({"proposals": "felzenszwalb"}, "proposals.name"),
        ({"preprocess": "glclip"}, "preprocess"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            run(tmp_path, **{"images": 2, **change})
    with pytest.raises(
        InvalidInputError, match=r"methods.a.salt is 1 there and 7 here; methods.b is \{.*\} there and absent"
    ):
        evaluate(SmallWorld(2), {"a": ByHash(salt=7)}, clip=NoClip(), parts="gold", output=tmp_path, progress=False)
    renamed = Subset(SmallWorld(2), 2)
    renamed.dataset = type("Other", (SmallWorld,), {"__getitem__": lambda self, index: _renamed(self, index)})(2)
    with pytest.raises(InvalidInputError, match="number 0 is 'image-0' there and 'x0' here"):
        run(tmp_path, dataset=renamed)
    same_rows(run(tmp_path, images=2), run(images=2))  # nothing was harmed


def _renamed(world: SmallWorld, index: int) -> object:
    sample = SmallWorld.__getitem__(world, index)
    sample.image_id = f"x{index}"
    return sample


def test_one_run_at_a_time(tmp_path: Path, start: Callable[..., BaseProcess]) -> None:
    with (
        RowStore(tmp_path, {"a": 1}),
        pytest.raises(UnavailableError, match=f"process {os.getpid()} on .*another output folder"),
    ):
        run(tmp_path)
    process = start(tmp_path / "theirs", 2000, 0.05)
    while not any((tmp_path / "theirs").glob("parts/*.parquet")):
        time.sleep(0.02)
    try:
        with pytest.raises(UnavailableError, match=f"kill {process.pid}"):
            run(tmp_path / "theirs", images=2000, delay=0.05)
    finally:
        kill(process, "evaluate")
    with FolderLock(tmp_path / "theirs"):
        pass  # a dead owner leaves no lock


def test_a_lock_of_another_machine_is_respected_until_deleted(tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    lock.write_text(json.dumps({"pid": 1, "host": "elsewhere", "started": "today", "command": "zsris"}))
    with pytest.raises(UnavailableError, match=f"elsewhere.*delete {lock}"):
        run(tmp_path, images=1)
    lock.unlink()
    run(tmp_path, images=1)


def test_damaged_files(tmp_path: Path) -> None:
    first = run(tmp_path, images=3)
    (part,) = tmp_path.glob("parts/00000001-*.parquet")
    part.write_bytes(part.read_bytes()[:50])
    with pytest.warns(ZsrisWarning, match="damaged"):
        same_rows(run(tmp_path, images=3), first)
    (tmp_path / "rows.parquet").write_bytes(b"nothing")
    with pytest.raises(CorruptFileError, match="damaged"):
        Evaluation.load(tmp_path)
    same_rows(run(tmp_path, images=3), first)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CorruptFileError, match="new output folder"):
        run(tmp_path, images=3)


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("name", ["rows.parquet", "chance.parquet", "SHA256SUMS", "config.json"])
def test_a_flipped_bit_in_a_finished_run_is_found(finished: Path, name: str) -> None:
    path, rng = finished / name, random.Random(0)
    content = path.read_bytes()
    same = Evaluation.load(finished)
    for bit in rng.sample(range(8 * len(content)), 60):
        path.write_bytes(flipped(content, bit))
        try:
            found = Evaluation.load(finished)
        except CorruptFileError:
            continue
        assert name == "SHA256SUMS"  # a line end that changed
        same_rows(found, same)
    path.write_bytes(content)
    same_rows(Evaluation.load(finished), same)


def test_a_flipped_bit_in_parts_and_blocks_is_found(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zsris_viz.evaluation.store.PARTS_PER_BLOCK", 4)
    same, rng = Evaluation.load(finished), random.Random(1)
    for _ in range(12):
        path = rng.choice(sorted(finished.glob("parts/*.parquet")) + sorted(finished.glob("blocks/*.parquet")))
        content = path.read_bytes()
        path.write_bytes(flipped(content, rng.randrange(8 * len(content))))
        with pytest.warns(ZsrisWarning, match="damaged"):
            same_rows(run(finished, images=6), same)
    part = next(iter([*finished.glob("parts/*.parquet")]))
    os.replace(part, part.with_name("00000077" + part.name[8:]))  # whole, but of another image
    with pytest.warns(ZsrisWarning, match="damaged"):
        same_rows(run(finished, images=6), same)


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with monkeypatch.context() as patch:
        patch.setattr("zsris_viz.evaluation.store.PARTS_PER_BLOCK", 4)
        run(tmp_path / "run", images=6)
    assert len(list(tmp_path.glob("run/parts/*"))) == 2 and len(list(tmp_path.glob("run/blocks/*"))) == 1
    return tmp_path / "run"


def test_a_run_of_another_format_is_refused(tmp_path: Path) -> None:
    run(tmp_path, images=1)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "format": 1}))
    with pytest.raises(InvalidInputError, match="format 1, not 3"):
        run(tmp_path, images=1)


def test_wrong_folders(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match="is a file"):
        run(tmp_path / "file", images=1)
    with pytest.raises(InvalidInputError, match="holds other files"):
        run(tmp_path, images=1)
    with pytest.raises(InvalidInputError, match="no finished run"):
        Evaluation.load(tmp_path)


def test_images_without_expressions_are_done_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zsris_viz.evaluation.store.PARTS_PER_BLOCK", 2)
    with RowStore(tmp_path, {}) as store:
        store.add(4, [])
        store.add(1, [])
        store.add(3, [])
    with RowStore(tmp_path, {}) as store:
        assert store.done == {1, 3, 4} and len(store.read()) == 0
