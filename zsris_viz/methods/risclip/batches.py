"""Batches: which pictures and expressions a step sees. All of it follows from the seed and the step's number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.risclip.examples import Pictures, TrainingImage
from zsris_viz.models.preprocessing import Preprocess
from zsris_viz.models.tokenizer import ClipTokenizer

TRIES = 1000  # pictures in a row without anybody to speak of, after which there is none


@dataclass(frozen=True)
class Batch:
    """Pictures with some of their expressions.

    Attributes:
        pixels: (B, 3, S, S) fp32, normalised. owner: (E,) int64, the picture of each expression. ids: (E, T) int64 and
            end: (E,) int64, its tokens. masks: (E, M, M) fp32, 0 or 1. categories: of the E referents.
    """

    pixels: Tensor
    owner: Tensor
    ids: Tensor
    end: Tensor
    masks: Tensor
    categories: tuple[str, ...] = ()

    def to(self, device: torch.device | str) -> Batch:
        """The same on a device."""
        pixels, owner, ids, end, masks = (
            tensor.to(device, non_blocking=True) for tensor in (self.pixels, self.owner, self.ids, self.end, self.masks)
        )
        return Batch(pixels, owner, ids, end, masks, self.categories)


def make_batch(
    pictures: Sequence[TrainingImage],
    preprocess: Preprocess,
    tokenizer: ClipTokenizer,
    *,
    most: int | None = None,
    rng: np.random.Generator | None = None,
) -> Batch:
    """Pictures as a batch.

    Args:
        most: expressions of a picture, drawn with `rng`; None for all, in order.
    """
    owner, texts, masks, categories = [], [], [], []
    for place, picture in enumerate(pictures):
        pairs = [(number, text) for number, texts_of_mask in enumerate(picture.texts) for text in texts_of_mask]
        if most is not None and rng is not None and len(pairs) > most:
            pairs = [pairs[int(chosen)] for chosen in rng.permutation(len(pairs))[:most]]
        for number, text in pairs:
            owner.append(place)
            texts.append(text)
            masks.append(picture.masks[number])
            categories.append(picture.categories[number])
    tokens = tokenizer(texts, on_overflow="ignore")
    seen = torch.from_numpy(np.stack([picture.pixels for picture in pictures])).permute(0, 3, 1, 2).float().div_(255)
    return Batch(
        pixels=preprocess.normalise(seen),
        owner=torch.tensor(owner),
        ids=tokens.ids,
        end=tokens.end,
        masks=torch.from_numpy(np.stack(masks)).float(),
        categories=tuple(categories),
    )


class StepBatches(TorchDataset[Batch]):
    """Batch number p of process r of n, for any p: epochs are permutations drawn from the seed and their number.

    Args:
        pictures: where they come from. tokenizer: of the tower. batch: pictures in a batch of one process. most:
            expressions of a picture. seed: of the order and of the choice of expressions. without: classes of which
            nobody speaks. rank, world: this process and how many there are.
    """

    def __init__(
        self,
        pictures: Pictures,
        tokenizer: ClipTokenizer,
        *,
        batch: int,
        most: int,
        seed: int,
        without: Sequence[str] = (),
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.pictures, self.tokenizer, self.without = pictures, tokenizer, tuple(without)
        self.batch, self.most, self.seed, self.rank, self.world = batch, most, seed, rank, world
        self._order: tuple[int, np.ndarray] | None = None

    def index(self, place: int) -> int:
        """The picture at a place of the endless sequence of epochs."""
        epoch, rest = divmod(place, len(self.pictures))
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, np.random.default_rng((self.seed, epoch)).permutation(len(self.pictures))
        return int(self._order[1][rest])

    def picture(self, place: int) -> TrainingImage:
        """The picture at a place, or the next one of which anybody speaks.

        Raises:
            InvalidInputError: there is none among the next thousand.
        """
        for step in range(min(TRIES, len(self.pictures))):
            picture = self.pictures[self.index(place + step)].without(self.without)
            if picture.texts:
                return picture
        raise InvalidInputError(
            f"{self.pictures.dataset.name} {self.pictures.dataset.split} has no expression with a visible mask"
            + (f" but for {', '.join(self.without)}" if self.without else "")
            + "; RISCLIP learns from masks. Give another split, or fewer classes in without_nouns."
        )

    def __getitem__(self, number: int) -> Batch:
        first = (number * self.world + self.rank) * self.batch
        pictures = [self.picture(first + place) for place in range(self.batch)]
        rng = np.random.default_rng((self.seed, number, self.rank))
        return make_batch(pictures, self.pictures.preprocess, self.tokenizer, most=self.most, rng=rng)

    def run(self, first: int, last: int, workers: int = 0) -> Iterator[Batch]:
        """Batches `first` to `last` - 1, in order, made by `workers` processes beside this one."""
        loader: Any = DataLoader(self, batch_size=None, sampler=range(first, last), num_workers=workers)
        return iter(loader)
