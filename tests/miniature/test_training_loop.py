"""The loop that the trainings share: schedule, log, checkpoints, and a run that is killed and continues exactly."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from tests.killing import kill, wait_for
from tests.miniature.small_trainings import STEPS, train_small
from zsris_viz.errors import InvalidInputError
from zsris_viz.miniature.training.schedule import WarmupStableDecay
from zsris_viz.miniature.training.training_loop import TrainingLoop, append_log, cut_log


def test_the_rate_rises_stays_and_falls() -> None:
    schedule = WarmupStableDecay(peak=2.0, warmup=10, decay=40, total=100)
    assert schedule.rate(5) == pytest.approx(1.0)
    assert {schedule.rate(examples) for examples in range(10, 61)} == {2.0}
    assert schedule.rate(70) == pytest.approx(2.0 * (1 - 0.25**0.5)) and schedule.rate(100) == 0.0
    longer = WarmupStableDecay(peak=2.0, warmup=10, decay=40, total=1000)
    assert [longer.rate(examples) for examples in range(61)] == [schedule.rate(examples) for examples in range(61)]
    with pytest.raises(InvalidInputError, match="do not fit"):
        WarmupStableDecay(peak=1.0, warmup=60, decay=60, total=100)


def test_a_log_is_cut_at_a_step_and_a_half_written_row_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for step in (1, 2, 3):
        append_log(path, {"step": step, "loss": step / 2})
    with path.open("a") as file:
        file.write("4")
    cut_log(path, 2)
    with path.open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2"]
    cut_log(tmp_path / "none.csv", 2)


class Numbers(Dataset[Tensor]):
    """A batch of four numbers that depends on the step alone."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, step: int) -> Tensor:
        return torch.randn(4, generator=torch.Generator().manual_seed(step))


def small_training(run: Path, **changes: object) -> TrainingLoop:
    torch.manual_seed(0)
    model = nn.Linear(1, 1)

    def loss(batch: Tensor, examples: int) -> tuple[Tensor, dict[str, tuple[float, float]]]:
        return ((model(batch[:, None]) - 2) ** 2).mean(), {"examples before": (float(examples), 1.0)}

    settings: dict = {
        "run": run,
        "settings": {"seed": 0},
        "model": model,
        "batches": Numbers(),
        "batch_size": 4,
        "loss": loss,
        "save": lambda folder: torch.save(model.state_dict(), folder / "weights.pt"),
        "schedule": WarmupStableDecay(0.1, 4, 12, 40),
        "columns": ("examples before",),
        "workers": 0,
        "log_every": 2,
    }
    return TrainingLoop(**(settings | changes))


def test_a_training_that_was_stopped_continues_exactly(tmp_path: Path) -> None:
    whole = small_training(tmp_path / "whole").fit()
    for stop in (3, 5, None):
        parts = small_training(tmp_path / "parts").fit(stop_after=stop)
    first, second = (torch.load(folder / "weights.pt") for folder in (whole, parts))
    assert all(torch.equal(first[name], second[name]) for name in first)
    logs = [
        [{**row, "seconds": ""} for row in csv.DictReader((folder.parent / "log.csv").open())]
        for folder in (whole, parts)
    ]
    assert logs[0] == logs[1] and [row["step"] for row in logs[0]] == ["2", "4", "6", "8", "10"]
    assert json.loads((tmp_path / "parts" / "training.json").read_text())["examples"] == 40
    assert any((tmp_path / "parts" / "tensorboard").iterdir())


def test_a_run_does_not_continue_with_other_settings(tmp_path: Path) -> None:
    small_training(tmp_path).fit(stop_after=1)
    with pytest.raises(InvalidInputError, match=r"other settings \(seed\)"):
        small_training(tmp_path, settings={"seed": 1}).fit()


def test_the_first_signal_saves_and_ends_the_run(tmp_path: Path) -> None:
    training = small_training(tmp_path)
    inner = training.loss

    def loss(batch: Tensor, examples: int) -> tuple[Tensor, dict[str, tuple[float, float]]]:
        if examples == 16:
            os.kill(os.getpid(), signal.SIGTERM)
        return inner(batch, examples)

    training.loss = loss
    before = signal.getsignal(signal.SIGTERM)
    training.fit()
    assert torch.load(tmp_path / "checkpoint.pt")["step"] == 5
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["CLIP", "GIT"])
def test_a_training_that_is_killed_at_random_moments_ends_with_the_same_weights(tmp_path: Path, kind: str) -> None:
    context = multiprocessing.get_context("forkserver")
    checkpoint, rng, steps = tmp_path / "killed" / "checkpoint.pt", random.Random(kind), [0]

    def start(name: str) -> BaseProcess:
        process = context.Process(target=train_small, args=(kind, str(tmp_path / name)))
        process.start()
        return process

    def saved() -> int:
        return checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0

    whole = start("whole")
    for _ in range(3):
        process = start("killed")
        for _ in range(rng.randrange(1, 3)):
            before = saved()
            wait_for(process, lambda before=before: saved() != before)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.2))
        assert kill(process, f"{kind} training")
        steps.append(torch.load(checkpoint)["step"])
    assert steps == sorted(steps) and 0 < steps[-1] < STEPS  # nothing that was saved is lost
    last = start("killed")
    whole.join()
    last.join()
    first, second = (torch.load(tmp_path / name / "checkpoint.pt") for name in ("whole", "killed"))
    assert first["step"] == second["step"] == STEPS and first["means"] == second["means"]
    assert all(torch.equal(first["model"][name], second["model"][name]) for name in first["model"])
