"""PhraseCut (Wu et al., CVPR 2020) in the files that its authors published."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from zsris_viz.datasets.coco_names import COCO_CATEGORIES
from zsris_viz.datasets.files import (
    EXTRA,
    FileDataset,
    find_root,
    image_size,
    known_parts,
    lazy_image,
    need_file,
    warn_of_problems,
)
from zsris_viz.datasets.outlines import phrasecut_mask
from zsris_viz.datasets.refer_rows import extra_entry
from zsris_viz.datasets.types import Expression, Reference, Sample, check_limit
from zsris_viz.errors import CorruptFileError, InvalidInputError
from zsris_viz.io.json_files import read_json
from zsris_viz.masks import Masks

SPLITS = ("train", "val", "test", "miniv")
WHOLE_VAL = "val_miniv"  # refer_val.json does not contain the 100 images of miniv; this name stands for both
FOLDERS = ("VGPhraseCut_v0", "phrasecut", "data/VGPhraseCut_v0", ".")
SIZE_FILES = ("image_data_split.json", "image_data_split3000.json")
KINDS = {"name": "noun", "relation": "relation"}  # type of a phrase -> kind; others have no single kind
Categories = Literal["all", "unseen"]
_TASK_KEYS = ("task_id", "image_id", "phrase", "Polygons")


class PhraseCut(FileDataset):
    """One split of PhraseCut; a sample is an image with a reference and one expression for each of its phrases.

    A phrase may refer to several objects; the mask of the reference is their union. `instances` of a sample are the
    single objects of all its phrases without duplicate masks: the ground-truth proposals. A phrase that refers to
    several objects therefore has no proposal of its own, as in the ground truth of the authors.

    Args:
        split: "train", "val", "test", "miniv", or "val_miniv" for the whole of the validation set.
        limit: Number of images, counted from the first; None for all.
        data_root: The folder that contains `VGPhraseCut_v0/` or `phrasecut/`, or the files themselves:
            refer_{split}.json, image_data_split.json and images/.
        split_by: "" or None, since there is only one scheme.
        categories: "all", or "unseen" for the phrases whose category is not one of COCO's 80, which proposal networks
            trained on COCO have not seen (Global-Local CLIP, Figure 4, left). Names are compared as they are written.

    Raises:
        InvalidInputError: The split, scheme or kind of categories is unknown, the limit is below 1, or there is no
            data_root.
        UnavailableError: A file does not exist.
        CorruptFileError: A file is damaged.
    """

    split_by: str = ""

    def __init__(
        self,
        split: str = "val",
        *,
        limit: int | None = None,
        data_root: str | os.PathLike[str] | None = None,
        split_by: str | None = None,
        categories: Categories = "all",
    ) -> None:
        self.name = "phrasecut"
        if categories not in get_args(Categories):
            raise InvalidInputError(f"categories={categories!r} is unknown; use {' or '.join(get_args(Categories))}.")
        if split_by not in (None, ""):
            raise InvalidInputError(f"split_by={split_by!r} is unknown; {self.name} has only one scheme: leave it out.")
        check_limit(limit)
        known = (*SPLITS, WHOLE_VAL)
        if split not in known and (data_root is None or not _split_files(Path(data_root), split)):
            raise InvalidInputError(f"split={split!r} is unknown; {self.name} has {', '.join(known)}.")
        self.split = split
        self.root = find_root(self.name, data_root)
        parts = split.split("_") if split == WHOLE_VAL else [split]
        self._malformed: list[str] = []
        self._tasks: dict[Any, list[dict[str, Any]]] = {}
        for part in parts:
            path = need_file(self.name, [self.root / folder / f"refer_{part}.json" for folder in FOLDERS], self.root)
            for task in self._usable(read_json(path), path):
                if categories == "all" or _noun(task).strip().lower() not in COCO_CATEGORIES.values():
                    self._tasks.setdefault(task["image_id"], []).append(task)
        self._folder = path.parent
        self._ids = list(self._tasks)[:limit]
        self._images = self._read_images()
        sources = {extra_entry(self._images.get(key, {})).get("dataset", self.name) for key in self._ids}
        if len(sources) == 1:
            self.name = sources.pop()  # an export contains the name of its dataset
        self.categories = categories  # a public attribute, so that a run is not resumed with other phrases
        warn_of_problems(self._malformed, "phrasecut")

    def _usable(self, tasks: Any, path: Path) -> list[dict[str, Any]]:
        """Return the tasks that have all parts, and record the others as malformed."""
        if not isinstance(tasks, list):
            raise CorruptFileError(f"{path} holds a {type(tasks).__name__}, not a list of phrases; fetch it again.")
        usable = []
        for number, task in enumerate(tasks):
            missing = [key for key in _TASK_KEYS if key not in task] if isinstance(task, dict) else list(_TASK_KEYS)
            if missing or not isinstance(task["image_id"], (int, str)):
                self._malformed.append(f"phrase {number} of {path.name} has no {', '.join(missing) or 'image_id'}")
            else:
                usable.append(task)
        if tasks and not usable:
            raise CorruptFileError(f"{path} holds no phrase that can be used; fetch it again.")
        return usable

    def _read_images(self) -> dict[Any, dict[str, Any]]:
        """Return the entries of the split's images; without the file, sizes are read from the images."""
        wanted = set(self._ids)
        for name in SIZE_FILES:
            path = self._folder / name
            if path.is_file():
                entries = read_json(path)
                if not isinstance(entries, list):
                    raise CorruptFileError(f"{path} holds a {type(entries).__name__}, no list; fetch it again.")
                known = [entry for entry in entries if isinstance(entry, dict)]
                named = [entry for entry in known if isinstance(entry.get("image_id"), (int, str))]
                return {entry["image_id"]: entry for entry in named if entry["image_id"] in wanted}
        return {}

    def _sample(self, image_id: Any) -> Sample:
        entry = self._images.get(image_id, {})
        extra = extra_entry(entry)
        opened = lazy_image("phrasecut", [self._folder / "images"], self.file_names(image_id))
        tasks = self._tasks[image_id]
        try:
            size = image_size(entry) if entry else opened().size[::-1]
        except (CorruptFileError, InvalidInputError) as error:
            return Sample(str(image_id), _references(tasks, (1, 1), error), opened)

        @functools.cache
        def annotated() -> tuple[list[np.ndarray], list[str] | None]:
            if "instances" in extra:
                return [phrasecut_mask(group, size) for group in extra["instances"]], extra.get("categories")
            found: dict[bytes, tuple[np.ndarray, str]] = {}
            for task in tasks:
                for group in task["Polygons"] if isinstance(task["Polygons"], list) else ():
                    with contextlib.suppress(CorruptFileError):  # the reference records the error
                        mask = phrasecut_mask(group, size)
                        if mask.any():
                            found.setdefault(mask.tobytes(), (mask, _noun(task)))
            return [mask for mask, _ in found.values()], [noun for _, noun in found.values()]

        return Sample(
            str(extra.get("image_id", image_id)),
            _references(tasks, size),
            opened,
            instances=lambda: Masks.from_arrays(annotated()[0], size=size),
            instance_categories=lambda: annotated()[1],
            size=size,
            captions=extra.get("captions", ()),
        )

    @staticmethod
    def file_names(image_id: Any) -> list[str]:
        """Return the possible file names of an image; exports use PNG, since JPEG would change the pixels."""
        return [f"{image_id}.jpg", f"{image_id}.png"]

    def image_folders(self) -> list[Path]:
        """Return the folder of the images."""
        return [self._folder / "images"]

    def images(self) -> list[tuple[str, list[str]]]:
        """Return the id and the possible file names of every image of the split, without opening an image."""
        return [(str(image_id), self.file_names(image_id)) for image_id in self._ids]

    def counts(self) -> dict[str, int]:
        """Return the numbers of images, references and expressions (one for each phrase), without opening an image."""
        phrases = sum(len(self._tasks[image_id]) for image_id in self._ids)
        return {"images": len(self), "references": phrases, "expressions": phrases}

    def problems(self) -> Iterator[str]:
        """Yield a line for every malformed annotation of the split, without opening an image file."""
        yield from self._malformed
        for image_id in self._ids:
            entry = self._images.get(image_id, {})
            try:
                size = image_size(entry) if entry else (1000, 1000)  # no image is larger
            except CorruptFileError as error:
                yield f"image {image_id}: {error}"
                continue
            for reference in _references(self._tasks[image_id], size):
                yield from dict.fromkeys(phrase.error for phrase in reference.expressions if phrase.error)

    def __repr__(self) -> str:
        return f"PhraseCut({self.split!r}): {len(self)} images"


