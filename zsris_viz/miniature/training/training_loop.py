"""The loop that every training of a built-in model shares: schedule, checkpoints, log and exact resumption.

A training differs from another one in its model, its batches and the loss of a batch. Batches are read from a map-style
dataset indexed by the number of the step, in processes of their own. A batch depends on nothing but the settings and
this number, so a run that was killed continues with the batches that it would have seen.
"""

from __future__ import annotations

import csv
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from zsris_viz.errors import InvalidInputError
from zsris_viz.io.atomic import atomic_path
from zsris_viz.io.json_files import read_json_object, write_json
from zsris_viz.io.training_state import load_state, save_state
from zsris_viz.miniature.training.schedule import WarmupStableDecay

CHECKPOINT, LOG, SETTINGS, SUMMARY = "checkpoint.pt", "log.csv", "settings.json", "training.json"


class RunningMeans:
    """Means of named values since the last row of the log, which a checkpoint keeps."""

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = {}

    def add(self, values: Mapping[str, tuple[float, float]]) -> None:
        """Add values.

        Args:
            values: name -> sum and count.
        """
        for name, (total, count) in values.items():
            row = self.sums.setdefault(name, [0.0, 0.0])
            row[0] += total
            row[1] += count

    def means(self) -> dict[str, float]:
        """Return name -> mean, rounded to four digits after the point."""
        return {name: round(total / count, 4) for name, (total, count) in self.sums.items() if count}


