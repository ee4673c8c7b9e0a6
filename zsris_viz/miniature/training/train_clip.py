"""Trains the miniature CLIP on drawn pictures with captions; never on masks of scenes, as CLIP itself is not.

InfoNCE over pictures and captions in which a pair is a negative only where the caption is surely wrong for the
picture; three true captions and one made wrong in one thing for every picture; pictures come in near-duplicate pairs. A
small part of the loss asks the same of the patch that meets the caption best, by the value path of the last block: a
caption should be met somewhere, without being told where.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from zsris_viz.io.training_state import load_state, save_state
from zsris_viz.miniature.training.clip_batches import Batches, contrastive_loss, encode_by_length, patch_logits
from zsris_viz.miniature.training.clip_towers import SIDE, RnTowers, VitTowers
from zsris_viz.miniature.training.schedule import append_log, learning_rate
from zsris_viz.miniature.training.tokenizer import write_tokenizer

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def train(
    model: str,
    run: Path,
    *,
    minutes: float,
    batch: int,
    steps: int | None,
    seed: int,
    peak: float,
    threads: int,
    bf16: bool,
    text_from: Path | None = None,
    patch_weight: float = 0.25,
) -> Path:
    """Trains until `minutes` of work (or `steps`) are done; a run that was killed goes on from its last checkpoint.

    Returns:
        The folder with the weights, as :func:`zsris_viz.load_clip` reads it.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = run / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    tokens = write_tokenizer(folder)
    towers = (VitTowers(tokens) if model == "clip" else RnTowers(tokens, text_from)).to(device)
    trained = [p for p in towers.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], lr=peak, betas=(0.9, 0.98)
    )
    state = load_state(run / "checkpoint.pt")
    step, seconds = 0, 0.0
    if state is not None:
        towers.load_state_dict(state["towers"])
        optimizer.load_state_dict(state["optimizer"])
        step, seconds = int(state["step"]), float(state["seconds"])
    # A resumed run draws other pictures than those already seen.
    batches = Batches(SIDE[model], seed + 1000 * step)
    end = batches.end
    mean = torch.tensor(MEAN, device=device)[:, None, None] * 255
    std = torch.tensor(STD, device=device)[:, None, None] * 255
    total = steps if steps is not None else minutes * 60
    right: dict[str, list[bool]] = {}
    saved = time.monotonic()
    while (step if steps is not None else seconds) < total:
        started = time.monotonic()
        progress = (step if steps is not None else seconds) / total
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(progress, 1.0, peak=peak)
        drawn = batches.draw(batch, progress)
        pixels = (drawn["pixels"].to(device).permute(0, 3, 1, 2).float() - mean) / std
        # Most patches are dropped at first; towards the end the towers see what they will be used on.
        keep = 0.28 if progress < 0.7 else 0.45 if progress < 0.9 else 1.0
        with torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
            seen, patches = towers.images(pixels, keep)
            heard = encode_by_length(towers, drawn["ids"].to(device), end)
        seen, heard = F.normalize(seen.float(), dim=-1), F.normalize(heard.float(), dim=-1)
        logits = heard @ seen.T * towers.logit_scale.exp().clamp(max=100)
        maybe = drawn["maybe"].to(device)
        loss = contrastive_loss(logits, maybe, 3)
        if patch_weight:
            dense = patch_logits(F.normalize(patches.float(), dim=-1), heard) * towers.logit_scale.exp().clamp(max=100)
            loss = loss + patch_weight * contrastive_loss(dense, maybe, 3)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(towers.parameters(), 1.0)
        optimizer.step()
        step += 1
        # A stalled machine must not eat the schedule: a step counts for at most ten seconds.
        seconds += min(time.monotonic() - started, 10.0)
        picture = torch.arange(batch, device=device)
        true = logits[: batch * 3].view(batch, 3, batch)[picture, :, picture].mean(1)
        for kind, good in zip(drawn["kinds"], (true > logits[batch * 3 + picture, picture]).tolist(), strict=True):
            right.setdefault(kind, []).append(good)
        if step % 25 == 0 or (steps is not None and step == steps):
            kinds = ("noun", "colour", "size", "position", "relation")
            row = {kind: round(100 * float(np.mean(right.get(kind, [0.5]))), 1) for kind in kinds}
            append_log(
                run / "log.csv",
                {"step": step, "images": step * batch, "seconds": round(seconds), "loss": round(loss.item(), 4), **row},
            )
            print(step, step * batch, f"{seconds:.0f} s, loss {loss.item():.3f}", row, flush=True)
            right.clear()
        if time.monotonic() - saved > 120 or (step if steps is not None else seconds) >= total:
            save_state(
                run / "checkpoint.pt",
                {"towers": towers.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "seconds": seconds},
            )
            towers.save(folder)
            saved = time.monotonic()
    towers.save(folder)
    (run / "training.json").write_text(
        json.dumps(
            {
                "model": model,
                "steps": step,
                "images": step * batch,
                "seconds": round(seconds),
                "batch": batch,
                "seed": seed,
                "peak_learning_rate": peak,
                "threads": threads,
            }
        )
    )
    return folder


def main(argv: list[str]) -> None:
    """The command line of `python -m zsris_viz.miniature train clip`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature train clip", description=__doc__)
    parser.add_argument("--model", choices=("clip", "clip-rn"), default="clip")
    parser.add_argument("--run", type=Path, default=None, help="folder for weights, checkpoint and log (runs/<model>)")
    parser.add_argument("--minutes", type=float, default=85.0, help="how long to train, in minutes of work")
    parser.add_argument("--steps", type=int, default=None, help="how many steps to train, in place of --minutes")
    parser.add_argument("--batch", type=int, default=192, help="pictures a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peak", type=float, default=1.2e-3, help="peak learning rate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--bf16",
        action="store_true",
        help="autocast to bfloat16; for GPUs, and CPUs with bf16 instructions (others get slower)",
    )
    parser.add_argument(
        "--text-from",
        type=Path,
        default=None,
        help="clip-rn: folder of a ViT miniature whose text tower is taken over and kept",
    )
    parser.add_argument(
        "--patch-weight",
        type=float,
        default=0.25,
        help="weight of the same loss on the patch that meets the caption best",
    )
    given = parser.parse_args(argv)
    run = given.run or Path("runs") / given.model
    folder = train(
        given.model, run, minutes=given.minutes, batch=given.batch, steps=given.steps, seed=given.seed, peak=given.peak,
        threads=given.threads, bf16=given.bf16, text_from=given.text_from,
        patch_weight=given.patch_weight,
    )  # fmt: skip
    print(f"weights in {folder}")
