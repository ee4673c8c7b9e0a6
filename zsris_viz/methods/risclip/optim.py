"""Optimization of RISCLIP: the stages and the parts that they train, the learning rate and the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zsris_viz.methods.risclip.batches import Batch
from zsris_viz.methods.risclip.config import Training
from zsris_viz.methods.risclip.losses import mask_loss, patch_text_loss
from zsris_viz.methods.risclip.model import Grounding, RisClipModel


@dataclass(frozen=True)
class Stage:
    """A stage of the training.

    Attributes:
        name: "align", "decode" or "joint".
        steps: Number of optimizer steps.
        parts: Names of the children of the model that are trained.
    """

    name: str
    steps: int
    parts: tuple[str, ...]

    @property
    def uses_mask(self) -> bool:
        """Return whether the mask is trained and validated; otherwise the grounding map is."""
        return self.name != "align"


STAGES = {"align": ("cfe", "ske", "head"), "decode": ("decoder",), "joint": ("cfe", "ske", "head", "decoder")}


def stages_of(settings: Training, model: RisClipModel) -> list[Stage]:
    """Return the stages that have steps and parameters to train.

    Args:
        settings: Settings of the training.
        model: The model.

    Returns:
        The stages in order.
    """
    stages = [Stage(name, getattr(settings.steps, name), parts) for name, parts in STAGES.items()]
    return [stage for stage in stages if stage.steps and trained(model, stage)]


def trained(model: RisClipModel, stage: Stage) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters that a stage trains, with their names.

    Args:
        model: The model.
        stage: The stage.

    Returns:
        Pairs of name and parameter.
    """
    return [(name, value) for name, value in model.named_parameters() if name.split(".")[0] in stage.parts]


def start_stage(model: RisClipModel, stage: Stage, settings: Training) -> torch.optim.AdamW:
    """Freeze all parameters that the stage does not train and create the optimizer of the others.

    Weight decay applies only to parameters with at least two axes, so not to biases and LayerNorms.

    Args:
        model: The model.
        stage: The stage.
        settings: Settings of the training.

    Returns:
        The optimizer.
    """
    model.requires_grad_(False)
    chosen = [value for _, value in trained(model, stage)]
    for value in chosen:
        value.requires_grad_(True)
    groups = [
        {"params": [value for value in chosen if value.ndim > 1], "weight_decay": settings.decay},
        {"params": [value for value in chosen if value.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=settings.rate)


def learning_rate(step: int, steps: int, settings: Training) -> float:
    """Compute the learning rate of a step: a linear warm-up to `rate`, then a cosine decay to `floor * rate`.

    Args:
        step: Number of the step in its stage, from 0.
        steps: Number of steps of the stage.
        settings: Settings of the training.

    Returns:
        The learning rate.
    """
    done = (step + 1) / steps
    if done <= settings.warmup:
        return settings.rate * done / settings.warmup
    turned = (done - settings.warmup) / (1 - settings.warmup)
    return settings.rate * (settings.floor + (1 - settings.floor) * 0.5 * (1 + math.cos(math.pi * turned)))


def shares_on_grid(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """Compute the share of each patch that a mask covers.

    Args:
        masks: Tensor (E, M, M), 0-1.
        grid: Rows and columns of the patch grid.

    Returns:
        Tensor (E, P), 0-1.
    """
    return F.adaptive_avg_pool2d(masks[:, None], grid).flatten(1)


def at_side(logits: Tensor, side: int) -> Tensor:
    """Resize logits bilinearly to the size of the masks.

    Args:
        logits: Tensor (E, m, m).
        side: M, the side of the masks in cells.

    Returns:
        Tensor (E, M, M).
    """
    if logits.shape[-1] == side:
        return logits
    return F.interpolate(logits[:, None], size=(side, side), mode="bilinear", align_corners=False)[:, 0]


def loss_of(
    found: Grounding, batch: Batch, stage: Stage, settings: Training, grid: tuple[int, int]
) -> dict[str, Tensor]:
    """Compute the loss of a stage and its terms.

    Args:
        found: Output of the model.
        batch: The batch.
        stage: The stage.
        settings: Settings of the training.
        grid: Rows and columns of the patch grid.

    Returns:
        Scalars by name: "loss", and without gradient "contrast" and "bce" where the stage uses them.
    """
    parts: dict[str, Tensor] = {}
    total = found.logits.new_zeros(())
    if stage.name != "decode":
        contrast = patch_text_loss(found.map_logits, shares_on_grid(batch.masks, grid))
        weight = 1.0 if stage.name == "align" else settings.contrast_weight
        total, parts["contrast"] = total + weight * contrast, contrast.detach()
    if stage.uses_mask:
        whole, parts["bce"] = mask_loss(at_side(found.logits, batch.masks.shape[-1]), batch.masks, settings.dice_weight)
        total = total + whole
    return {"loss": total, **parts}


def ious(logits: Tensor, masks: Tensor) -> Tensor:
    """Compute the IoU of predicted masks, which contain the cells with a logit above 0.

    Args:
        logits: Tensor (E, m, m), the logits.
        masks: Tensor (E, M, M), the reference masks.

    Returns:
        Tensor (E,), 0-1.
    """
    predicted, right = at_side(logits.float(), masks.shape[-1]) > 0, masks > 0.5
    shared, either = (predicted & right).sum((1, 2)), (predicted | right).sum((1, 2))
    return shared / either.clamp_min(1)
