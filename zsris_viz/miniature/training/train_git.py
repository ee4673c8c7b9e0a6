"""Training of the built-in captioner, which predicts the next word, on whole drawn scenes and then on regions, too.

The image encoder begins as the vision tower of the built-in CLIP, as GIT's begins as that of a contrastive model.
Unlike the built-in CLIP, the captioner is trained with masks: those of scenes drawn for its training, with seeds that
no split of the benchmark uses. They cut out its regions, and tell what covers each patch of a whole picture.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from zsris_viz.io.hashing import file_hash
from zsris_viz.miniature import WEIGHTS
from zsris_viz.miniature.training.clip_towers import MEAN, STD
from zsris_viz.miniature.training.git_batches import GitBatches, Mixture
from zsris_viz.miniature.training.git_model import build, save, write_processor
from zsris_viz.miniature.training.options import add_loop_options, loop_settings
from zsris_viz.miniature.training.schedule import WarmupStableDecay
from zsris_viz.miniature.training.training_loop import TrainingLoop
from zsris_viz.miniature.world.words import COLOURS, NOUNS

if TYPE_CHECKING:
    from transformers import GitForCausalLM


def normalised(pixels: Tensor) -> Tensor:
    """Return (B, S, S, 3) uint8 pictures as the image encoder reads them, (B, 3, S, S) float32."""
    mean, std = (torch.tensor(values, device=pixels.device)[:, None, None] for values in (MEAN, STD))
    return (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / std


class PatchReader(nn.Module):
    """Tells noun and colour from every patch of the image encoder; of use in training only, and not kept.

    A caption says little about where its things are; to name them patch by patch teaches the encoder to make small
    things out far sooner.
    """

    def __init__(self, model: GitForCausalLM) -> None:
        super().__init__()
        vision: Any = model.config.vision_config
        width = vision.hidden_size
        self.heads = nn.ModuleList([nn.Linear(width, 1 + len(NOUNS)), nn.Linear(width, 1 + len(COLOURS))])
        self.tokens: Tensor | None = None
        model.git.image_encoder.register_forward_hook(self._note)

    def _note(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self.tokens = output.last_hidden_state[:, 1:]

    def loss(self, cells: Tensor) -> Tensor:
        """Return the mean cross-entropy of noun and colour over the patches of the pictures that the model saw last.

        Args:
            cells: (B, 2, g, g) uint8, noun and colour of every patch, 0 for the ground, which is most of every picture
                and counts for a tenth.

        Returns:
            Scalar.
        """
        assert self.tokens is not None
        total = self.tokens.new_zeros(())
        for head, wanted in zip(self.heads, cells.long().flatten(2).unbind(1), strict=True):
            weight = self.tokens.new_ones(int(head.out_features))  # type: ignore[arg-type]
            weight[0] = 0.1
            total = total + nn.functional.cross_entropy(head(self.tokens).flatten(0, 1), wanted.flatten(), weight)
        return total


def caption_loss(model: GitForCausalLM, part: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy of the next word, and (B,) bool, whether every word of a caption comes first.

    Args:
        model: GitForCausalLM.
        part: dict of tensors, as `as_tensors` gives them.
    """
    ids, labels = part["ids"], part["labels"]
    # Padding stands behind the words and attention is causal over them, so no mask is needed.
    output = model(input_ids=ids, pixel_values=normalised(part["pixels"]), use_cache=False)
    logits, wanted = output.logits[:, -ids.shape[1] : -1], labels[:, 1:]
    loss = nn.functional.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=-100)
    return loss, ((logits.argmax(-1) == wanted) | (wanted == -100)).all(1)


@dataclass
class GitLoss:
    """The loss of a batch, with the share of captions that are right for the log.

    Attributes:
        model: GitForCausalLM.
        reader: PatchReader.
        patch_weight: float, weight of the loss on the patches of whole scenes; 0 trains with captions alone.
        bf16: bool, whether matrix products are computed in bfloat16.
    """

    model: GitForCausalLM
    reader: PatchReader
    patch_weight: float
    bf16: bool

    def __call__(
        self, batch: dict[str, dict[str, Tensor]], _examples: int
    ) -> tuple[Tensor, dict[str, tuple[float, float]]]:
        """Return the loss, a scalar, and for every column of the log its sum and count."""
        device = next(self.reader.parameters()).device
        total = torch.zeros((), device=device)
        values: dict[str, tuple[float, float]] = {}
        patch_losses: list[float] = []
        for name, tensors in batch.items():
            part = {key: value.to(device) for key, value in tensors.items()}
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.bf16):
                loss, right = caption_loss(self.model, part)
                total = total + loss
                if self.patch_weight and "cells" in part and name != "region":
                    patches = self.reader.loss(part["cells"])
                    patch_losses.append(float(patches.detach()))
                    total = total + self.patch_weight * patches
            values[f"{name} loss"] = (float(loss.detach()), 1.0)
            values[f"{name} right"] = (100.0 * float(right.sum()), float(len(right)))
        if patch_losses:
            values["patch loss"] = (sum(patch_losses), float(len(patch_losses)))
        return total, values


