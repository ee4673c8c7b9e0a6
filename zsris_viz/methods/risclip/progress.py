"""The progress of a training run, and its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zsris_viz.methods.risclip.model import RisClipModel


@dataclass
class Progress:
    """The progress of a training run.

    Attributes:
        stage: Index of the current stage.
        step: Number of steps done in the current stage.
        total: Number of steps done in all stages.
        batches: Number of batches done in all stages.
        expressions: Number of expressions that this process has trained on.
        seconds: Training time in seconds.
        best: Best validation mIoU of the current stage in per cent; -1 before the first validation.
        stale: Number of validations since the best one.
        finished: Whether all stages are done.
    """

    stage: int = 0
    step: int = 0
    total: int = 0
    batches: int = 0
    expressions: int = 0
    seconds: float = 0.0
    best: float = -1.0
    stale: int = 0
    finished: bool = False


@dataclass
class Trained:
    """The result of a training run.

    Attributes:
        path: Path of `model.safetensors` in the run's folder.
        model: The model on its tower, in evaluation mode.
        rows: Rows of the log.
        progress: Progress of the run; `finished` is false if `stop_after` ended the call.
    """

    path: Path
    model: RisClipModel
    rows: list[dict[str, Any]] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
