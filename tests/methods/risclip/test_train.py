"""Training: it learns, a killed run ends with the same weights, and what goes wrong loses nothing."""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.killing import kill, wait_for
from tests.methods.risclip.conftest import settings
from tests.methods.risclip.world import Squares
from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.io import training_state
from zsris_viz.methods.risclip import Training, load_model, run, tower_hash, train_risclip
from zsris_viz.methods.risclip.examples import Pictures
from zsris_viz.models.preprocessing import get_preprocess


def squares(count: int = 6, **options: Any) -> Pictures:
    return Pictures(Squares(count, **options), get_preprocess("clip", 56), 28)


def trained(clip: Any, folder: Path, options: Training, **more: Any) -> Any:
    return train_risclip(options, folder, clip=clip, data=squares(), tensorboard=False, **more)


def weights(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_training_from_end_to_end(clip: Any, tmp_path: Path) -> None:
    before = tower_hash(clip, exact=True)
    done = train_risclip(
        settings(), tmp_path / "run", clip=clip, data=squares(), validation=squares(2), tensorboard=True
    )
    assert done.progress.finished and done.progress.total == 8 and done.progress.expressions == 8 * 4
    assert tower_hash(clip, exact=True) == before
    again = load_model(done.path, clip)
    assert all(torch.equal(one, other) for one, other in zip(again.parameters(), done.model.parameters(), strict=True))
    rows = list(csv.DictReader((tmp_path / "run" / "training.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    assert [row["stage"] for row in rows] == ["align"] * 3 + ["decode"] * 2 + ["joint"] * 3
    assert [bool(row["val_miou"]) for row in rows] == [False, True, True, True, True, True, False, True]
    assert all(bool(row["contrast"]) != (row["stage"] == "decode") for row in rows)
    assert all(bool(row["bce"]) == (row["stage"] != "align") for row in rows)
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))
    # The same call again does nothing and gives the same.
    once_more = train_risclip(settings(), tmp_path / "run", clip=clip, data=squares(), tensorboard=False)
    assert once_more.progress == done.progress
    assert all(torch.equal(a, b) for a, b in zip(once_more.model.parameters(), again.parameters(), strict=True))


def test_it_learns(clip: Any, tmp_path: Path) -> None:
    options = settings(steps={"align": 0, "decode": 0, "joint": 40}, rate=1e-2, batch=4)
    done = trained(clip, tmp_path, options)
    first, last = (sum(row["loss"] for row in rows) / 5 for rows in (done.rows[:5], done.rows[-5:]))
    assert last < 0.7 * first


def test_accumulated_batches_are_one_large_batch(clip: Any, tmp_path: Path) -> None:
    options = {"steps": {"align": 0, "decode": 0, "joint": 3}, "expressions": 9, "rate": 1e-3}  # 9: all that there are
    whole = trained(clip, tmp_path / "a", settings(**options, batch=2))
    parts = trained(clip, tmp_path / "b", settings(**options, batch=1, accumulate=2))
    assert (whole.progress.batches, parts.progress.batches) == (3, 6)
    for one, other in zip(whole.rows, parts.rows, strict=True):
        assert one["expressions"] == other["expressions"] and one["loss"] == pytest.approx(other["loss"], rel=1e-4)
    for one, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-4)  # Adam turns the signs of rounding errors into steps


@pytest.mark.parametrize("stop", [1, 4, 6])
def test_a_stopped_run_ends_with_the_same_weights(clip: Any, tmp_path: Path, stop: int) -> None:
    """Stopped in each of the three stages."""
    options = settings(precision="no")
    straight = trained(clip, tmp_path / "straight", options, validation=squares(2))
    broken = trained(clip, tmp_path / "broken", options, validation=squares(2), stop_after=stop)
    assert not broken.progress.finished and not broken.path.exists() and broken.progress.total == stop
    ended = trained(clip, tmp_path / "broken", options, validation=squares(2))
    assert same(straight.path, ended.path)
    lines = [list(csv.DictReader(done.path.with_name("training.csv").open())) for done in (straight, ended)]
    assert [{**row, "seconds": 0} for row in lines[0]] == [{**row, "seconds": 0} for row in lines[1]]


def test_a_crash_after_a_checkpoint_does_the_steps_again(
    clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = trained(clip, tmp_path / "straight", settings(checkpoint_minutes=0))
    step = run.TrainingRun.step
    done: list[int] = []

    def stumbling(self: Any, *args: Any) -> Any:
        done.append(1)
        if len(done) == 3:
            raise KeyboardInterrupt
        return step(self, *args)

    monkeypatch.setattr(run.TrainingRun, "step", stumbling)
    with pytest.raises(KeyboardInterrupt):
        trained(clip, tmp_path / "broken", settings(checkpoint_minutes=0))
    assert same(straight.path, trained(clip, tmp_path / "broken", settings(checkpoint_minutes=0)).path)
    assert len(done) == 3 + 6  # two steps were kept


def test_early_stopping_ends_a_stage(clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([10.0, 20.0, 15.0, 5.0, 5.0, 5.0, 5.0])

    def fixed_value(*args: Any) -> dict[str, float]:
        value = next(values)
        return {"val_map_miou": value, "val_miou": value}

    monkeypatch.setattr(run, "validate", fixed_value)
    options = settings(steps={"align": 0, "decode": 0, "joint": 100}, patience=2, validate_every=1)
    done = trained(clip, tmp_path, options, validation=squares(1))
    assert done.progress.total == 4 and done.progress.finished  # best at 2, two more without a better one
    kept = trained(
        clip, tmp_path / "two", options.model_copy(update={"steps": options.steps}), validation=None, stop_after=2
    )
    assert all(torch.equal(a, b) for a, b in zip(done.model.parameters(), kept.model.parameters(), strict=True))


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_state(
    clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss_of = run.loss_of
    calls: list[int] = []

    def poisoned(*args: Any) -> Any:
        calls.append(1)
        parts = loss_of(*args)
        return {**parts, "loss": parts["loss"] * float("nan")} if len(calls) == 3 else parts

    monkeypatch.setattr(run, "loss_of", poisoned)
    with pytest.raises(UnavailableError, match=r"loss is not a finite number at step 3.*checkpoint of step 2 is kept"):
        trained(clip, tmp_path, settings(checkpoint_minutes=0))
    state = training_state.load_state(tmp_path / "state.pt")
    assert state is not None and state["progress"]["total"] == 2
    assert all(bool(value.isfinite().all()) for value in state["model"].values())
    monkeypatch.setattr(run, "loss_of", loss_of)
    assert trained(clip, tmp_path, settings(checkpoint_minutes=0)).progress.finished


def test_a_gradient_that_is_no_number_stops_before_the_step(
    clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss_of = run.loss_of

    def steep(*args: Any) -> Any:
        parts = loss_of(*args)
        return {**parts, "loss": parts["loss"] + 0 * (parts["loss"] - parts["loss"].detach()).sqrt()}

    monkeypatch.setattr(run, "loss_of", steep)
    with pytest.raises(UnavailableError, match="gradient's norm is not a finite number at step 1"):
        trained(clip, tmp_path, settings())


def test_a_full_disk_keeps_the_last_state(clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.fsync
    options = settings(checkpoint_minutes=0)
    trained(clip, tmp_path, options, stop_after=2)
    kept = (tmp_path / "state.pt").read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnavailableError, match=r"the disk is full.*previous one is kept.*run the same command again"):
        trained(clip, tmp_path, options)
    assert (tmp_path / "state.pt").read_bytes() == kept
    assert not list(tmp_path.glob("*.tmp"))
    monkeypatch.setattr(os, "fsync", write)
    straight = trained(clip, tmp_path / "straight", options)
    assert same(straight.path, trained(clip, tmp_path, options).path)


def test_other_settings_in_the_same_folder_are_refused(clip: Any, tmp_path: Path) -> None:
    trained(clip, tmp_path, settings(), stop_after=1)
    with pytest.raises(InvalidInputError, match=r"other settings \(rate\)"):
        trained(clip, tmp_path, settings(rate=1e-4))
    trained(clip, tmp_path, settings(workers=0, log_every=5), stop_after=1)  # these do not decide the weights


def test_a_data_set_without_masks_is_refused_before_anything_is_written(clip: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="has no mask, and RISCLIP learns from masks"):
        train_risclip(settings(), tmp_path / "run", clip=clip, data=squares(masks=None))
    assert not (tmp_path / "run").exists()


def test_half_precision_trains_too(clip: Any, tmp_path: Path) -> None:
    done = trained(clip, tmp_path, settings(precision="bf16", steps={"align": 1, "decode": 1, "joint": 1}))
    assert done.progress.finished and all(torch.isfinite(value).all() for value in done.model.parameters())
    assert all(value.dtype == torch.float32 for value in done.model.parameters())


@pytest.mark.slow
def test_a_run_that_is_killed_ends_with_the_same_weights(tmp_path: Path) -> None:
    """The command itself, killed without warning, on the built-in tower."""
    config = tmp_path / "a.yaml"
    config.write_text(
        "clip: miniature\ndevice: cpu\nthreads: 1\nbatch: 2\nexpressions: 2\ncheckpoint_minutes: 0\nlog_every: 1\n"
        "data: {limit: 4}\nvalidation: {split: val, limit: 2}\nvalidate_every: 5\n"
        "steps: {align: 10, decode: 5, joint: 10}\n"
    )

    def start(folder: Path) -> subprocess.Popen[bytes]:
        words = [
            sys.executable,
            "-m",
            "zsris_viz.cli",
            "train",
            "risclip",
            "--config",
            str(config),
            "--output",
            str(folder),
        ]
        return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    assert start(tmp_path / "straight").wait(timeout=600) == 0
    log, rng, kills = tmp_path / "killed" / "training.csv", random.Random(0), 0
    for row in sorted(rng.sample(range(1, 24), 3)):
        process = start(tmp_path / "killed")
        wait_for(process, lambda row=row: log.is_file() and len(log.read_text().splitlines()) > row)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.2))
        kills += kill(process, "RISCLIP training")
    assert kills >= 2  # the last one may come after the end
    assert start(tmp_path / "killed").wait(timeout=600) == 0
    assert same(tmp_path / "straight" / "model.safetensors", tmp_path / "killed" / "model.safetensors")


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    config = tmp_path / "a.yaml"
    config.write_text(
        "clip: miniature\ndevice: cpu\nthreads: 1\nbatch: 1\nexpressions: 2\nlog_every: 1\ndata: {limit: 4}\n"
        "validation: {split: val, limit: 1}\nsteps: {align: 1, decode: 1, joint: 1}\n"
    )
    # `accelerate launch --cpu` starts one process only; torchrun starts as many as it is told.
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    words = [
        *launch,
        "-m",
        "zsris_viz.cli",
        "train",
        "risclip",
        "--config",
        str(config),
        "--output",
        str(tmp_path / "run"),
    ]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stderr[-2000:]
    rows = list(csv.DictReader((tmp_path / "run" / "training.csv").open()))
    assert ran.stdout.count("checkpoint") == 2  # each process says where the model is
    assert [row["stage"] for row in rows] == ["align", "decode", "joint"]  # and one of them writes
    assert (tmp_path / "run" / "model.safetensors").is_file()
