"""Trains the miniature SAM on drawn scenes: a point on an object (or on the background) to the segment it lies in.

As SAM is trained: focal and dice loss on the best of three masks, and the squared error of the head that guesses each
mask's IoU. The fourth mask, for those who want a single answer, learns from the same points. Boxes, several points and
mask prompts are not trained.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.io.atomic import atomic_path
from zsris_viz.io.training_state import load_state, save_state
from zsris_viz.miniature.training.sam_batches import SamBatch, draw_batch
from zsris_viz.miniature.training.sam_model import masks_at_points, miniature_sam, save_weights
from zsris_viz.miniature.training.schedule import append_log, learning_rate

LOG_EVERY = 25
SAVE_SECONDS = 60
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
    """(P, K): IoU of the cut masks with the segments."""
    shown, wanted = logits > 0, (segments > 0.5)[:, None]
    return (shown & wanted).sum((2, 3)) / (shown | wanted).sum((2, 3)).clamp(min=1)


def loss_of(logits: Tensor, guessed: Tensor, batch: SamBatch) -> tuple[Tensor, Tensor]:
    """The loss of a step, and (P, 4) the true IoU of every mask."""
    losses = mask_losses(logits, batch.segments)
    found = true_iou(logits.detach(), batch.segments)
    best = losses[:, 1:].amin(dim=1)
    return best.mean() + 0.5 * losses[:, 0].mean() + F.mse_loss(guessed, found), found


def train(
    run: Path,
    *,
    minutes: float,
    steps: int | None,
    seed: int = 0,
    scenes: int = 16,
    prompts: int = 3,
    peak: float = 8e-4,
    threads: int = 1,
    bf16: bool = False,
) -> Path:
    """Trains until `minutes` of computing time a thread (or `steps`) are done; a killed run goes on where its last
    checkpoint was, exactly.

    Returns:
        The folder with the weights.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = run / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    sam = miniature_sam().to(device).train()
    matrices = [value for value in sam.parameters() if value.ndim > 1]
    vectors = [value for value in sam.parameters() if value.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}], lr=peak
    )
    step, seconds = 0, 0.0
    state = load_state(run / "checkpoint.pt")
    if state is not None:
        sam.load_state_dict(state["sam"])
        optimizer.load_state_dict(state["optimizer"])
        step, seconds = int(state["step"]), float(state["seconds"])
    _cut_log(run / "log.csv", step)
    total = steps if steps is not None else minutes * 60
    sums, saved = torch.zeros(5), time.monotonic()
    while (step if steps is not None else seconds) < total:
        started = time.process_time()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate((step if steps is not None else seconds) / total, 1.0, peak=peak)
        batch = draw_batch(seed, step, scenes=scenes, prompts=prompts).to(device)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
            logits, guessed = masks_at_points(sam, batch.pixels, batch.points, batch.picture)
        loss, found = loss_of(logits.float(), guessed.float(), batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(sam.parameters(), 1.0)
        optimizer.step()
        step += 1
        # Computing time, not the clock: on a busy machine the schedule waits with the work.
        seconds += (time.process_time() - started) / threads
        sums += _progress(loss, found, guessed, batch)
        done = (step if steps is not None else seconds) >= total
        if step % LOG_EVERY == 0 or done:
            past = step % LOG_EVERY or LOG_EVERY
            on_objects = past * scenes * prompts - float(sums[4])
            row = {
                "step": step,
                "scenes": step * scenes,
                "seconds": round(seconds),
                "loss": round(float(sums[0]) / past, 4),
                "iou_objects": round(float(sums[2]) / max(on_objects, 1), 4),
                "iou_background": round(float(sums[3]) / max(float(sums[4]), 1), 4),
                "guess_error": round(float(sums[1]) / past, 4),
            }
            append_log(run / "log.csv", row)
            print(row, flush=True)
            sums.zero_()
            # Only after a row of the log, so that a resumed run logs what it would have logged.
            if done or time.monotonic() - saved > SAVE_SECONDS:
                save_state(
                    run / "checkpoint.pt",
                    {"sam": sam.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "seconds": seconds},
                )
                save_weights(sam, folder / "model.safetensors")
                saved = time.monotonic()
    save_weights(sam, folder / "model.safetensors")
    told = {
        "steps": step, "scenes": step * scenes, "prompts": step * scenes * prompts, "seconds": round(seconds),
        "batch": scenes, "prompts_a_scene": prompts, "seed": seed, "peak_learning_rate": peak, "threads": threads,
        "parameters": sum(value.numel() for value in sam.parameters()),
    }  # fmt: skip
    (run / "training.json").write_text(json.dumps(told))
    return folder


def _progress(loss: Tensor, found: Tensor, guessed: Tensor, batch: SamBatch) -> Tensor:
    """(5,): loss, mean error of the guessed IoU, sum of best IoU on objects and on background, prompts on
    background."""
    best = found[:, 1:].amax(dim=1)
    error = (guessed.detach() - found).abs().mean()
    parts = [loss.detach(), error, best[~batch.ground].sum(), best[batch.ground].sum(), batch.ground.sum()]
    return torch.stack([part.float().cpu() for part in parts])


def _cut_log(path: Path, step: int) -> None:
    """Drops the rows after a step: a resumed run writes them again."""
    if not path.exists():
        return
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in rows if int(row["step"]) <= step]
    if len(kept) < len(rows):
        if not kept:
            path.unlink()
            return
        with atomic_path(path) as temporary:
            for row in kept:
                append_log(temporary, dict(row))


def main(argv: list[str]) -> None:
    """The command line of `python -m zsris_viz.miniature train sam`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature train sam", description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/sam"), help="folder for weights, checkpoint and log")
    parser.add_argument("--minutes", type=float, default=75.0, help="how long to train, in minutes of computing time")
    parser.add_argument("--steps", type=int, default=None, help="how many steps to train, in place of --minutes")
    parser.add_argument("--scenes", type=int, default=16, help="pictures a step")
    parser.add_argument("--prompts", type=int, default=3, help="points on each picture")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peak", type=float, default=8e-4, help="peak learning rate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16; for GPUs, and CPUs that have it")
    given = parser.parse_args(argv)
    folder = train(
        given.run, minutes=given.minutes, steps=given.steps, seed=given.seed, scenes=given.scenes,
        prompts=given.prompts, peak=given.peak, threads=given.threads, bf16=given.bf16,
    )  # fmt: skip
    print(f"weights in {folder}")