def _references(
    tasks: list[dict[str, Any]], size: tuple[int, int], failure: Exception | None = None
) -> list[Reference]:
    """Return a reference for each phrase; phrases that an export took from one reference are merged again.

    Args:
        tasks: The phrases of an image.
        size: (H, W) of the image.
        failure: Reason why none of the phrases can be used, or None.
    """
    grouped: dict[str, list[dict[str, Any]]] = {}
    for task in tasks:
        grouped.setdefault(str(extra_entry(task).get("ref_id", task["task_id"])), []).append(task)
    references = []
    for ref_id, members in grouped.items():
        first = members[0]
        mask, reason = np.zeros(size, dtype=bool), None if failure is None else str(failure)
        if reason is None:
            try:
                mask = _mask(first["Polygons"], size)
            except CorruptFileError as error:
                reason = f"phrase {first['task_id']}: {error}"
        expressions = []
        for task in members:
            text, wrong = task["phrase"], reason
            if not isinstance(text, str) or not text.strip():
                text, wrong = "", reason or f"phrase {task['task_id']} has no text"
            kind = KINDS.get(str(_structure(task).get("type", "")))
            known: dict[str, Any] = {"sentence_id": str(task["task_id"]), "kind": kind}
            known |= known_parts(task.get(EXTRA)) | {"error": wrong}
            expressions.append(Expression(text=text, **known))
        references.append(
            Reference(
                ref_id=ref_id,
                expressions=tuple(expressions),
                mask=mask,
                category=_noun(first),
                distractors=extra_entry(first).get("distractors"),
            )
        )
    return references


def _noun(task: dict[str, Any]) -> str:
    """Return the name of the category of the objects of a phrase."""
    return str(_structure(task).get("name") or "")


def _structure(task: dict[str, Any]) -> dict[str, Any]:
    structure = task.get("phrase_structure")
    return structure if isinstance(structure, dict) else {}


def _mask(groups: Any, size: tuple[int, int]) -> np.ndarray:
    """Draw the union of the objects of a phrase."""
    if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
        raise CorruptFileError(f"{str(groups)[:60]!r} are not polygons; fetch the annotation file again.")
    return phrasecut_mask([polygon for group in groups for polygon in group], size)


def _split_files(root: Path, split: str) -> list[Path]:
    return [path for folder in FOLDERS if (path := root / folder / f"refer_{split}.json").is_file()]
