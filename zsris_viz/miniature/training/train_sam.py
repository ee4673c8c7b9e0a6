"""Training of the miniature SAM on drawn scenes: from a point to the segment of the object or background around it.

As SAM is trained: focal and dice loss on the best of three masks, and the squared error of the head that guesses each
mask's IoU. The fourth mask, for those who want a single answer, learns from the same points. Boxes, several points and
mask prompts are not trained.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.miniature.training.options import add_loop_options, loop_settings
from zsris_viz.miniature.training.sam_batches import SamBatch, SamBatches
from zsris_viz.miniature.training.sam_model import masks_at_points, miniature_sam, save_weights
from zsris_viz.miniature.training.schedule import WarmupStableDecay
from zsris_viz.miniature.training.training_loop import TrainingLoop

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

FOCAL_WEIGHT = 20.0  # against 1 for dice, as in SAM's appendix A


def mask_losses(logits: Tensor, segments: Tensor) -> Tensor:
    """Focal plus dice loss of each mask.

    Args:
        logits: (P, K, h, w).
        segments: (P, h, w), shares in 0-1.

    Returns:
        (P, K)
    """
    wanted = segments[:, None].expand_as(logits)
    shown = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    focal = ((shown - wanted).abs() ** 2 * entropy).mean(dim=(2, 3))
    dice = 1 - (2 * (shown * wanted).sum((2, 3)) + 1) / (shown.sum((2, 3)) + wanted.sum((2, 3)) + 1)
    return FOCAL_WEIGHT * focal + dice


def true_iou(logits: Tensor, segments: Tensor) -> Tensor:
    """Return the IoU of the cut masks with the segments, (P, K)."""
    shown, wanted = logits > 0, (segments > 0.5)[:, None]
    return (shown & wanted).sum((2, 3)) / (shown | wanted).sum((2, 3)).clamp(min=1)


def loss_of(logits: Tensor, predicted_iou: Tensor, batch: SamBatch) -> tuple[Tensor, Tensor]:
    """Return the loss of a step and the true IoU of every mask, (P, 4)."""
    losses = mask_losses(logits, batch.segments)
    found = true_iou(logits.detach(), batch.segments)
    best = losses[:, 1:].amin(dim=1)
    return best.mean() + 0.5 * losses[:, 0].mean() + F.mse_loss(predicted_iou, found), found


@dataclass
class SamLoss:
    """The loss of a batch, with the best IoU on objects and on background for the log.

    Attributes:
        sam: Sam.
        bf16: bool, whether matrix products are computed in bfloat16.
    """

    sam: Sam
    bf16: bool

    def __call__(self, batch: SamBatch, _examples: int) -> tuple[Tensor, dict[str, tuple[float, float]]]:
        """Return the loss, a scalar, and for every column of the log its sum and count."""
        device = self.sam.device
        batch = batch.to(str(device))
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.bf16):
            logits, predicted_iou = masks_at_points(self.sam, batch.pixels, batch.points, batch.picture)
        loss, found = loss_of(logits.float(), predicted_iou.float(), batch)
        best = found[:, 1:].amax(dim=1)
        error = (predicted_iou.detach() - found).abs().mean()
        return loss, {
            "iou_objects": (float(best[~batch.ground].sum()), float((~batch.ground).sum())),
            "iou_background": (float(best[batch.ground].sum()), float(batch.ground.sum())),
            "guess_error": (float(error), 1.0),
        }


def train(
    run: Path,
    *,
    scenes: int,
    decay: int,
    batch_size: int = 16,
    prompts: int = 3,
    seed: int = 0,
    peak: float = 8e-4,
    bf16: bool = False,
    threads: int = 1,
    workers: int = 1,
    save_seconds: float = 300.0,
    stop_after: int | None = None,
) -> Path:
    """Train until `scenes` were used; a run that was interrupted continues from its last checkpoint, exactly.

    Args:
        run: Path, folder of the checkpoint, the log and the weights.
        scenes: int, number of scenes of the whole training.
        decay: int, number of scenes over which the learning rate falls, the last ones.
        batch_size: int, number of scenes in a batch.
        prompts: int, number of points on each scene.
        seed: int.
        peak: float, the constant learning rate.
        bf16: bool, whether matrix products are computed in bfloat16.
        threads: int, threads of PyTorch.
        workers: int, processes that draw batches.
        save_seconds: float, seconds between two checkpoints.
        stop_after: int or None, number of the step after which to save and return.

    Returns:
        The folder with the weights.
    """
    torch.manual_seed(seed)
    sam = miniature_sam().to("cuda" if torch.cuda.is_available() else "cpu")
    schedule = WarmupStableDecay(peak, min(100 * batch_size, scenes // 10), decay, scenes)
    return TrainingLoop(
        run=run,
        settings={
            "model": "sam",
            "batch": batch_size,
            "prompts_a_scene": prompts,
            "seed": seed,
            "peak_learning_rate": peak,
            "bf16": bf16,
        },
        model=sam,
        batches=SamBatches(batch_size, prompts, seed=seed, steps=-(-scenes // batch_size)),
        batch_size=batch_size,
        loss=SamLoss(sam, bf16),
        save=lambda folder: save_weights(sam, folder / "model.safetensors"),
        schedule=schedule,
        columns=("iou_objects", "iou_background", "guess_error"),
        unit="scenes",
        betas=(0.9, 0.999),
        threads=threads,
        workers=workers,
        save_seconds=save_seconds,
        earlier={"decay_scenes": decay, "parameters": sum(value.numel() for value in sam.parameters())},
    ).fit(stop_after=stop_after)


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature train sam`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature train sam", description=__doc__)
    add_loop_options(parser, run=Path("runs/sam"), unit="scenes", total=320_000, decay=15, batch=16, threads=1)
    parser.add_argument("--prompts", type=int, default=3, help="points on each scene")
    arguments = parser.parse_args(argv)
    print(f"weights in {train(arguments.run, **loop_settings(arguments), prompts=arguments.prompts)}")
