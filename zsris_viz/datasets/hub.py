"""RefCOCO-M, and RefCOCO, RefCOCO+ and RefCOCOg in parquet files of the Hugging Face Hub, read with pyarrow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from zsris_viz.datasets.files import FileDataset, find_root, need_file
from zsris_viz.datasets.hub_layouts import HubLayout, find_layout
from zsris_viz.datasets.parquet_rows import ParquetRows
from zsris_viz.datasets.refer import IMAGE_FOLDERS, TEXTS, RefCOCO, RefCOCOg, RefCOCOPlus, Refer
from zsris_viz.datasets.refer_rows import problems_of, unusable_sample
from zsris_viz.datasets.types import Sample, check_limit
from zsris_viz.errors import CorruptFileError, InvalidInputError, ZsrisError

# Split -> possible prefixes of its file names, the preferred one first.
PREFIXES = {
    "train": ("train",),
    "val": ("val", "validation"),
    "testA": ("testA", "test"),  # jxu124's "test" is testA; lmms-lab has both
    "testB": ("testB",),
    "test": ("test",),
}


class HubDataset(FileDataset):
    """One split of a dataset in parquet files; a sample is an image with all its references of the split.

    The files are recognised by their columns, see `hub_layouts`, and read in small batches, so that memory does not
    grow with them. `instances` of a sample are the objects to which the split refers, since the files contain no
    others.

    Args:
        split: The split.
        limit: Number of images, counted from the first; None for all.
        data_root: The folder that contains one of `folders`, with the files in it or in its subfolder `data/`.
        split_by: The scheme of the split; None for the dataset's first.
        text: "sent", the cleaned expression, or "raw", as it was typed, where the files have it.

    Raises:
        InvalidInputError: The split, scheme or text is unknown, the limit is below 1, or there is no data_root.
        UnavailableError: The files do not exist.
        CorruptFileError: A file is damaged, or its columns are unknown.
    """

    folder: ClassVar[str]
    folders: ClassVar[tuple[str, ...]]
    schemes: ClassVar[dict[str, tuple[str, ...]]]

    def __init__(
        self,
        split: str = "val",
        *,
        limit: int | None = None,
        data_root: str | os.PathLike[str] | None = None,
        split_by: str | None = None,
        text: str = "sent",
    ) -> None:
        self.name, self.split = self.folder, split
        self.split_by = next(iter(self.schemes)) if split_by is None else split_by
        if self.split_by not in self.schemes or split not in self.schemes[self.split_by]:
            known = "; ".join(f"{', '.join(splits)} ({scheme})" for scheme, splits in self.schemes.items())
            raise InvalidInputError(f"{self.name} split by {self.split_by!r} has no {split!r}; it has {known}.")
        if text not in TEXTS:
            raise InvalidInputError(f"text={text!r} is unknown; use {' or '.join(TEXTS)}.")
        check_limit(limit)
        self.text = text
        self.root = find_root(self.name, data_root)
        files = split_files(self.root, self.folders, split)
        need_file(self.name, files or [self.root / self.folders[0] / "data" / f"{split}-*.parquet"], self.root)
        self._rows = ParquetRows(files)
        self._layout = _need_layout(files[0], self._rows)
        self._numbers: dict[str, list[int]] = {}
        self._references = self._expressions = 0
        try:
            self._read_index(limit)
        except (TypeError, ValueError) as error:
            if isinstance(error, ZsrisError):
                raise
            raise CorruptFileError(f"{files[0]} has columns of other types ({error}); fetch it again.") from error
        self._ids = list(self._numbers)
        if not self._ids:
            raise InvalidInputError(f"{files[0]} holds no rows of the split {split!r}; give another split.")

    def _read_index(self, limit: int | None) -> None:
        """Record which rows belong to which image of the split."""
        for number, row in self._rows.scan(self._layout.index):
            image_id = self._layout.image_id(row, self.split)
            if image_id is None or (image_id not in self._numbers and len(self._numbers) == limit):
                continue
            self._numbers.setdefault(image_id, []).append(number)
            references, expressions = self._layout.counts(row)
            self._references += references
            self._expressions += expressions

    def _sample(self, image_id: Any) -> Sample:
        try:
            return self._layout.sample(self._rows, self._numbers[image_id], image_id, self)
        except (CorruptFileError, InvalidInputError, TypeError, ValueError, AttributeError) as error:  # wrong types
            refs = [{"ref_id": f"row {number}", "sentences": [{}]} for number in self._numbers[image_id]]
            return unusable_sample(image_id, refs, CorruptFileError(str(error)))

    def image_folders(self) -> list[Path]:
        """Return the possible folders of the images; none if the images are embedded in the files."""
        return [] if self._layout.embedded else [self.root / folder for folder in IMAGE_FOLDERS]

    def images(self) -> list[tuple[str, list[str]]]:
        """Return the id and the possible file names of every image that is not embedded in the files."""
        if self._layout.embedded:
            return []
        return [(key, [f"COCO_train2014_{int(key):012d}.jpg" if key.isdecimal() else key]) for key in self._ids]

    def counts(self) -> dict[str, int]:
        """Return the numbers of images, references and expressions of the split, without opening an image."""
        return {"images": len(self), "references": self._references, "expressions": self._expressions}

    def problems(self) -> Iterator[str]:
        """Yield a line for every malformed annotation of the split."""
        for index in range(len(self)):
            yield from problems_of(self[index])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.split!r}): {len(self)} images in {len(self._rows):,} rows"


class RefCOCOM(HubDataset):
    """RefCOCO-M (Moondream, 2025): RefCOCO's validation split with exact masks and embedded images.

    It contains 2,080 of the 3,811 objects: those whose masks could be redrawn with confidence.
    """

    folder = "refcoco-m"
    folders = ("refcoco-m", "moondream/refcoco-m", ".")
    schemes: ClassVar = {"unc": ("val",)}


class HubRefCOCO(HubDataset):
    """RefCOCO in parquet files."""

    folder = "refcoco"
    folders = ("refcoco", "jxu124/refcoco", "lmms-lab/RefCOCO", "RefCOCO")
    schemes: ClassVar = RefCOCO.schemes


class HubRefCOCOPlus(HubDataset):
    """RefCOCO+ in parquet files."""

    folder = "refcoco+"
    folders = ("refcoco+", "refcocoplus", "jxu124/refcocoplus", "lmms-lab/RefCOCOplus", "RefCOCOplus")
    schemes: ClassVar = RefCOCOPlus.schemes


class HubRefCOCOg(HubDataset):
    """RefCOCOg in parquet files."""

    folder = "refcocog"
    folders = ("refcocog", "jxu124/refcocog", "lmms-lab/RefCOCOg", "RefCOCOg")
    schemes: ClassVar = RefCOCOg.schemes


_READERS: tuple[type[HubDataset], ...] = (HubRefCOCO, HubRefCOCOPlus, HubRefCOCOg)


def hub_reader(published: type[Refer], root: Path) -> type[HubDataset] | None:
    """Return the class for parquet files of a dataset if the data root contains them but not the authors' files.

    Args:
        published: The class for the files of the authors.
        root: The data root.
    """
    if any((root / folder / "instances.json").is_file() for folder in (published.folder, ".")):
        return None
    for reader in _READERS:
        if reader.folder == published.folder and any(split_files(root, reader.folders, split) for split in PREFIXES):
            return reader
    return None


def split_files(root: Path, folders: tuple[str, ...], split: str) -> list[Path]:
    """Return the parquet files of a split in the first folder that contains any.

    Args:
        root: The data root.
        folders: Folders below the data root, each with the files in it or in its subfolder `data/`.
        split: The split.
    """
    for folder in folders:
        for place in (root / folder / "data", root / folder):
            for prefix in PREFIXES.get(split, ()):
                found = sorted(place.glob(f"{prefix}-*.parquet"))
                if found:
                    return found
    return []


def _need_layout(file: Path, rows: ParquetRows) -> HubLayout:
    layout = find_layout(rows.columns)
    if layout is None:
        raise CorruptFileError(
            f"{file} has the columns {', '.join(sorted(rows.columns))}, which are of no known layout; fetch the files "
            "that the manifest names."
        )
    return layout
