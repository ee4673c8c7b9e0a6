"""PhraseCut (Wu et al., CVPR 2020) in the files that its authors published."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from zsris_viz.datasets.files import (
    EXTRA,
    check_limit,
    find_root,
    known_parts,
    lazy_image,
    need_file,
)
from zsris_viz.datasets.outlines import phrasecut_mask
from zsris_viz.datasets.types import Expression, Reference, Sample
from zsris_viz.errors import CorruptFileError, InvalidInputError
from zsris_viz.io.json_files import read_json
from zsris_viz.masks import Masks

SPLITS = ("train", "val", "test", "miniv")
WHOLE_VAL = "val_miniv"  # refer_val.json does not hold the 100 images of miniv; this name means both
FOLDERS = ("VGPhraseCut_v0", "phrasecut", "data/VGPhraseCut_v0", ".")
SIZE_FILES = ("image_data_split.json", "image_data_split3000.json")
KINDS = {"name": "noun", "relation": "relation"}  # type of a phrase -> what singles it out; other types may be several
_TASK_KEYS = ("task_id", "image_id", "phrase", "Polygons")


class PhraseCut:
    """One split of PhraseCut; a sample is an image with a reference and one expression for each of its phrases.

    A phrase may mean several things: the reference's mask is their union. `instances` of a sample are the single
    things of all its phrases, equal masks once: the ground-truth proposals. So a phrase that means several has no
    proposal of its own, as in the ground truth that the authors publish.

    Args:
        split: "train", "val", "test", "miniv", or "val_miniv" for the whole of the validation set.
        limit: only the first `limit` images.
        data_root: the folder that holds `VGPhraseCut_v0/` (or `phrasecut/`, or itself its files): refer_{split}.json,
            image_data_split.json and images/.
        split_by: "" or None: there is only one scheme.

    Raises:
        InvalidInputError: an unknown split or scheme, a limit below 1, or no data_root.
        UnavailableError: a file that is not there.
        CorruptFileError: a file that is damaged.
    """

    needs_files: ClassVar[bool] = True
    split_by: str = ""

    def __init__(
        self,
        split: str = "val",
        *,
        limit: int | None = None,
        data_root: str | os.PathLike[str] | None = None,
        split_by: str | None = None,
    ) -> None:
        self.name = "phrasecut"
        if split_by not in (None, ""):
            raise InvalidInputError(f"split_by={split_by!r} is unknown; {self.name} has only one scheme: leave it out.")
        check_limit(limit)
        known = (*SPLITS, WHOLE_VAL)
        if split not in known and (data_root is None or not _split_files(Path(data_root), split)):
            raise InvalidInputError(f"split={split!r} is unknown; {self.name} has {', '.join(known)}.")
        self.split = split
        self.root = find_root(self.name, data_root)
        parts = split.split("_") if split == WHOLE_VAL else [split]
        self._tasks: dict[Any, list[dict[str, Any]]] = {}
        for part in parts:
            path = need_file(self.name, [self.root / folder / f"refer_{part}.json" for folder in FOLDERS], self.root)
            for task in _checked(read_json(path), path):
                self._tasks.setdefault(task["image_id"], []).append(task)
        self._folder = path.parent
        self._ids = list(self._tasks)[:limit]
        self._images = self._read_images()
        sources = {self._images.get(key, {}).get(EXTRA, {}).get("dataset", self.name) for key in self._ids}
        if len(sources) == 1:
            self.name = sources.pop()  # an export says what it is an export of

    def _read_images(self) -> dict[Any, dict[str, Any]]:
        """The entries of the images of this split; without the file the sizes are those of the images."""
        wanted = set(self._ids)
        for name in SIZE_FILES:
            path = self._folder / name
            if path.is_file():
                entries = read_json(path)
                try:
                    return {entry["image_id"]: entry for entry in entries if entry["image_id"] in wanted}
                except (KeyError, TypeError) as error:
                    raise CorruptFileError(f"{path} is no list of images: {error!r}. Fetch it again.") from error
        return {}

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        image_id = self._ids[index]
        entry = self._images.get(image_id, {})
        extra = entry.get(EXTRA, {})
        opened = lazy_image("phrasecut", [self._folder / "images"], self.file_names(image_id))
        size = (int(entry["height"]), int(entry["width"])) if entry else opened().size[::-1]
        tasks = self._tasks[image_id]

        @functools.cache
        def things() -> tuple[list[np.ndarray], list[str] | None]:
            if "instances" in extra:
                return [phrasecut_mask(group, size) for group in extra["instances"]], extra.get("categories")
            found: dict[bytes, tuple[np.ndarray, str]] = {}
            for task in tasks:
                for group in task["Polygons"]:
                    mask = phrasecut_mask(group, size)
                    if mask.any():
                        found.setdefault(mask.tobytes(), (mask, _noun(task)))
            return [mask for mask, _ in found.values()], [noun for _, noun in found.values()]

        return Sample(
            str(extra.get("image_id", image_id)),
            _references(tasks, size),
            opened,
            instances=lambda: Masks.from_arrays(things()[0], size=size),
            instance_categories=lambda: things()[1],
            size=size,
            captions=extra.get("captions", ()),
        )

    @staticmethod
    def file_names(image_id: Any) -> list[str]:
        """The names that an image's file may have. An export's are PNG, since JPEG would change the pixels."""
        return [f"{image_id}.jpg", f"{image_id}.png"]

    def image_folders(self) -> list[Path]:
        """Where the images lie."""
        return [self._folder / "images"]

    def images(self) -> list[tuple[str, list[str]]]:
        """(image id, names that its file may have) of every image of the split; opens none."""
        return [(str(image_id), self.file_names(image_id)) for image_id in self._ids]

    def counts(self) -> dict[str, int]:
        """Images, references and expressions (both are phrases) of the split; opens no image."""
        phrases = sum(len(self._tasks[image_id]) for image_id in self._ids)
        return {"images": len(self), "references": phrases, "expressions": phrases}

    def __repr__(self) -> str:
        return f"PhraseCut({self.split!r}): {len(self)} images"


def _references(tasks: list[dict[str, Any]], size: tuple[int, int]) -> list[Reference]:
    """A reference for each phrase; phrases that an export took from one reference become one again."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for task in tasks:
        grouped.setdefault(str(task.get(EXTRA, {}).get("ref_id", task["task_id"])), []).append(task)
    references = []
    for ref_id, members in grouped.items():
        expressions = []
        for task in members:
            kind = KINDS.get((task.get("phrase_structure") or {}).get("type", ""))
            known = {"sentence_id": str(task["task_id"]), "kind": kind, **known_parts(task.get(EXTRA))}
            expressions.append(Expression(text=str(task["phrase"]), **known))
        first = members[0]
        polygons = [polygon for group in first["Polygons"] for polygon in group]
        references.append(
            Reference(
                ref_id=ref_id,
                expressions=tuple(expressions),
                mask=phrasecut_mask(polygons, size),
                category=_noun(first),
                distractors=first.get(EXTRA, {}).get("distractors"),
            )
        )
    return references


def _noun(task: dict[str, Any]) -> str:
    """What the thing of a phrase is called."""
    return str((task.get("phrase_structure") or {}).get("name") or "")


def _split_files(root: Path, split: str) -> list[Path]:
    return [path for folder in FOLDERS if (path := root / folder / f"refer_{split}.json").is_file()]


def _checked(tasks: Any, path: Path) -> list[dict[str, Any]]:
    """Refuse what is no list of tasks."""
    if not isinstance(tasks, list):
        raise CorruptFileError(f"{path} holds a {type(tasks).__name__}, not a list of phrases; fetch it again.")
    for number, task in enumerate(tasks):
        missing = [key for key in _TASK_KEYS if key not in task] if isinstance(task, dict) else list(_TASK_KEYS)
        if missing:
            raise CorruptFileError(f"Phrase {number} of {path} has no {', '.join(missing)}; fetch the file again.")
    return tasks
