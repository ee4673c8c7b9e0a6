"""The data structures of datasets: samples (images), references (objects) and referring expressions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from zsris_viz.errors import InvalidInputError
from zsris_viz.images import open_image
from zsris_viz.io.text import storable
from zsris_viz.masks import Masks

KINDS = ("noun", "colour", "size", "position", "relation", "ordinal")


def check_limit(limit: int | None) -> None:
    """Check that a limit is None or an integer of at least 1.

    Raises:
        InvalidInputError: The limit is anything else.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise InvalidInputError(
            f"limit={limit!r} was given; a whole number of images from 1 up, or None for all, is accepted."
        )


@dataclass(frozen=True)
class Expression:
    """One referring expression; everything but its text and its id may be unknown (None or empty).

    Attributes:
        text: The expression as written.
        sentence_id: An id that is unique within the dataset.
        kind: What distinguishes the object from the others, one of `KINDS`.
        noun_phrase: The noun phrase that contains the root, for example "the left cat" in "the left cat on the sofa".
        head: The head noun, "cat".
        context_tokens: Words, in or outside the noun phrase, that carry spatial cues, in order: ("left", "on", "sofa").
        direction: "left", "right", "top", "bottom", "middle" or two of them ("top left"), if the referent is
            identified by its position.
        relation: Relation of the referent to `relation_object`, such as "left", "above", "bigger" or "inside".
        relation_object: The noun phrase of the other object.
        error: Reason why the annotation cannot be used, if it is malformed; an evaluation counts such a row as failed.
    """

    text: str
    sentence_id: str
    kind: str | None = None
    noun_phrase: str | None = None
    head: str | None = None
    context_tokens: tuple[str, ...] = ()
    direction: str | None = None
    relation: str | None = None
    relation_object: str | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        for name in ("text", "sentence_id"):
            object.__setattr__(self, name, storable(getattr(self, name)))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class Reference:
    """The referent of a group of expressions: one object, or several or none in datasets that allow it.

    Attributes:
        ref_id: An id that is unique within the dataset.
        expressions: The expressions, at least one.
        mask: (H, W) bool, the visible pixels of all objects of the reference; empty if there is none.
        category: The object's class, for example "cat".
        distractors: Number of other objects of the same class in the image; None if unknown.
    """

    ref_id: str
    expressions: tuple[Expression, ...]
    mask: np.ndarray
    category: str
    distractors: int | None = None

    def __post_init__(self) -> None:
        for name in ("ref_id", "category"):
            object.__setattr__(self, name, storable(getattr(self, name)))


class Sample:
    """One image with its references.

    Args:
        image_id: An id that is unique within the dataset.
        references: The references of the image.
        image: A PIL image, a path, or a function without arguments that returns a PIL image; opened on first use.
        instances: Masks of all annotated objects (the ground-truth proposals), a function that returns them, or None.
        instance_categories: The class of each instance, in the same order, or a function that returns the classes; None
            if unknown.
        size: (H, W) if it is known without opening the image.
        captions: Captions of the whole image.

    Raises:
        InvalidInputError: On first use, if there is no such image.
        CorruptFileError: On first use, if the image is damaged.
    """

    def __init__(
        self,
        image_id: str,
        references: Sequence[Reference],
        image: Image.Image | str | os.PathLike | Callable[[], Image.Image],
        *,
        instances: Masks | Callable[[], Masks] | None = None,
        instance_categories: Sequence[str] | Callable[[], Sequence[str] | None] | None = None,
        size: tuple[int, int] | None = None,
        captions: Sequence[str] = (),
    ) -> None:
        self.image_id = storable(str(image_id))
        self.references = tuple(references)
        self.captions = tuple(captions)
        self._source = image
        self._image: Image.Image | None = None
        self._instances = instances
        self._instance_categories = instance_categories
        self._size = size

    @property
    def image(self) -> Image.Image:
        """Return the RGB image, which is opened on first use."""
        if self._image is None:
            source = self._source
            self._image = open_image(source() if callable(source) else source)
        return self._image

    @property
    def instances(self) -> Masks | None:
        """Return the masks of all annotated objects, or None if the dataset does not have them."""
        if callable(self._instances):
            self._instances = self._instances()
        return self._instances

    @property
    def instance_categories(self) -> tuple[str, ...] | None:
        """Return the class of every instance in the order of `instances`, or None if the classes are unknown."""
        if callable(self._instance_categories):
            self._instance_categories = self._instance_categories()
        return None if self._instance_categories is None else tuple(self._instance_categories)

    @property
    def size(self) -> tuple[int, int]:
        """Return the height and the width of the image."""
        if self._size is None:
            self._size = (self.image.height, self.image.width)
        return self._size

    def pairs(self) -> Iterator[tuple[Reference, Expression]]:
        """Yield every expression with its reference, in order."""
        for reference in self.references:
            for expression in reference.expressions:
                yield reference, expression

    def __repr__(self) -> str:
        expressions = sum(len(reference.expressions) for reference in self.references)
        return f"Sample({self.image_id!r}, {len(self.references)} references, {expressions} expressions)"


@runtime_checkable
class Dataset(Protocol):
    """The interface of datasets: a name, a split and samples by index.

    Attributes:
        name: The name of the dataset.
        split: The split that was loaded, such as "val".
        split_by: The scheme of the split, such as "unc" or "umd"; "" if there is only one.
    """

    name: str
    split: str
    split_by: str

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class Subset:
    """The first `limit` samples of a dataset, or the samples at `indices`; name and split stay the dataset's own.

    Args:
        dataset: The whole dataset.
        limit: Number of samples (images), counted from the first; None for all.
        indices: Indices of the samples, instead of `limit`.

    Raises:
        InvalidInputError: The limit is below 1.
    """

    def __init__(self, dataset: Dataset, limit: int | None = None, *, indices: Sequence[int] | None = None) -> None:
        check_limit(limit)
        self.dataset = dataset
        self.name, self.split, self.split_by = dataset.name, dataset.split, dataset.split_by
        chosen = range(len(dataset)) if indices is None else indices
        self.indices = list(chosen)[:limit]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.dataset[self.indices[index]]