@dataclass
class TrainingLoop:
    """What is trained and how.

    Attributes:
        run: Path, folder of the checkpoint, the log and the weights.
        settings: dict that json can write; a run continues only with the settings that it began with.
        model: nn.Module whose parameters are trained and whose state is kept, with what only training needs.
        batches: Dataset of the batches, indexed by the number of the step.
        batch_size: int, number of examples in a batch.
        loss: called with a batch and the number of examples before it; returns the loss and, for the log, name -> sum
            and count.
        save: called with a folder to write the weights into.
        schedule: the learning rate.
        columns: tuple of str, the columns of the log beside step, examples, seconds, loss and rate.
        unit: str, what is counted, in the plural.
        betas: tuple of two floats, of AdamW.
        weight_decay: float, for parameters of two or more dimensions.
        threads: int, threads of PyTorch in the process that trains.
        workers: int, processes that draw batches; 0 draws them in the process that trains.
        log_every: int, number of steps between two rows of the log.
        save_seconds: float, seconds between two checkpoints.
        earlier: dict added to the summary, such as what the weights that the run began with had been trained on.
    """

    run: Path
    settings: dict[str, Any]
    model: nn.Module
    batches: Dataset[Any]
    batch_size: int
    loss: Callable[[Any, int], tuple[Tensor, dict[str, tuple[float, float]]]]
    save: Callable[[Path], None]
    schedule: WarmupStableDecay
    columns: tuple[str, ...] = ()
    unit: str = "examples"
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.05
    threads: int = 1
    workers: int = 1
    log_every: int = 25
    save_seconds: float = 300.0
    earlier: dict[str, Any] = field(default_factory=dict)

    def fit(self, *, stop_after: int | None = None) -> Path:
        """Train until the schedule ends; a run that was interrupted continues from its last checkpoint.

        The first SIGTERM or SIGINT ends the run after the current step with a checkpoint.

        Args:
            stop_after: int or None, number of the step after which to save and return, as after SIGTERM.

        Returns:
            The folder with the weights.

        Raises:
            InvalidInputError: the run began with other settings.
        """
        torch.set_num_threads(self.threads)
        folder = self.run / "weights"
        folder.mkdir(parents=True, exist_ok=True)
        self._check_settings()
        optimizer = self._optimizer()
        step, seconds, means = self._resume(optimizer)
        last = -(-self.schedule.total // self.batch_size)
        last = last if stop_after is None else min(stop_after, last)
        stopped = _StopSignal()
        loader = DataLoader(
            self.batches,
            batch_size=None,
            sampler=range(step, last),
            num_workers=self.workers,
            prefetch_factor=4 if self.workers else None,
            worker_init_fn=_ignore_interrupts if self.workers else None,
        )
        writer = self._writer(step)
        saved = time.monotonic()
        self.model.train()
        with stopped:
            started = time.monotonic()
            for batch in loader:
                examples = step * self.batch_size
                for group in optimizer.param_groups:
                    group["lr"] = self.schedule.rate(examples)
                loss, values = self.loss(batch, examples)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                optimizer.step()
                step += 1
                means.add({"loss": (loss.item(), 1.0), **values})
                now = time.monotonic()
                seconds, started = seconds + now - started, now
                if step % self.log_every == 0 or step * self.batch_size >= self.schedule.total:
                    self._log(writer, step, seconds, means)
                    means = RunningMeans()
                if stopped.received:
                    break
                if now - saved > self.save_seconds:
                    self._save(optimizer, step, seconds, means)
                    saved = time.monotonic()
        self._save(optimizer, step, seconds, means)
        writer.close()
        return folder

    def _optimizer(self) -> torch.optim.AdamW:
        trained = [value for value in self.model.parameters() if value.requires_grad]
        groups = [
            {"params": [value for value in trained if value.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [value for value in trained if value.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.schedule.peak, betas=self.betas, fused=True)

    def _check_settings(self) -> None:
        path = self.run / SETTINGS
        if path.is_file():
            begun = read_json_object(path, "Delete the folder to begin again.")
            changed = sorted(
                name for name in begun.keys() | self.settings.keys() if begun.get(name) != self.settings.get(name)
            )
            if changed:
                raise InvalidInputError(
                    f"the run in {self.run} began with other settings ({', '.join(changed)}): "
                    f"{ {name: begun.get(name) for name in changed} }. Give the same ones, or another folder."
                )
        else:
            write_json(path, self.settings)

    def _resume(self, optimizer: torch.optim.Optimizer) -> tuple[int, float, RunningMeans]:
        means = RunningMeans()
        state = load_state(self.run / CHECKPOINT)
        if state is None:
            return 0, 0.0, means
        self.model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        means.sums = state["means"]
        cut_log(self.run / LOG, int(state["step"]))
        return int(state["step"]), float(state["seconds"]), means

    def _save(self, optimizer: torch.optim.Optimizer, step: int, seconds: float, means: RunningMeans) -> None:
        save_state(
            self.run / CHECKPOINT,
            {
                "model": self.model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
                "seconds": seconds,
                "means": means.sums,
            },
        )
        self.save(self.run / "weights")
        summary = {
            **self.settings,
            "steps": step,
            self.unit: step * self.batch_size,
            "seconds": round(seconds),
            "threads": self.threads,
            **self.earlier,
        }
        write_json(self.run / SUMMARY, summary)

    def _log(self, writer: Any, step: int, seconds: float, means: RunningMeans) -> None:
        values = means.means()
        row: dict[str, Any] = {"step": step, self.unit: step * self.batch_size, "seconds": round(seconds)}
        row |= {"loss": values.get("loss", ""), "rate": round(self.schedule.rate((step - 1) * self.batch_size), 8)}
        row |= {name: values.get(name, "") for name in self.columns}
        append_log(self.run / LOG, row)
        for name, value in row.items():
            if name not in ("step", self.unit) and value != "":
                writer.add_scalar(name, value, step * self.batch_size)
        print(*(f"{name} {value}" for name, value in row.items()), flush=True)

    def _writer(self, step: int) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(self.run / "tensorboard", purge_step=step * self.batch_size + 1, flush_secs=60)


class _StopSignal:
    """Notes SIGTERM and SIGINT in place of ending the process at once; the second one ends it."""

    def __init__(self) -> None:
        self.received = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self._before[number] = signal.signal(number, self._note)
            except ValueError:  # not in the main thread, where signals cannot be handled
                return

    def _note(self, number: int, _frame: Any) -> None:
        self.received = True
        signal.signal(number, self._before[number])

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _ignore_interrupts(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def append_log(path: Path, row: Mapping[str, float | int | str]) -> None:
    """Append one row to a CSV file, with a header where the file is new.

    Args:
        path: Path of the file.
        row: column -> value.
    """
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def cut_log(path: Path, step: int) -> None:
    """Drop the rows after a step, which a run that continues writes again.

    Args:
        path: Path of a CSV file with a column `step`, which may not exist.
        step: int, the last step that is kept.
    """
    if not path.exists():
        return
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        names = list(reader.fieldnames or [])
        # The last line may be half written if the process was killed; its step is past the checkpoint's then.
        kept = [row for row in reader if all(value is not None for value in row.values()) and int(row["step"]) <= step]
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=names)
        writer.writeheader()
        writer.writerows(kept)
