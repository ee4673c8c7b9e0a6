"""What a step does to the weights: which parts are trained in a stage, the learning rate, the loss."""

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
    """A part of the training.

    Attributes:
        name: "align", "decode" or "joint". steps: how many. parts: children of the model that are trained.
    """

    name: str
    steps: int
    parts: tuple[str, ...]

    @property
    def uses_mask(self) -> bool:
        """Whether the mask is what is trained and validated; else the grounding map."""
        return self.name != "align"


STAGES = {"align": ("cfe", "ske", "head"), "decode": ("decoder",), "joint": ("cfe", "ske", "head", "decoder")}


def stages_of(settings: Training, model: RisClipModel) -> list[Stage]:
    """The stages that have steps and something to train."""
    stages = [Stage(name, getattr(settings.steps, name), parts) for name, parts in STAGES.items()]
    return [stage for stage in stages if stage.steps and trained(model, stage)]


def trained(model: RisClipModel, stage: Stage) -> list[tuple[str, nn.Parameter]]:
    """Names and parameters that a stage trains."""
    return [(name, value) for name, value in model.named_parameters() if name.split(".")[0] in stage.parts]


def start_stage(model: RisClipModel, stage: Stage, settings: Training) -> torch.optim.AdamW:
    """Freeze what the stage does not train, and make its optimizer; norms and biases do not decay."""
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
    """Linear warm-up to `rate` over the first share of a stage, then a cosine down to `floor * rate`.

    Args:
        step: from 0. steps: of the stage.
    """
    done = (step + 1) / steps
    if done <= settings.warmup:
        return settings.rate * done / settings.warmup
    turned = (done - settings.warmup) / (1 - settings.warmup)
    return settings.rate * (settings.floor + (1 - settings.floor) * 0.5 * (1 + math.cos(math.pi * turned)))


def shares_on_grid(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """How much of each patch a mask covers: (E, M, M) -> (E, P), 0-1."""
    return F.adaptive_avg_pool2d(masks[:, None], grid).flatten(1)


def at_side(logits: Tensor, side: int) -> Tensor:
    """Logits (E, m, m) on the masks' side, bilinear: (E, M, M)."""
    if logits.shape[-1] == side:
        return logits
    return F.interpolate(logits[:, None], size=(side, side), mode="bilinear", align_corners=False)[:, 0]


def loss_of(
    found: Grounding, batch: Batch, stage: Stage, settings: Training, grid: tuple[int, int]
) -> dict[str, Tensor]:
    """The loss of a stage and its parts.

    Returns:
        "loss", and of "contrast" and "bce" what the stage uses, detached.
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
    """IoU of each mask where the logits are above 0: (E, m, m) and (E, M, M) -> (E,), 0-1."""
    predicted, right = at_side(logits.float(), masks.shape[-1]) > 0, masks > 0.5
    shared, either = (predicted & right).sum((1, 2)), (predicted | right).sum((1, 2))
    return shared / either.clamp_min(1)
