"""Layouts of the parquet files with referring expressions on the Hugging Face Hub."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from zsris_viz.datasets.coco_names import COCO_CATEGORIES
from zsris_viz.datasets.files import image_size, lazy_image
from zsris_viz.datasets.outlines import coco_mask
from zsris_viz.datasets.parquet_rows import ParquetRows, Row
from zsris_viz.datasets.refer import IMAGE_FOLDERS
from zsris_viz.datasets.refer_rows import refer_expressions
from zsris_viz.datasets.types import Reference, Sample
from zsris_viz.errors import CorruptFileError, InvalidInputError
from zsris_viz.images import open_image
from zsris_viz.masks import Masks

_COCO_FILE = re.compile(r"COCO_train2014_(\d{12})(?:_(\d+))?\.(?:jpg|png)")


class HubLayout(ABC):
    """Base class of the layouts, each of which is recognised by its columns.

    Attributes:
        columns: The columns by which the layout is recognised.
        index: Columns that give the image, the split and the number of expressions of a row.
        embedded: Whether the files contain the images.
    """

    columns: ClassVar[frozenset[str]]
    index: ClassVar[tuple[str, ...]]
    embedded: ClassVar[bool]

    @abstractmethod
    def image_id(self, row: Row, split: str) -> str | None:
        """Return the id of the image of a row, or None if the row belongs to another split."""

    @abstractmethod
    def counts(self, row: Row) -> tuple[int, int]:
        """Return the numbers of references and expressions of a row."""

    @abstractmethod
    def sample(self, rows: ParquetRows, numbers: Sequence[int], image_id: str, dataset: Any) -> Sample:
        """Build the sample of an image.

        Args:
            rows: The rows of the files.
            numbers: Numbers of the rows that belong to the image.
            image_id: Id of the image.
            dataset: The dataset, for its `root`, `text` and `folder`.
        """


class SamplesLayout(HubLayout):
    """moondream/refcoco-m: a row is an image with its objects in `samples`, each with sentences and an encoded mask."""

    columns = frozenset({"image", "image_id", "samples"})
    index = ("image_id", "samples")
    embedded = True

    def image_id(self, row: Row, split: str) -> str | None:
        """Return the id of the image of a row."""
        return str(row["image_id"])

    def counts(self, row: Row) -> tuple[int, int]:
        """Return the numbers of objects and sentences of a row."""
        samples = _records(row["samples"])
        return len(samples), sum(len(sample.get("sentences") or ()) for sample in samples)

    def sample(self, rows: ParquetRows, numbers: Sequence[int], image_id: str, dataset: Any) -> Sample:
        """Build the sample of an image; its size is that of its masks, without opening the image."""
        objects = _records(rows.row(numbers[0], ("samples",))["samples"])
        size = next((_mask_size(entry) for entry in objects if _mask_size(entry)), None)
        opened = _embedded_image(rows, numbers[0], size)
        if size is None:
            size = opened().size[::-1]
        refs = [_numbered(entry.get("id"), entry.get("sentences")) for entry in objects]
        names = [str(entry.get("category") or "") for entry in objects]
        return _sample(image_id, refs, [entry.get("mask") for entry in objects], names, size, opened, "sent")


class JsonLayout(HubLayout):
    """jxu124/refcoco, refcocoplus, refcocog: a row is a reference, whose object and image are JSON texts."""

    columns = frozenset(
        {"image_id", "ref_id", "ann_id", "split", "sent_ids", "sentences", "raw_anns", "raw_image_info"}
    )
    index = ("image_id", "split", "sent_ids")
    embedded = False
    _WANTED = ("ref_id", "ann_id", "image_id", "category_id", "sentences", "raw_anns", "raw_image_info", "image_path")

    def image_id(self, row: Row, split: str) -> str | None:
        """Return the id of the image of a row of the split."""
        return str(row["image_id"]) if row["split"] == split else None

    def counts(self, row: Row) -> tuple[int, int]:
        """Return 1 and the number of sentences of a row."""
        return 1, len(row["sent_ids"] or ())

    def sample(self, rows: ParquetRows, numbers: Sequence[int], image_id: str, dataset: Any) -> Sample:
        """Build the sample of an image, whose file lies in a folder of COCO's training images."""
        found = [rows.row(number, self._WANTED) for number in numbers]
        names = dict.fromkeys(PurePosixPath(str(row.get("image_path") or "")).name for row in found)
        names |= dict.fromkeys([f"COCO_train2014_{int(image_id):012d}.jpg"]) if image_id.isdecimal() else {}
        folders = [dataset.root / folder for folder in IMAGE_FOLDERS]
        opened = lazy_image("coco-train2014", folders, [name for name in names if name])
        size = image_size(_json_object(found[0]["raw_image_info"]))
        outlines = [_json_object(row["raw_anns"]).get("segmentation") for row in found]
        refs = [{**row, "sentences": _records(row["sentences"])} for row in found]
        categories = [COCO_CATEGORIES.get(row["category_id"], str(row["category_id"])) for row in found]
        objects = [row["ann_id"] for row in found]
        return _sample(image_id, refs, outlines, categories, size, opened, dataset.text, objects)


