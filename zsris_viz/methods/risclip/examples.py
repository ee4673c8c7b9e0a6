"""Training images: a data set's images at the tower's size, with the masks and expressions of their objects."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from zsris_viz.datasets.types import Dataset, Reference, Sample
from zsris_viz.errors import CorruptFileError, InvalidInputError
from zsris_viz.io.atomic import atomic_path, translate_os_errors
from zsris_viz.models.preprocessing import Preprocess

SHARD = 500  # images in a file of the cache


@dataclass(frozen=True)
class TrainingImage:
    """One image with R referents as the model is trained on it.

    Attributes:
        pixels: Array (S, S, 3) of uint8, the RGB image after the tower's resizing and before its normalisation.
        masks: Array (R, M, M) of bool, the masks of the referents, resized to a square.
        texts: For each referent its expressions.
        categories: For each referent its class.
    """

    pixels: np.ndarray
    masks: np.ndarray
    texts: tuple[tuple[str, ...], ...]
    categories: tuple[str, ...]

    def without(self, nouns: Sequence[str]) -> TrainingImage:
        """Remove the referents of some classes together with their expressions; the pixels do not change.

        Args:
            nouns: Names of the classes.

        Returns:
            The image with the other referents.
        """
        kept = [place for place, category in enumerate(self.categories) if category not in nouns]
        return replace(
            self,
            masks=self.masks[kept],
            texts=tuple(self.texts[place] for place in kept),
            categories=tuple(self.categories[place] for place in kept),
        )


class Pictures:
    """The training images of a data set, made on access; with a cache each image is made once.

    Args:
        dataset: Data set with masks.
        preprocess: Preprocessing of the tower, whose `size` is S.
        side: M, the side of the masks in cells.
        cache: Folder that keeps the images in files of 500, independent of any model's weights; None to make an image
            at each access.
        settings: Plain values that determine the images besides the sizes. Different settings use different folders in
            the cache.

    Raises:
        InvalidInputError: The preprocessing crops images, or, on access to an image, a reference has no mask.
        CorruptFileError: On access to an image, its file in the cache is damaged.
        UnavailableError: On access to an image, the cache cannot be written.
    """

    def __init__(
        self,
        dataset: Dataset,
        preprocess: Preprocess,
        side: int,
        *,
        cache: str | os.PathLike[str] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        if preprocess.resize != "squash":
            raise InvalidInputError(
                f"the preprocessing {preprocess.name!r} crops the image, so masks would not fit its tokens; load the "
                "model with preprocess='clip', which squashes it."
            )
        self.dataset, self.preprocess, self.side = dataset, preprocess, side
        identity = {"preprocess": preprocess.to_dict(), "side": side, "settings": dict(settings or {})}
        key = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:12]
        self.folder = None if cache is None else Path(cache) / f"{dataset.name}-{dataset.split}-{key}"
        self._shards: OrderedDict[int, list[TrainingImage]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> TrainingImage:
        if self.folder is None:
            return self._make(index)
        number, place = divmod(index, SHARD)
        if number not in self._shards:
            self._shards[number] = self._shard(number)
        return self._shards[number][place]

    def _make(self, index: int) -> TrainingImage:
        return picture_of(self.dataset[index], self.preprocess, self.side)

    def _shard(self, number: int) -> list[TrainingImage]:
        """Read the images of one file of the cache, or make and write them if the file does not exist."""
        assert self.folder is not None
        last = min((number + 1) * SHARD, len(self.dataset))
        path = self.folder / f"{number:04d}-{last - number * SHARD}.npz"
        if path.is_file():
            return read_shard(path)
        made = [self._make(index) for index in range(number * SHARD, last)]
        write_shard(path, made)
        return made


def picture_of(sample: Sample, preprocess: Preprocess, side: int) -> TrainingImage:
    """Make a training image of a sample, without the referents whose mask is empty.

    Args:
        sample: Image with its references.
        preprocess: Preprocessing of the tower.
        side: M, the side of the masks in cells.

    Returns:
        The training image.

    Raises:
        InvalidInputError: A reference has no mask, or its mask has another size than the image.
    """
    described = [(reference, checked_mask(sample, reference)) for reference in sample.references]
    described = [(reference, mask) for reference, mask in described if mask.any()]
    pixels = preprocess.denormalise(preprocess.image(sample.image)).mul(255).round().to(torch.uint8)
    masks = [squash(mask, side) for _, mask in described]
    return TrainingImage(
        pixels=pixels.permute(1, 2, 0).contiguous().numpy(),
        masks=np.stack(masks) if masks else np.zeros((0, side, side), dtype=bool),
        texts=tuple(tuple(expression.text for expression in reference.expressions) for reference, _ in described),
        categories=tuple(reference.category for reference, _ in described),
    )


def checked_mask(sample: Sample, reference: Reference) -> np.ndarray:
    """Return the mask of a reference after a check of its size.

    Args:
        sample: The sample that contains the reference.
        reference: The reference.

    Returns:
        Array (H, W) of bool.

    Raises:
        InvalidInputError: The reference has no mask, or its mask has another size than the image.
    """
    if reference.mask is None:
        raise InvalidInputError(
            f"reference {reference.ref_id!r} of image {sample.image_id!r} has no mask, and RISCLIP learns from masks. "
            'Train on a split that has them, e.g. load_dataset("scenes", "train").'
        )
    mask = np.asarray(reference.mask, dtype=bool)
    if mask.shape != sample.size:
        raise InvalidInputError(
            f"the mask of reference {reference.ref_id!r} is {mask.shape}, its image {sample.size}; both are (H, W) of "
            "one size. Read the data set again, or check it: zsris data verify."
        )
    return mask


def squash(mask: np.ndarray, side: int) -> np.ndarray:
    """Resize a mask to a square, without regard to its aspect ratio.

    A cell belongs to the result if the mask covers at least half of it. If no cell does, the cell with the largest
    share is kept.

    Args:
        mask: Array (H, W) of bool.
        side: Side of the square in cells.

    Returns:
        Array (side, side) of bool.
    """
    if mask.shape == (side, side):
        return mask
    shares = F.interpolate(
        torch.from_numpy(mask)[None, None].float(), size=(side, side), mode="bilinear", antialias=True
    )[0, 0].numpy()
    small = shares >= 0.5
    if not small.any():
        small.flat[int(shares.argmax())] = True
    return small


def write_shard(path: Path, pictures: Sequence[TrainingImage]) -> None:
    """Write images to one file of the cache; a reader never sees an incomplete file.

    Args:
        path: Path of the file.
        pictures: The images, at least one.

    Raises:
        UnavailableError: The file cannot be written.
    """
    side = pictures[0].masks.shape[-1]
    words = json.dumps([[picture.texts, picture.categories] for picture in pictures])
    remedy = "Or train without a cache: cache: null."
    with (
        translate_os_errors(f"the cache {path.parent} could not be written", remedy),
        atomic_path(path) as temporary,
        temporary.open("wb") as file,
    ):
        np.savez(
            file,
            pixels=np.stack([picture.pixels for picture in pictures]),
            masks=np.concatenate([np.packbits(p.masks.reshape(-1, side * side), axis=1) for p in pictures]),
            side=np.array(side),
            words=np.frombuffer(words.encode(), dtype=np.uint8),
        )


def read_shard(path: Path) -> list[TrainingImage]:
    """Read the images of a file that `write_shard` wrote.

    Args:
        path: Path of the file.

    Returns:
        The images.

    Raises:
        CorruptFileError: The file cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            pixels, packed, side = archive["pixels"], archive["masks"], int(archive["side"])
            words = json.loads(archive["words"].tobytes().decode())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CorruptFileError(f"{path} is damaged ({error}); delete it, and the next run makes it again.") from error
    masks = np.unpackbits(packed, axis=1, count=side * side).astype(bool).reshape(-1, side, side)
    pictures, first = [], 0
    for image, (texts, categories) in zip(pixels, words, strict=True):
        last = first + len(texts)
        expressions = tuple(tuple(group) for group in texts)
        pictures.append(TrainingImage(image, masks[first:last], expressions, tuple(categories)))
        first = last
    return pictures
