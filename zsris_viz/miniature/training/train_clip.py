"""Training of the built-in CLIP on drawn pictures with captions and, as for CLIP itself, without masks.

InfoNCE over pictures and captions in which a pair is a negative only where the caption is surely wrong for the
picture; three true captions of every picture and one that is wrong in one thing; pictures come in near-duplicate pairs.
A small part of the loss asks the same of the patch that meets the caption best, by the value path of the last block: a
caption should be met somewhere in the picture, but it is not told where.

Most patches are dropped while the learning rate is constant. While it decays, more patches are kept, and all of them
at the end, since the towers are used on whole pictures.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zsris_viz.errors import InvalidInputError
from zsris_viz.io.atomic import atomic_path
from zsris_viz.io.hashing import file_hash
from zsris_viz.io.json_files import read_json_object
from zsris_viz.io.training_state import load_state, save_state
from zsris_viz.miniature.training.clip_batches import CAPTIONS, CORRUPTIONS, ClipBatches
from zsris_viz.miniature.training.clip_towers import PATCHES, SIDE, RnTowers, VitTowers, encode_by_length
from zsris_viz.miniature.training.contrastive import contrastive_loss, patch_logits
from zsris_viz.miniature.training.options import add_loop_options, loop_settings
from zsris_viz.miniature.training.schedule import WarmupStableDecay
from zsris_viz.miniature.training.tokenizer import write_tokenizer
from zsris_viz.miniature.training.training_loop import CHECKPOINT, LOG, SETTINGS, TrainingLoop

WARMUP_BATCHES = 200


@dataclass(frozen=True)
class KeptPatches:
    """How many patches of a picture pass through the tower at a step.

    Attributes:
        schedule: the learning rate, which says how far the decay is.
        batch_size: int, number of pictures in a batch.
        share: float, share of the patches that are kept before the decay.
    """

    schedule: WarmupStableDecay
    batch_size: int
    share: float

    def __call__(self, step: int) -> int:
        """Return the number of patches at a step, from 0."""
        progress = self.schedule.decay_progress(step * self.batch_size)
        share = self.share if progress == 0 else 0.5 if progress < 0.4 else 1.0
        return round(PATCHES * share)


@dataclass
class ClipLoss:
    """The loss of a batch, with the share of wrong captions that are told from the ones they were made from.

    Attributes:
        towers: VitTowers or RnTowers.
        end: int, id of the end token.
        patch_weight: float, weight of the loss on the best patch.
        bf16: bool, whether matrix products are computed in bfloat16.
    """

    towers: nn.Module
    end: int
    patch_weight: float
    bf16: bool

    def __call__(self, batch: dict[str, Tensor], _examples: int) -> tuple[Tensor, dict[str, tuple[float, float]]]:
        """Return the loss, a scalar, and for every kind of wrong caption the number told apart and the number."""
        towers: Any = self.towers
        device = towers.logit_scale.device
        batch = {name: value.to(device) for name, value in batch.items()}
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.bf16):
            images, patches = towers.images(batch)
            texts = encode_by_length(towers, batch["ids"], self.end)
        images, texts = F.normalize(images.float(), dim=-1), F.normalize(texts.float(), dim=-1)
        scale = towers.logit_scale.exp().clamp(max=100)
        logits = texts @ images.T * scale
        loss = contrastive_loss(logits, batch["maybe"], CAPTIONS)
        if self.patch_weight:
            dense = patch_logits(F.normalize(patches.float(), dim=-1), texts) * scale
            loss = loss + self.patch_weight * contrastive_loss(dense, batch["maybe"], CAPTIONS)
        picture = torch.arange(len(images), device=device)
        right = logits[batch["source"], picture] > logits[len(images) * CAPTIONS + picture, picture]
        counted = {}
        for index, name in enumerate(CORRUPTIONS):
            chosen = right[batch["corruption"] == index]
            counted[name] = (100.0 * float(chosen.sum()), float(len(chosen)))
        return loss, counted


def branch(source: Path, target: Path) -> int:
    """Copy the checkpoint of a run into a new folder, from which a decay ends it while the run itself continues.

    Args:
        source: Path, folder of the run.
        target: Path, folder of the branch; nothing is copied where it has begun already.

    Returns:
        The number of steps after which the branch left the run.
    """
    begun = target / SETTINGS
    if begun.is_file() and (target / CHECKPOINT).is_file():
        return int(read_json_object(begun, "Delete the folder to begin again.")["branched_at_step"])
    state = load_state(source / CHECKPOINT)
    if state is None:
        raise InvalidInputError(f"the run in {source} has no checkpoint yet; branch it off when it has.")
    if (source / LOG).is_file():
        with atomic_path(target / LOG) as temporary:
            shutil.copyfile(source / LOG, temporary)
    save_state(target / CHECKPOINT, state)
    return int(state["step"])


def train(
    model: str,
    run: Path,
    *,
    pictures: int,
    decay: int,
    batch_size: int = 256,
    seed: int = 0,
    peak: float = 8e-4,
    keep: float = 0.25,
    patch_weight: float = 0.25,
    bf16: bool = False,
    threads: int = 2,
    workers: int = 1,
    weights: Path | None = None,
    text_from: Path | None = None,
    branched_at_step: int | None = None,
    save_seconds: float = 300.0,
    stop_after: int | None = None,
) -> Path:
    """Train until `pictures` were used; a run that was interrupted continues from its last checkpoint, exactly.

    Args:
        model: str, "clip" or "clip-rn".
        run: Path, folder of the checkpoint, the log and the weights.
        pictures: int, number of pictures of the whole training. It may be changed until the decay begins.
        decay: int, number of pictures over which the learning rate falls, the last ones.
        batch_size: int, number of pictures in a batch.
        seed: int.
        peak: float, the constant learning rate.
        keep: float, share of the patches that are kept before the decay; of no effect on a ResNet.
        patch_weight: float, weight of the loss on the best patch.
        bf16: bool, whether matrix products are computed in bfloat16.
        threads: int, threads of PyTorch.
        workers: int, processes that draw batches.
        weights: Path or None, folder of the weights to begin with.
        text_from: Path or None, for "clip-rn": folder of a ViT miniature whose text tower is kept.
        branched_at_step: int or None, the step at which the run was branched off another one by `branch`.
        save_seconds: float, seconds between two checkpoints.
        stop_after: int or None, number of the step after which to save and return.

    Returns:
        The folder with the weights, as `zsris_viz.load_clip` reads it.
    """
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = run / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    tokens = write_tokenizer(folder)
    towers = (VitTowers(tokens, weights) if model == "clip" else RnTowers(tokens, text_from)).to(device)
    schedule = WarmupStableDecay(peak, min(WARMUP_BATCHES * batch_size, pictures // 10), decay, pictures)
    batches = ClipBatches(
        SIDE[model],
        batch_size,
        seed=seed,
        steps=-(-pictures // batch_size),
        kept_patches=KeptPatches(schedule, batch_size, keep) if model == "clip" else None,
    )
    settings = {
        "model": model,
        "batch": batch_size,
        "seed": seed,
        "peak_learning_rate": peak,
        "kept_patches": keep,
        "patch_weight": patch_weight,
        "bf16": bf16,
        "began_with": _earlier(weights or text_from),
        "branched_at_step": branched_at_step,
    }
    training = TrainingLoop(
        run=run,
        settings=settings,
        model=towers,
        batches=batches,
        batch_size=batch_size,
        loss=ClipLoss(towers, batches.end, patch_weight, bf16),
        save=towers.save,
        schedule=schedule,
        columns=CORRUPTIONS,
        unit="images",
        threads=threads,
        workers=workers,
        save_seconds=save_seconds,
        earlier={"decay_images": decay},
    )
    return training.fit(stop_after=stop_after)


def _earlier(weights: Path | None) -> dict[str, Any] | None:
    """Hash of the weights that a run begins with."""
    return None if weights is None else {"sha256": file_hash(weights / "model.safetensors")}


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature train clip`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature train clip", description=__doc__)
    parser.add_argument("--model", choices=("clip", "clip-rn"), default="clip")
    add_loop_options(parser, run=None, unit="pictures", total=4_096_000, decay=12, batch=256, threads=2)
    parser.add_argument("--keep", type=float, default=0.25, help="share of the patches kept before the decay")
    parser.add_argument("--patch-weight", type=float, default=0.25, help="weight of the loss on the best patch")
    parser.add_argument("--weights", type=Path, default=None, help="folder of weights to begin with")
    parser.add_argument(
        "--text-from", type=Path, default=None, help="clip-rn: folder of a ViT miniature whose text tower is kept"
    )
    parser.add_argument(
        "--branch-from",
        type=Path,
        default=None,
        help="folder of a run: copy its last checkpoint and end it by a decay of --decay pictures",
    )
    arguments = parser.parse_args(argv)
    run = arguments.run or Path("runs") / arguments.model
    step = branch(arguments.branch_from, run) if arguments.branch_from else None
    if step is not None:
        if arguments.decay is None:
            raise InvalidInputError("--branch-from needs --decay, the number of pictures of the decay.")
        arguments.pictures = step * arguments.batch + arguments.decay
    folder = train(
        arguments.model,
        run,
        **loop_settings(arguments),
        keep=arguments.keep,
        patch_weight=arguments.patch_weight,
        weights=arguments.weights,
        text_from=arguments.text_from,
        branched_at_step=step,
    )
    print(f"weights in {folder}")