COLUMNS = ("region loss", "region right", "short loss", "short right", "long loss", "long right", "patch loss")


def train(
    run: Path,
    *,
    pictures: int,
    decay: int,
    batch_size: int = 64,
    regions: int = 24,
    wholes_first: float = 0.4,
    encoder_from: Path | None = None,
    patch_weight: float = 0.25,
    seed: int = 0,
    peak: float = 8e-4,
    bf16: bool = False,
    threads: int = 1,
    workers: int = 1,
    window: tuple[int, int] = (240, 600),
    save_seconds: float = 300.0,
    stop_after: int | None = None,
) -> Path:
    """Train until `pictures` were used; a run that was interrupted continues from its last checkpoint, exactly.

    Args:
        run: Path, folder of the checkpoint, the log and the weights.
        pictures: int, number of pictures of the whole training.
        decay: int, number of pictures over which the learning rate falls, the last ones.
        batch_size: int, number of pictures in a batch.
        regions: int, number of regions among them after the first part of the training.
        wholes_first: float, share of the training in which all pictures are whole scenes or windows of them.
        encoder_from: Path or None, folder of the built-in CLIP whose vision tower the image encoder begins with.
        patch_weight: float, weight of the loss on the patches of whole scenes; 0 trains with captions alone.
        seed: int.
        peak: float, the constant learning rate.
        bf16: bool, whether matrix products are computed in bfloat16.
        threads: int, threads of PyTorch.
        workers: int, processes that draw batches.
        window: tuple of two ints, scenes kept for regions and for whole pictures, see `GitPictures`.
        save_seconds: float, seconds between two checkpoints.
        stop_after: int or None, number of the step after which to save and return.

    Returns:
        The folder with the weights, as `load_captioner` reads it.
    """
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    write_processor(run / "weights")
    model: Any = build(encoder_from)
    reader = PatchReader(model)
    both = nn.ModuleDict({"captioner": model, "reader": reader}).to(device)
    steps = -(-pictures // batch_size)
    mixture = Mixture(batch_size, regions, round(wholes_first * steps))
    return TrainingLoop(
        run=run,
        settings={
            "model": "git",
            "batch": batch_size,
            "regions_a_batch": regions,
            "wholes_first": wholes_first,
            "patch_weight": patch_weight,
            "seed": seed,
            "peak_learning_rate": peak,
            "bf16": bf16,
            "encoder_sha256": None if encoder_from is None else file_hash(encoder_from / "model.safetensors"),
        },
        model=both,
        batches=GitBatches(mixture, seed=seed, steps=steps, window=window),
        batch_size=batch_size,
        loss=GitLoss(model, reader, patch_weight, bf16),
        save=lambda folder: save(model, folder),
        schedule=WarmupStableDecay(peak, min(100 * batch_size, pictures // 10), decay, pictures),
        columns=COLUMNS,
        unit="pictures",
        threads=threads,
        workers=workers,
        save_seconds=save_seconds,
        earlier={"decay_pictures": decay, "regions": max(0, steps - mixture.first_steps) * regions},
    ).fit(stop_after=stop_after)


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature train git`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature train git", description=__doc__)
    add_loop_options(parser, run=Path("runs/git"), unit="pictures", total=640_000, decay=15, batch=64, threads=1)
    parser.add_argument("--regions", type=int, default=24, help="regions in a batch after the first part")
    parser.add_argument("--wholes-first", type=float, default=0.4, help="share of the training with whole scenes alone")
    parser.add_argument(
        "--encoder-from", type=Path, default=WEIGHTS / "clip", help="folder of the built-in CLIP to begin with"
    )
    parser.add_argument("--patch-weight", type=float, default=0.25, help="weight of the loss on patches; 0 for none")
    arguments = parser.parse_args(argv)
    folder = train(
        arguments.run,
        **loop_settings(arguments),
        regions=arguments.regions,
        wholes_first=arguments.wholes_first,
        encoder_from=arguments.encoder_from,
        patch_weight=arguments.patch_weight,
    )
    print(f"weights in {folder}")
