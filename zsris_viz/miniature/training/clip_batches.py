"""Batches of pictures and captions for the training of the built-in CLIP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from zsris_viz.miniature.training.caption_truth import Claim, possible
from zsris_viz.miniature.training.captions import caption, corrupted
from zsris_viz.miniature.training.tokenizer import END, START, word_ids
from zsris_viz.miniature.training.training_data import REUSE_OFFSETS, PictureBlocks

#: True captions of a picture in a batch; a wrong one is added.
CAPTIONS = 3
#: In what a wrong caption is wrong.
CORRUPTIONS = ("noun", "colour", "size", "position", "relation")


class ClipBatches(Dataset[dict[str, Tensor]]):
    """Batches of pictures, captions, and which captions are surely wrong for which pictures, by number of the step.

    A batch depends on the settings and the number of its step alone.

    Args:
        side: int, height and width of the pictures in pixels.
        batch_size: int, number of pictures, a multiple of twice the number of `REUSE_OFFSETS`.
        seed: int.
        steps: int, length of the training, as `len` gives it.
        kept_patches: called with the number of a step; returns how many patches of a picture pass through the tower.
            None gives whole pictures.
        patch: int, side of a patch in pixels.
    """

    def __init__(
        self,
        side: int,
        batch_size: int,
        *,
        seed: int,
        steps: int,
        kept_patches: Callable[[int], int] | None = None,
        patch: int = 8,
    ) -> None:
        self.batch_size, self.seed, self.steps = batch_size, seed, steps
        self.kept_patches, self.patch = kept_patches, patch
        offsets = REUSE_OFFSETS if batch_size % (2 * len(REUSE_OFFSETS)) == 0 else (0,)
        self.blocks = PictureBlocks(side, pairs=batch_size // 2 // len(offsets), seed=seed, offsets=offsets)
        self.words = word_ids()
        (self.end,) = self.words[END]

    def __len__(self) -> int:
        return self.steps

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a caption, with start and end."""
        return [token for word in (START, *text.split(), END) for token in self.words[word]]

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        """Return the batch of a step.

        Args:
            step: int, from 0.

        Returns:
            A dict: `pixels` (B, S, S, 3) uint8, or `patches` (B, K, patch * patch * 3) uint8 and their numbers
            `places` (B, K) int64 if patches are dropped; `ids` (T, length) int64, the captions of picture 0, of
            picture 1, ..., then one wrong caption of each picture; `maybe` (T, B) bool, whether a caption may be true
            of a picture; `source` (B,) int64, the row of the caption that each wrong one was made from; `corruption`
            (B,) int64, in what it is wrong, as the index into `CORRUPTIONS`.
        """
        rng = np.random.default_rng((self.seed, step, 1))
        images, facts = self.blocks.batch(step)
        texts: list[str] = []
        claims: list[Claim] = []
        wrong: list[tuple[str, Claim, str]] = []
        source: list[int] = []
        for index, row in enumerate(facts):
            written = [caption(rng, row) for _ in range(CAPTIONS)]
            texts += [text for text, _ in written]
            claims += [claim for _, claim in written]
            chosen = int(rng.integers(CAPTIONS))
            source.append(index * CAPTIONS + chosen)
            wrong.append(corrupted(rng, written[chosen][1], row))
        texts += [text for text, _, _ in wrong]
        claims += [claim for _, claim, _ in wrong]
        encoded = [self.encode(text) for text in texts]
        ids = np.full((len(encoded), max(len(ids) for ids in encoded)), self.end, dtype=np.int64)
        for index, tokens in enumerate(encoded):
            ids[index, : len(tokens)] = tokens
        batch: dict[str, Any] = {
            "ids": ids,
            "maybe": possible(claims, facts),
            "source": np.array(source),
            "corruption": np.array([CORRUPTIONS.index(kind) for _, _, kind in wrong]),
        }
        if self.kept_patches is None:
            batch["pixels"] = images
        else:
            batch["patches"], batch["places"] = drop_patches(images, self.kept_patches(step), rng, self.patch)
        return {name: torch.from_numpy(value) for name, value in batch.items()}


def drop_patches(
    images: np.ndarray, keep: int, rng: np.random.Generator, patch: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """Cut pictures into patches and keep some of them, in half of the pictures those with more contrast more often.

    Empty ground is most of a picture and teaches least, so this costs less than dropping patches evenly. The choice
    depends on the pixels alone.

    Args:
        images: (B, S, S, 3) uint8.
        keep: int, number of patches that stay.
        rng: source of randomness.
        patch: int, side of a patch in pixels.

    Returns:
        (B, keep, patch * patch * 3) uint8, each patch as rows of pixels of three channels, and (B, keep) int64, the
        numbers of the patches, row by row from 0; all of them in their order if none is dropped.
    """
    count, side = len(images), images.shape[1] // patch
    cut = images.reshape(count, side, patch, side, patch, 3).swapaxes(2, 3).reshape(count, side * side, -1)
    if keep >= side * side:
        return cut, np.tile(np.arange(side * side), (count, 1))
    contrast = cut.reshape(count, side * side, -1, 3).mean(-1, dtype=np.float32).std(-1) / 255
    uneven = rng.random((count, 1)) < 0.5
    # Gumbel noise on log weights and the largest few: a weighted draw without replacement.
    noise = rng.gumbel(size=contrast.shape)
    places = np.argpartition(-(uneven * np.log(contrast + 0.02) + noise), keep - 1, axis=1)[:, :keep]
    return np.take_along_axis(cut, places[..., None], axis=1), places