class EmbeddedLayout(HubLayout):
    """lmms-lab/RefCOCO, RefCOCOplus, RefCOCOg: a row is a reference with its image, one outline and its sentences.

    Each object has only one outline, so objects in several parts differ from the original annotations.
    """

    columns = frozenset({"question_id", "image", "answer", "segmentation", "file_name"})
    index = ("file_name", "answer")
    embedded = True

    def image_id(self, row: Row, split: str) -> str | None:
        """Return the number of the image in COCO, or the file name if it is not an image of COCO."""
        found = _COCO_FILE.fullmatch(str(row["file_name"]))
        return str(int(found[1])) if found else str(row["file_name"])

    def counts(self, row: Row) -> tuple[int, int]:
        """Return 1 and the number of sentences of a row."""
        return 1, len(row["answer"] or ())

    def sample(self, rows: ParquetRows, numbers: Sequence[int], image_id: str, dataset: Any) -> Sample:
        """Build the sample of an image; its size is that of the embedded image."""
        columns = ("question_id", "answer", "segmentation", "iscrowd", "file_name")
        found = [rows.row(number, [name for name in columns if name in rows.columns]) for number in numbers]
        image = _embedded_image(rows, numbers[0], None)()  # the masks need its size
        refs = [_numbered(row["question_id"], row["answer"]) for row in found]
        # The encoding of a crowd is not stored in a form that can be decoded.
        outlines = [None if row.get("iscrowd") else [row["segmentation"] or []] for row in found]
        return _sample(image_id, refs, outlines, [""] * len(found), image.size[::-1], lambda: image, "sent")


LAYOUTS: tuple[HubLayout, ...] = (SamplesLayout(), JsonLayout(), EmbeddedLayout())


def find_layout(columns: frozenset[str]) -> HubLayout | None:
    """Return the layout of files with these columns, or None if none is known."""
    return next((layout for layout in LAYOUTS if layout.columns <= columns), None)


def _sample(
    image_id: str,
    refs: Sequence[Row],
    outlines: Sequence[Any],
    categories: Sequence[str],
    size: tuple[int, int],
    opened: Callable[[], Image.Image],
    text: str,
    objects: Sequence[Any] | None = None,
) -> Sample:
    """Build a sample; references to one of `objects` share its mask among the instances."""
    references: list[Reference] = []
    instances: dict[Any, tuple[np.ndarray, str]] = {}
    for number, (ref, outline, category) in enumerate(zip(refs, outlines, categories, strict=True)):
        mask, reason = np.zeros(size, dtype=bool), None
        try:
            mask = coco_mask(outline, size)
        except CorruptFileError as error:
            reason = f"reference {ref.get('ref_id')} of image {image_id}: {error}"
        if mask.any():
            instances.setdefault(number if objects is None else objects[number], (mask, category))
        expressions = refer_expressions(ref, text, reason)
        references.append(Reference(str(ref.get("ref_id")), expressions, mask, category))
    masks = [mask for mask, _ in instances.values()]
    return Sample(
        image_id,
        references,
        opened,
        instances=lambda: Masks.from_arrays(masks, size=size),
        instance_categories=[category for _, category in instances.values()] if any(categories) else None,
        size=size,
    )


def _embedded_image(rows: ParquetRows, number: int, size: tuple[int, int] | None) -> Callable[[], Image.Image]:
    """Return a function that opens the image of a row and checks that its size is that of the masks."""

    def opened() -> Image.Image:
        cell = rows.row(number, ("image",))["image"]
        raw = cell.get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(raw, bytes):
            raise CorruptFileError(f"row {number} of {rows.paths[0].parent} holds no image; fetch the files again.")
        image = open_image(raw, upright=False)
        if size not in (None, image.size[::-1]):
            raise CorruptFileError(
                f"the image in row {number} of {rows.paths[0].parent} has {image.width} x {image.height} pixels, and "
                "its masks have others; fetch the files again."
            )
        return image

    return opened


def _numbered(name: Any, sentences: Any) -> Row:
    """Return a reference in the form of the refer files, with numbered sentences."""
    texts = sentences if isinstance(sentences, list) else []
    return {"ref_id": name, "sentences": [{"sent": text, "sent_id": f"{name}_{k}"} for k, text in enumerate(texts)]}


def _mask_size(entry: Row) -> tuple[int, int] | None:
    mask = entry.get("mask")
    size = mask.get("size") if isinstance(mask, dict) else None
    try:
        return image_size({"height": size[0], "width": size[1]}) if isinstance(size, list) and len(size) == 2 else None
    except CorruptFileError:
        return None


def _records(value: Any) -> list[Row]:
    return [entry if isinstance(entry, dict) else {} for entry in value] if isinstance(value, list) else []


def _json_object(text: Any) -> Row:
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise CorruptFileError(f"{str(text)[:60]!r} is not valid JSON ({error}); fetch the files again.") from error
    if not isinstance(found, dict):
        raise InvalidInputError(f"{str(text)[:60]!r} is not a JSON object; fetch the files again.")
    return found
