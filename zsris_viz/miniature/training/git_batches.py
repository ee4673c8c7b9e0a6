"""Batches of pictures and captions for the training of the built-in captioner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from zsris_viz.miniature.training.git_data import GitPictures, Pictured
from zsris_viz.miniature.training.git_model import SIDE, encode, word_ids


def as_tensors(pictured: list[Pictured], ids: dict[str, int]) -> dict[str, Tensor]:
    """Return pictures and captions as tensors.

    Args:
        pictured: list of B pictures with captions.
        ids: dict, token -> id.

    Returns:
        A dict: `pixels` (B, S, S, 3) uint8; `ids` (B, L) int64, padded with 0; `labels` (B, L) int64, -100 where there
        is no word; and, if every picture is labelled, `cells` (B, 2, g, g) uint8.
    """
    rows = [encode(example.text, ids) for example in pictured]
    longest = max(len(row) for row in rows)
    padded = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full((len(rows), longest), -100)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = labels[index, : len(row)] = torch.tensor(row)
    tensors = {"pixels": torch.from_numpy(np.stack([example.pixels for example in pictured]))}
    tensors |= {"ids": padded, "labels": labels}
    cells = [example.cells for example in pictured if example.cells is not None]
    if len(cells) == len(pictured):
        tensors["cells"] = torch.from_numpy(np.stack(cells))
    return tensors


@dataclass(frozen=True)
class Mixture:
    """How many regions and whole scenes a batch has: whole scenes alone at first, then both.

    Attributes:
        batch_size: int, number of pictures in a batch.
        regions: int, number of regions among them after the first part.
        first_steps: int, number of steps of the first part.
    """

    batch_size: int
    regions: int
    first_steps: int

    def __call__(self, step: int) -> tuple[int, int]:
        """Return the numbers of regions and of whole scenes at a step."""
        regions = 0 if step < self.first_steps else self.regions
        return regions, self.batch_size - regions


class GitBatches(Dataset[dict[str, dict[str, Tensor]]]):
    """Batches of the captioner by number of the step.

    Args:
        mixture: Mixture.
        seed: int.
        steps: int, length of the training, as `len` gives it.
        window: tuple of two ints, scenes kept for regions and for whole pictures, see `GitPictures`.
    """

    def __init__(self, mixture: Mixture, *, seed: int, steps: int, window: tuple[int, int] = (240, 600)) -> None:
        self.mixture, self.steps = mixture, steps
        self.pictures, self.ids = GitPictures(SIDE, seed=seed, window=window), word_ids()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> dict[str, dict[str, Tensor]]:
        """Return the batch of a step in parts of like length, since a part costs as much as its longest caption.

        Args:
            step: int, from 0.

        Returns:
            Of "region", "short" and "long", those that are not empty, as `as_tensors` gives them.
        """
        regions, wholes = self.pictures.batch(step, *self.mixture(step))
        wholes = sorted(wholes, key=lambda example: len(example.text))
        middle = (len(wholes) + 1) // 2
        parts = {"region": regions, "short": wholes[:middle], "long": wholes[middle:]}
        return {name: as_tensors(part, self.ids) for name, part in parts.items() if part}
