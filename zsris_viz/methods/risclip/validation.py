"""Validation of a model that is being trained."""

from __future__ import annotations

import contextlib
from typing import Any

import torch

from zsris_viz.methods.risclip.batches import make_batch
from zsris_viz.methods.risclip.examples import TrainingImage
from zsris_viz.methods.risclip.model import RisClipModel
from zsris_viz.methods.risclip.optim import ious


def validate(
    model: RisClipModel, pictures: list[TrainingImage], batch: int, accelerator: Any = None
) -> dict[str, float]:
    """Compute the mIoU of the grounding map and of the mask over all expressions of the images.

    Args:
        model: The model.
        pictures: The images; those without expressions are skipped.
        batch: Number of images in a batch.
        accelerator: An `accelerate.Accelerator`; None for a single process in full precision.

    Returns:
        "val_map_miou" and "val_miou", in per cent.
    """
    device = model.clip.device
    maps, masks = [], []
    was_training = model.training
    model.eval()
    with torch.no_grad(), contextlib.nullcontext() if accelerator is None else accelerator.autocast():
        described = [picture for picture in pictures if picture.texts]
        for first in range(0, len(described), batch):
            some = make_batch(described[first : first + batch], model.clip.preprocess, model.clip.tokenizer).to(device)
            found = model(some.pixels, some.owner, some.ids, some.end)
            maps.append(ious(found.map_logits.view(-1, *model.grid), some.masks))
            masks.append(ious(found.logits, some.masks))
    model.train(was_training)
    values = [100 * float(torch.cat(parts).double().mean()) for parts in (maps, masks)]
    if accelerator is not None and accelerator.num_processes > 1:
        from accelerate.utils import broadcast_object_list

        broadcast_object_list(values)
    return {"val_map_miou": values[0], "val_miou": values[1]}
