"""A training run in a folder: stages, steps, validation and the state from which an interrupted run resumes."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.io.training_state import load_state, save_state
from zsris_viz.methods.risclip.batches import Batch, StepBatches
from zsris_viz.methods.risclip.checkpoint import load_model, save_model, tower_hash
from zsris_viz.methods.risclip.config import Training, checked
from zsris_viz.methods.risclip.examples import Pictures, TrainingImage
from zsris_viz.methods.risclip.log import TrainingLog
from zsris_viz.methods.risclip.model import RisClipModel
from zsris_viz.methods.risclip.optim import Stage, learning_rate, loss_of, stages_of, start_stage
from zsris_viz.methods.risclip.progress import Progress, Trained
from zsris_viz.methods.risclip.validation import validate

#: Settings that may change when a run is resumed, because they do not influence the weights. The tower is compared by
#: its hash instead of its name.
FREE = ("clip", "device", "workers", "threads", "checkpoint_minutes", "log_every")


class TrainingRun:
    """A training run in a folder.

    Args:
        settings: Settings of the training.
        folder: Folder of the run.
        model: The model to train.
        accelerator: An `accelerate.Accelerator`.

    Attributes:
        progress: Progress of the run.
        state: Path of the file from which an interrupted run resumes.
        result: Path of the trained model.
        log: The log; it exists after :meth:`open`.
    """

    def __init__(self, settings: Training, folder: Path, model: RisClipModel, accelerator: Any) -> None:
        self.settings, self.folder, self.model, self.accelerator = settings, folder, model, accelerator
        self.progress = Progress()
        self.state = folder / "state.pt"
        self.result = folder / "model.safetensors"
        self.log: TrainingLog
        self._optimizer_state: dict[str, Any] | None = None
        self._scaler_state: dict[str, Any] | None = None
        self._saved = time.monotonic()

    # -- the folder

    def open(self, *, tensorboard: bool = True) -> None:
        """Resume the run in the folder, or start a new one.

        Args:
            tensorboard: Whether event files are written.

        Raises:
            InvalidInputError: The folder holds a run with other settings or of another tower.
            CorruptFileError: The saved state is damaged.
        """
        facts = {**self.settings.model_dump(mode="json"), "tower": tower_hash(self.model.clip)}
        path = self.folder / "settings.json"
        if path.is_file():
            stored = json.loads(path.read_text(encoding="utf-8"))
            with contextlib.suppress(InvalidInputError):  # a setting that the run does not know yet gets its default
                own = {name: value for name, value in stored.items() if name != "tower"}
                stored |= checked(Training, own).model_dump(mode="json")
            other = [name for name in facts if stored.get(name) != facts[name] and name not in FREE]
            if other:
                raise InvalidInputError(
                    f"{self.folder} holds a training with other settings ({', '.join(other)}); give another --output, "
                    "or delete the folder to begin again."
                )
        elif self.accelerator.is_main_process:
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        state = load_state(self.state)
        rows: list[dict[str, Any]] = []
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.progress = Progress(**state["progress"])
            self._optimizer_state, self._scaler_state = state["optimizer"], state["scaler"]
            rows = state["rows"]
        self.log = TrainingLog(self.folder, rows, tensorboard=tensorboard, write=self.accelerator.is_main_process)

    def save(self, optimizer: Any) -> None:
        """Write the state of the run; only the first process writes.

        Args:
            optimizer: The optimizer whose state is saved; None between two stages.
        """
        self._saved = time.monotonic()
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        state = {
            "model": self.model.state_dict(),
            "progress": vars(self.progress),
            "optimizer": None if optimizer is None else optimizer.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "rows": self.log.rows,
        }
        save_state(self.state, state)

    def finish(self) -> Trained:
        """Return the trained model; a finished run also writes it to `model.safetensors`.

        Returns:
            The result of the run; if it is not finished, the model has its current weights.
        """
        done = self.progress
        if done.finished and self.accelerator.is_main_process:
            best = load_state(self.folder / "best.pt")
            if best is not None:
                self.model.load_state_dict(best)
            elif self.result.is_file():  # the run was finished by an earlier call
                self.model.load_state_dict(load_model(self.result, self.model.clip).state_dict())
                return Trained(self.result, self.model.eval().requires_grad_(False), self.log.rows, done)
            facts = {"steps": done.total, "expressions": done.expressions * self.accelerator.num_processes}
            facts |= {"seconds": round(done.seconds), "settings": self.settings.model_dump(mode="json")}
            save_model(self.result, self.model, training=facts)
            (self.folder / "best.pt").unlink(missing_ok=True)
        self.model.eval().requires_grad_(False)
        return Trained(self.result, self.model, self.log.rows, done)

    # -- the work

    def work(
        self, batches: StepBatches, validation: Pictures | None, stop_after: int | None, report: Callable[[str], None]
    ) -> None:
        """Run all stages that are not done yet.

        Args:
            batches: The training batches.
            validation: The validation images; None for no validation.
            stop_after: Number of steps after which the call ends; None for no limit.
            report: Function that is called with a line of text on progress.
        """
        left = stop_after
        stages = stages_of(self.settings, self.model)
        images = None if validation is None else [validation[index] for index in range(len(validation))]
        while self.progress.stage < len(stages):
            stage = stages[self.progress.stage]
            report(f"stage {stage.name}: {stage.steps} steps, from {self.progress.step}")
            left = self.stage(stage, batches, images, left, report)
            if left is not None and left <= 0:
                return
        self.progress.finished = True
        self.save(None)

    def stage(
        self,
        stage: Stage,
        batches: StepBatches,
        validation: list[TrainingImage] | None,
        left: int | None,
        report: Callable[[str], None],
    ) -> int | None:
        """Run one stage to its end, or until the steps of this call are done.

        Args:
            stage: The stage.
            batches: The training batches.
            validation: The validation images; None for no validation.
            left: Number of steps that this call may still do; None for no limit.
            report: Function that is called with a line of text on progress.

        Returns:
            Number of steps that this call may still do; None for no limit.

        Raises:
            UnavailableError: A loss or a gradient is not finite.
        """
        settings, done = self.settings, self.progress
        plain = start_stage(self.model, stage, settings)
        model, optimizer = self.accelerator.prepare(self.model, plain)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
            if self._scaler_state is not None:
                self.accelerator.scaler.load_state_dict(self._scaler_state)
        self._optimizer_state = self._scaler_state = None
        self.model.train()
        needed = (stage.steps - done.step) * settings.accumulate
        loader = batches.run(done.batches, done.batches + needed, settings.workers)
        over = done.step >= stage.steps
        while not over:
            if left is not None and left <= 0:
                self.save(optimizer)
                return left
            started = time.monotonic()
            row = self.step(stage, model, optimizer, loader)
            done.seconds += time.monotonic() - started
            over = done.step >= stage.steps
            if (done.total % settings.validate_every == 0 or over) and validation is not None:
                row |= validate(self.model, validation, settings.batch, self.accelerator)
                over = self.compare(row["val_miou" if stage.uses_mask else "val_map_miou"], stage) or over
                scores = {name: round(row[name], 1) for name in ("val_map_miou", "val_miou")}
                report(f"step {done.total}, {done.seconds:.0f} s: {scores}")
            if done.total % settings.log_every == 0 or "val_miou" in row or over:
                self.log.add(row | {"seconds": round(done.seconds, 1)})
            left = None if left is None else left - 1
            if time.monotonic() - self._saved > settings.checkpoint_minutes * 60 and not over:
                self.save(optimizer)
        done.stage, done.step, done.best, done.stale = done.stage + 1, 0, -1.0, 0
        self.save(None)
        return left

    def step(self, stage: Stage, model: Any, optimizer: Any, batches: Iterator[Batch]) -> dict[str, Any]:
        """Do one optimizer step.

        Args:
            stage: The stage.
            model: The model as the accelerator prepared it.
            optimizer: The optimizer as the accelerator prepared it.
            batches: Iterator over the training batches.

        Returns:
            A row for the log.

        Raises:
            UnavailableError: A loss or a gradient is not finite; the state of this step is not saved.
        """
        settings, done, accelerator = self.settings, self.progress, self.accelerator
        rate = learning_rate(done.step, stage.steps, settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        sums: dict[str, float] = {}
        for part in range(settings.accumulate):
            batch = next(batches).to(accelerator.device)
            last = part == settings.accumulate - 1
            with contextlib.nullcontext() if last else accelerator.no_sync(model), accelerator.autocast():
                found = model(batch.pixels, batch.owner, batch.ids, batch.end, decode=stage.uses_mask)
                parts = loss_of(found, batch, stage, settings, self.model.grid)
                self._require_number(parts["loss"].detach(), "the loss")
                accelerator.backward(parts["loss"] / settings.accumulate)
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach()) / settings.accumulate
            done.expressions += len(batch.owner)
        trained = [value for group in optimizer.param_groups for value in group["params"]]
        norm = accelerator.clip_grad_norm_(trained, settings.clip_norm)
        if accelerator.scaler is None:  # the scaler of fp16 skips such a step itself
            self._require_number(norm, "the gradient's norm")
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done.step, done.total, done.batches = done.step + 1, done.total + 1, done.batches + settings.accumulate
        facts = {"step": done.total, "stage": stage.name, "rate": rate, "expressions": done.expressions}
        return facts | sums

    def _require_number(self, value: Tensor, what: str) -> None:
        bad = (~torch.isfinite(value)).float()
        if self.accelerator.num_processes > 1:
            bad = self.accelerator.reduce(bad, reduction="sum")
        if bad:
            stored = load_state(self.state)
            kept = "no checkpoint was saved before"
            if stored:
                kept = f"the checkpoint of step {stored['progress']['total']} is kept in {self.state}"
            raise UnavailableError(
                f"{what} is not a finite number at step {self.progress.total + 1}, so training stopped without saving "
                f"this step; {kept}. Train again with a rate below {self.settings.rate:g} or with precision bf16 or "
                "no, in another --output folder."
            )

    def compare(self, value: float, stage: Stage) -> bool:
        """Record the result of a validation and decide whether the stage ends early.

        Args:
            value: Validation mIoU in per cent.
            stage: The stage.

        Returns:
            Whether the last `patience` validations brought no improvement.
        """
        done = self.progress
        if value > done.best:
            done.best, done.stale = value, 0
            if stage.name == "joint" and self.accelerator.is_main_process:
                save_state(self.folder / "best.pt", self.model.state_dict())
        else:
            done.stale += 1
        return self.settings.patience is not None and done.stale >= self.settings.patience
