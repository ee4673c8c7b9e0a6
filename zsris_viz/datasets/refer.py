"""RefCOCO, RefCOCO+ and RefCOCOg in the files that their authors published (the `refer` format).

`instances.json` is COCO's annotation format; `refs(unc).p` and its like are pickled lists of references, read by a
reader that builds only plain data. The public Google files have no test split.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from zsris_viz.datasets.files import (
    FileDataset,
    find_root,
    image_size,
    lazy_image,
    need_file,
    warn_of_problems,
)
from zsris_viz.datasets.outlines import coco_mask
from zsris_viz.datasets.refer_files import read_annotations, read_references
from zsris_viz.datasets.refer_rows import Entry, extra_entry, problems_of, refer_expressions, unusable_sample
from zsris_viz.datasets.types import Reference, Sample, check_limit
from zsris_viz.errors import CorruptFileError, InvalidInputError
from zsris_viz.masks import Masks

# Usual folders of COCO's training images below data_root; the first is the one that the refer tools prescribe.
IMAGE_FOLDERS = (
    "images/mscoco/images/train2014",
    "images/train2014",
    "train2014",
    "coco/train2014",
    "coco/images/train2014",
    "mscoco/train2014",
)
TEXTS = ("sent", "raw")


class Refer(FileDataset):
    """One split of a dataset in the refer format; a sample is an image with all its references of the split.

    Images are in the order in which the file of references first names them. `instances` of a sample are all annotated
    objects of its image in the order of `instances.json`: the ground-truth proposals. Crowds (iscrowd = 1), which mark
    groups of objects, and objects without pixels are left out, unless an expression of the split refers to them.
    `distractors` is the number of other objects of the category, without crowds.

    Args:
        split: "train", "val", "testA", "testB" or "test", whichever the scheme has.
        limit: Number of images, counted from the first; None for all.
        data_root: The folder that contains `refcoco/` or its files, and the images in one of `IMAGE_FOLDERS`.
        split_by: The scheme, for example "unc"; by default the first of `schemes`.
        text: "sent", the cleaned expression, or "raw", as it was typed (the code of Global-Local CLIP uses this).

    Raises:
        InvalidInputError: The split, scheme or text is unknown, the limit is below 1, or there is no data_root.
        UnavailableError: A file does not exist.
        CorruptFileError: A file is damaged, or a pickle contains more than plain data.
    """

    folder: ClassVar[str]
    schemes: ClassVar[dict[str, tuple[str, ...]]]  # scheme -> its splits

    def __init__(
        self,
        split: str = "val",
        *,
        limit: int | None = None,
        data_root: str | os.PathLike[str] | None = None,
        split_by: str | None = None,
        text: str = "sent",
    ) -> None:
        self.name = self.folder
        self.split_by = next(iter(self.schemes)) if split_by is None else split_by
        self.split = split
        if self.split_by not in self.schemes:
            raise InvalidInputError(f"split_by={split_by!r} is unknown; {self.name} has {', '.join(self.schemes)}.")
        if not any(split in splits for splits in self.schemes.values()) and split != "test":
            raise InvalidInputError(self._no_split(self.schemes[self.split_by]))
        if text not in TEXTS:
            raise InvalidInputError(f"text={text!r} is unknown; use {' or '.join(TEXTS)}.")
        check_limit(limit)
        self.text = text
        self.root = find_root(self.name, data_root)
        self._malformed: list[str] = []  # entries that belong to no image of the split
        self._load(limit)
        warn_of_problems(self._malformed, self.folder)

    @classmethod
    def reference_files(cls, split_by: str) -> list[str]:
        """Return the possible names of the file of references."""
        return [f"refs({split_by}).p"]

    def _load(self, limit: int | None) -> None:
        """Read the files and keep the entries of the split."""
        names = self.reference_files(self.split_by)
        places = [self.root / folder / name for name in names for folder in (self.folder, ".")]
        refs_path = need_file(self.name, places, self.root)
        refs = read_references(refs_path, self._malformed)
        found = dict.fromkeys(ref["split"] for ref in refs)
        if self.split not in found:
            raise InvalidInputError(self._no_split(tuple(found)))
        by_image: dict[Any, list[Entry]] = {}
        for ref in refs:
            if ref["split"] == self.split:
                by_image.setdefault(ref["image_id"], []).append(ref)
        self._ids = list(by_image)[:limit]
        self._refs = {image_id: by_image[image_id] for image_id in self._ids}

        path = need_file(self.name, [refs_path.parent / "instances.json"], self.root)
        images, categories, annotations = read_annotations(path, self._malformed)
        self._images = {entry["id"]: entry for entry in images if entry["id"] in self._refs}
        self._categories = {entry["id"]: str(entry.get("name")) for entry in categories}
        self._annotations: dict[Any, list[Entry]] = {image_id: [] for image_id in self._ids}
        for annotation in annotations:
            if annotation["image_id"] in self._annotations:
                self._annotations[annotation["image_id"]].append(annotation)
        self._path = path
        sources = {extra_entry(image).get("dataset", self.name) for image in self._images.values()}
        if len(sources) == 1:
            self.name = sources.pop()  # an export contains the name of its dataset

    def _no_split(self, splits: tuple[str, ...]) -> str:
        return f"split={self.split!r} is unknown; {self.name} split by {self.split_by!r} has {', '.join(splits)}."

    def _sample(self, image_id: Any) -> Sample:
        try:
            image, size = self._image(image_id), image_size(self._image(image_id))
        except CorruptFileError as error:
            return unusable_sample(image_id, self._refs[image_id], error)
        annotations = [entry for entry in self._annotations[image_id] if isinstance(entry.get("id"), (int, str))]
        masks, errors = self._drawn(image_id, annotations, size)
        by_id = {entry["id"]: entry for entry in annotations}
        counts = Counter(_category_id(entry) for entry in annotations if not entry.get("iscrowd"))
        references = []
        for ref in self._refs[image_id]:
            targets = self.targets(ref)
            missing = next((number for number in targets if number not in masks), None)
            reason = None if missing is None else errors.get(missing) or self._missing(ref, missing)
            references.append(self._reference(ref, size, [] if reason else targets, masks, by_id, counts, reason))
        shown = {number: mask for number, mask in masks.items() if mask.any()}
        extra = extra_entry(image)
        return Sample(
            str(extra.get("image_id", image_id)),
            references,
            lazy_image(self.folder, self.image_folders(), self.file_names(image)),
            instances=lambda: Masks.from_arrays(list(shown.values()), size=size),
            instance_categories=[self._category(by_id[number]) for number in shown],
            size=size,
            captions=extra.get("captions", ()),
        )

    def _drawn(
        self, image_id: Any, annotations: list[Entry], size: tuple[int, int]
    ) -> tuple[dict[Any, np.ndarray], dict[Any, str]]:
        """Return the masks of the objects of an image by id, and for malformed objects the reason why there is none."""
        referred = {number for ref in self._refs[image_id] for number in self.targets(ref)}
        masks: dict[Any, np.ndarray] = {}
        errors: dict[Any, str] = {}
        for entry in annotations:
            if not entry.get("iscrowd") or entry["id"] in referred:
                try:
                    masks[entry["id"]] = coco_mask(entry.get("segmentation"), size)
                except CorruptFileError as error:
                    errors[entry["id"]] = f"annotation {entry['id']} of image {image_id}: {error}"
        return masks, errors

    @staticmethod
    def targets(ref: Entry) -> list[Any]:
        """Return the ids of the objects of a reference."""
        named = ref.get("ann_id")
        return [named if isinstance(named, (int, str)) else str(named)]

    def _missing(self, ref: Entry, number: Any) -> str:
        return (
            f"reference {ref.get('ref_id')} names the object {number}, which {self._path} does not have for image "
            f"{ref['image_id']}; fetch both files from one source"
        )

    def _image(self, image_id: Any) -> Entry:
        if image_id not in self._images:
            raise CorruptFileError(f"{self._path} lacks the image {image_id}; fetch both files from one source.")
        return self._images[image_id]

    def _category(self, entry: Entry) -> str:
        number = _category_id(entry)
        return str(self._categories.get(number, number))

    def _reference(
        self,
        ref: Entry,
        size: tuple[int, int],
        targets: list[Any],
        masks: dict[Any, np.ndarray],
        by_id: dict[Any, Entry],
        counts: Counter[Any],
        reason: str | None,
    ) -> Reference:
        mask = np.zeros(size, dtype=bool)
        for number in targets:
            mask |= masks[number]
        entries = [by_id[number] for number in targets]
        others = None
        if len(entries) == 1:
            others = counts[_category_id(entries[0])] - (not entries[0].get("iscrowd"))
        return Reference(
            ref_id=str(extra_entry(ref).get("ref_id", ref.get("ref_id"))),
            expressions=refer_expressions(ref, self.text, reason),
            mask=mask,
            category=", ".join(dict.fromkeys(self._category(entry) for entry in entries)),
            distractors=others,
        )

    def image_folders(self) -> list[Path]:
        """Return the possible folders of the images, the prescribed one first."""
        return [self.root / folder for folder in IMAGE_FOLDERS]

    @staticmethod
    def file_names(image: Entry) -> list[str]:
        """Return the possible file names of an image, from its entry in `instances.json`.

        The file names in the references are not used: they contain the number of the object
        (COCO_train2014_000000000009_1.jpg), and no such file exists.
        """
        named = [str(image["file_name"])] if image.get("file_name") else []
        digits = str(image["id"])
        plain = [f"COCO_train2014_{int(digits):012d}.jpg"] if digits.isdecimal() and len(digits) <= 12 else []
        return list(dict.fromkeys(named + plain)) or [f"{digits}.jpg"]

    def images(self) -> list[tuple[str, list[str]]]:
        """Return the id and the possible file names of every image of the split, without opening an image."""
        return [(str(number), self.file_names(self._images.get(number, {"id": number}))) for number in self._ids]

    def counts(self) -> dict[str, int]:
        """Return the numbers of images, references and expressions of the split, without opening an image."""
        refs = [ref for refs in self._refs.values() for ref in refs]
        return {
            "images": len(self),
            "references": len(refs),
            "expressions": sum(len(ref["sentences"]) for ref in refs),
        }

    def problems(self) -> Iterator[str]:
        """Yield a line for every malformed annotation of the split, without opening an image file."""
        yield from self._malformed
        for index, image_id in enumerate(self._ids):
            found = list(problems_of(self[index]))
            named = [entry for entry in self._annotations[image_id] if isinstance(entry.get("id"), (int, str))]
            if image_id in self._images:
                with contextlib.suppress(CorruptFileError):  # a wrong size is recorded in every expression
                    found += self._drawn(image_id, named, image_size(self._images[image_id]))[1].values()
            if len(named) < len(self._annotations[image_id]):
                found.append(f"an annotation of image {image_id} has no id")
            yield from dict.fromkeys(found)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.split!r}, split_by={self.split_by!r}): {len(self)} images"


class RefCOCO(Refer):
    """RefCOCO (Yu et al., ECCV 2016): short expressions from a two-player game, with words for positions."""

    folder = "refcoco"
    schemes: ClassVar = {"unc": ("train", "val", "testA", "testB"), "google": ("train", "val", "test")}


class RefCOCOPlus(Refer):
    """RefCOCO+ (Yu et al., ECCV 2016): as RefCOCO, but without words for positions, which were forbidden."""

    folder = "refcoco+"
    schemes: ClassVar = {"unc": ("train", "val", "testA", "testB")}


class RefCOCOg(Refer):
    """RefCOCOg (Mao et al., CVPR 2016): long expressions; split by images ("umd") or by objects ("google")."""

    folder = "refcocog"
    schemes: ClassVar = {"umd": ("train", "val", "test"), "google": ("train", "val")}


def _category_id(entry: Entry) -> int | str:
    number = entry.get("category_id")
    return number if isinstance(number, (int, str)) else str(number)
