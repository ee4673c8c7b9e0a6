"""Training of a RISCLIP in two stages, which can be interrupted at any time and resumed with the same final weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from zsris_viz.errors import UnavailableError
from zsris_viz.methods.risclip.batches import StepBatches
from zsris_viz.methods.risclip.checkpoint import tower_hash
from zsris_viz.methods.risclip.config import Data, Training
from zsris_viz.methods.risclip.examples import Pictures
from zsris_viz.methods.risclip.model import RisClipModel
from zsris_viz.methods.risclip.progress import Trained
from zsris_viz.methods.risclip.run import TrainingRun
from zsris_viz.models.base import ImageTextModel

__all__ = ["Trained", "pictures_of", "train_risclip"]


def train_risclip(
    settings: Training,
    output: str | os.PathLike[str],
    *,
    clip: ImageTextModel | None = None,
    data: Pictures | None = None,
    validation: Pictures | None = None,
    stop_after: int | None = None,
    tensorboard: bool = True,
    report: Callable[[str], None] | None = None,
) -> Trained:
    """Train a RISCLIP, or resume a training that was interrupted.

    The folder contains `model.safetensors`, `training.csv`, `tensorboard/`, `settings.json` and `state.pt`. The model
    is the best one of the joint stage by validation, or the last one without validation. For several GPUs, start the
    same command with `accelerate launch`; the batch size is that of one process.

    Args:
        settings: Settings of the training.
        output: Folder of the run.
        clip: A loaded tower, which is used instead of `settings.clip`.
        data: Training images, which are used instead of those of the settings.
        validation: Validation images, which are used instead of those of the settings.
        stop_after: Number of steps after which this call saves the state and ends; None for no limit.
        tensorboard: Whether event files are written.
        report: Function that is called with a line of text on progress from time to time.

    Returns:
        The trained model with its log.

    Raises:
        InvalidInputError: The folder holds a run with other settings, the data set has no masks, or the settings do not
            fit the tower.
        UnavailableError: A loss is not finite, a file cannot be written, or CLIP's own weights changed.
    """
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    accelerator = start_accelerator(settings, clip)
    report = report if report is not None and accelerator.is_main_process else _silent
    tower = clip if clip is not None else _load_tower(settings, accelerator.device)
    torch.manual_seed(settings.seed)
    model = RisClipModel(tower, settings.architecture)
    run = TrainingRun(settings, Path(output), model, accelerator)
    pictures = data if data is not None else pictures_of(settings.data, model)
    batches = StepBatches(
        pictures,
        model.clip.tokenizer,
        batch=settings.batch,
        most=settings.expressions,
        seed=settings.seed,
        without=settings.data.without_nouns,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
    )
    batches.picture(0)  # raises an error for a data set without masks before anything is written
    if validation is None and settings.validation is not None:
        validation = pictures_of(settings.validation, model)
    run.open(tensorboard=tensorboard and accelerator.is_main_process)
    before = tower_hash(model.clip, exact=True)
    try:
        run.work(batches, validation, stop_after, report)
    finally:
        run.log.close()
    if tower_hash(model.clip, exact=True) != before:
        raise UnavailableError("CLIP's own weights changed while RISCLIP was trained: a fault of the package.")
    return run.finish()


def pictures_of(data: Data, model: RisClipModel) -> Pictures:
    """Load the images that the settings of a training name, at the input size of the model.

    Args:
        data: Settings of the images.
        model: The model.

    Returns:
        The images.

    Raises:
        ZsrisError: The data set cannot be loaded, see `load_dataset`.
    """
    from zsris_viz.datasets import load_dataset

    dataset = load_dataset(
        data.dataset,
        data.split,
        limit=data.limit,
        data_root=data.data_root,
        split_by=data.split_by,
        **data.options,
    )
    identity = {"split_by": dataset.split_by, "options": data.options, "version": getattr(dataset, "version", None)}
    size = model.input_size
    return Pictures(dataset, replace(model.clip.preprocess, size=size), size, cache=data.cache, settings=identity)


def start_accelerator(settings: Training, clip: ImageTextModel | None) -> Any:
    """Create the `accelerate.Accelerator` for a training.

    Args:
        settings: Settings of the training.
        clip: A loaded tower, whose device is used; None for the device of the settings.

    Returns:
        The accelerator.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    device = str(clip.device) if clip is not None else settings.device
    # One process may train several times with different settings, as in a notebook.
    AcceleratorState._reset_state(reset_partial_state=int(os.environ.get("WORLD_SIZE", "1")) == 1)
    return Accelerator(mixed_precision=settings.precision, cpu=device is not None and device.startswith("cpu"))


def _load_tower(settings: Training, device: torch.device) -> ImageTextModel:
    from zsris_viz.models import load_clip

    return load_clip(settings.clip, device=device)


def _silent(text: str) -> None:
    pass
