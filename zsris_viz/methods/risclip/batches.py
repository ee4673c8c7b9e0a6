"""Training batches, whose images and expressions depend on nothing but the seed and the number of the step."""

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

TRIES = 1000  # number of consecutive images without an expression after which the search ends


@dataclass(frozen=True)
class Batch:
    """A batch of B images with E of their expressions.

    Attributes:
        pixels: Tensor (B, 3, S, S) of float32, the normalised images.
        owner: Tensor (E,) of int64, the index in the batch of each expression's image.
        ids: Tensor (E, T) of int64, the tokens of the expressions.
        end: Tensor (E,) of int64, the positions of the end tokens.
        masks: Tensor (E, M, M) of float32, the masks of the referents, 0 or 1.
        categories: E names, the classes of the referents.
    """

    pixels: Tensor
    owner: Tensor
    ids: Tensor
    end: Tensor
    masks: Tensor
    categories: tuple[str, ...] = ()

    def to(self, device: torch.device | str) -> Batch:
        """Copy the batch to a device.

        Args:
            device: The device, for example "cuda".

        Returns:
            A batch with the same values.
        """
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
    """Make a batch of images and their expressions.

    Args:
        pictures: B images, together with at least one expression.
        preprocess: Preprocessing of the image tower, which normalises the pixels.
        tokenizer: Tokenizer of the text tower; texts that are too long are cut.
        most: Largest number of expressions of each image, drawn with `rng`; None for all in their order.
        rng: Random generator for the choice of expressions; without it all are taken.

    Returns:
        The batch, on the CPU.
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
    images = torch.from_numpy(np.stack([picture.pixels for picture in pictures])).permute(0, 3, 1, 2).float().div_(255)
    return Batch(
        pixels=preprocess.normalise(images),
        owner=torch.tensor(owner),
        ids=tokens.ids,
        end=tokens.end,
        masks=torch.from_numpy(np.stack(masks)).float(),
        categories=tuple(categories),
    )


class StepBatches(TorchDataset[Batch]):
    """A sequence of training batches in which every batch can be made on its own.

    The images follow each other in epochs. The order of each epoch is a permutation that depends on the seed and the
    number of the epoch. Batch `number` of process `rank` takes the next `batch` images from position `(number * world +
    rank) * batch` on.

    Args:
        pictures: The training images.
        tokenizer: Tokenizer of the text tower.
        batch: Number of images in a batch of one process.
        most: Largest number of expressions of an image in a batch.
        seed: Seed of the order of images and of the choice of expressions.
        without: Classes whose objects have no expressions in the training.
        rank: Number of this process, from 0.
        world: Number of processes.
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
        """Return the index of the image at a position in the endless sequence of epochs.

        Args:
            place: Position in the sequence, from 0.

        Returns:
            Index of the image in the data set.
        """
        epoch, rest = divmod(place, len(self.pictures))
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, np.random.default_rng((self.seed, epoch)).permutation(len(self.pictures))
        return int(self._order[1][rest])

    def picture(self, place: int) -> TrainingImage:
        """Return the image at a position, or the next image that has an expression.

        Args:
            place: Position in the sequence of epochs, from 0.

        Returns:
            The image with at least one expression.

        Raises:
            InvalidInputError: None of the next thousand images, or of the whole data set if it is smaller, has an
                expression.
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
        """Iterate over the batches from `first` to `last - 1` in order.

        Args:
            first: Number of the first batch.
            last: Number of the batch after the last one.
            workers: Number of additional processes that make batches; 0 makes them in this process.

        Returns:
            An iterator over batches.
        """
        loader: Any = DataLoader(self, batch_size=None, sampler=range(first, last), num_workers=workers)
        return iter(loader)
