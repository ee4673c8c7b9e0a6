"""RefCOCO, RefCOCO+ and RefCOCOg in the files that their authors published (the `refer` format).

`instances.json` is COCO's annotation format; `refs(unc).p` and its like are pickled lists of references, read by an
unpickler that builds nothing but data. The public Google files have no test split.
"""

from __future__ import annotations

import os
from collections import Counter
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
from zsris_viz.datasets.outlines import coco_mask
from zsris_viz.datasets.plain_pickle import load_plain
from zsris_viz.datasets.types import Expression, Reference, Sample
from zsris_viz.errors import CorruptFileError, InvalidInputError
from zsris_viz.io.json_files import read_json
from zsris_viz.masks import Masks

# Where people keep COCO's training images, below data_root; the first is the place that the refer tools prescribe.
IMAGE_FOLDERS = (
    "images/mscoco/images/train2014",
    "images/train2014",
    "train2014",
    "coco/train2014",
    "coco/images/train2014",
    "mscoco/train2014",
)
TEXTS = ("sent", "raw")
_REF_KEYS = ("ref_id", "ann_id", "image_id", "split", "sentences")


class Refer:
    """One split of a dataset in the refer format; a sample is an image with all its references of the split.

    Images come in the order in which the references file first names them. `instances` of a sample are all annotated
    objects of its image in the order of `instances.json`: the ground-truth proposals. Crowds (iscrowd = 1) mark a group
    and no object, so they are left out, unless an expression of the split refers to one; so are objects without pixels.
    `distractors` counts the other objects of the category, crowds not among them.

    Args:
        split: "train", "val", "testA", "testB" or "test", whichever the scheme has.
        limit: only the first `limit` images.
        data_root: the folder that holds `refcoco/` (or itself holds its files), and the images in one of
            `IMAGE_FOLDERS`.
        split_by: the scheme, for example "unc"; by default the first of `schemes`.
        text: "sent", the cleaned expression, or "raw", as it was typed (the code of Global-Local CLIP uses this).

    Raises:
        InvalidInputError: an unknown split, scheme or text, a limit below 1, or no data_root.
        UnavailableError: a file that is not there.
        CorruptFileError: a file that is damaged, or a pickle that holds more than data.
    """

    needs_files: ClassVar[bool] = True
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
        self._text = text
        self.root = find_root(self.name, data_root)
        self._load(limit)

    def _load(self, limit: int | None) -> None:
        """Read the files and keep what belongs to the split."""
        file_name = f"refs({self.split_by}).p"
        refs_path = need_file(self.name, [self.root / self.folder / file_name, self.root / file_name], self.root)
        refs = load_plain(refs_path)
        _check_refs(refs, refs_path)
        found = dict.fromkeys(str(ref["split"]) for ref in refs)
        if self.split not in found:
            raise InvalidInputError(self._no_split(tuple(found)))
        by_image: dict[Any, list[dict[str, Any]]] = {}
        for ref in refs:
            if ref["split"] == self.split:
                by_image.setdefault(ref["image_id"], []).append(ref)
        self._ids = list(by_image)[:limit]
        self._refs = {image_id: by_image[image_id] for image_id in self._ids}

        path = need_file(self.name, [refs_path.parent / "instances.json"], self.root)
        content = read_json(path)
        try:
            self._images = {image["id"]: image for image in content["images"] if image["id"] in self._refs}
            self._categories = {category["id"]: category["name"] for category in content["categories"]}
            self._annotations: dict[Any, list[dict[str, Any]]] = {image_id: [] for image_id in self._ids}
            for annotation in content["annotations"]:
                if annotation["image_id"] in self._annotations:
                    self._annotations[annotation["image_id"]].append(annotation)
        except (KeyError, TypeError) as error:
            raise CorruptFileError(f"{path} is no COCO annotation file ({error!r}); fetch it again.") from error
        self._path = path
        sources = {image.get(EXTRA, {}).get("dataset", self.name) for image in self._images.values()}
        if len(sources) == 1:
            self.name = sources.pop()  # an export says what it is an export of

    def _no_split(self, splits: tuple[str, ...]) -> str:
        return f"split={self.split!r} is unknown; {self.name} split by {self.split_by!r} has {', '.join(splits)}."

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        image_id = self._ids[index]
        image = self._image(image_id)
        size = (int(image["height"]), int(image["width"]))
        referred = {ref["ann_id"] for ref in self._refs[image_id]}
        annotations = self._annotations[image_id]
        masks = {
            annotation["id"]: coco_mask(annotation["segmentation"], size)
            for annotation in annotations
            if not annotation.get("iscrowd") or annotation["id"] in referred
        }
        counts = Counter(annotation["category_id"] for annotation in annotations if not annotation.get("iscrowd"))
        by_id = {annotation["id"]: annotation for annotation in annotations}
        references = []
        for ref in self._refs[image_id]:
            if ref["ann_id"] not in by_id:
                raise CorruptFileError(
                    f"Reference {ref['ref_id']} names the object {ref['ann_id']}, which {self._path} does not have for "
                    f"image {image_id}. Fetch both files from one source."
                )
            references.append(self._reference(ref, by_id[ref["ann_id"]], masks[ref["ann_id"]], counts))
        shown = {number: mask for number, mask in masks.items() if mask.any()}
        extra = image.get(EXTRA, {})
        return Sample(
            str(extra.get("image_id", image_id)),
            references,
            lazy_image(self.folder, self.image_folders(), self.file_names(image)),
            instances=lambda: Masks.from_arrays(list(shown.values()), size=size),
            instance_categories=[self._category(by_id[number]["category_id"]) for number in shown],
            size=size,
            captions=extra.get("captions", ()),
        )

    def _image(self, image_id: Any) -> dict[str, Any]:
        if image_id not in self._images:
            raise CorruptFileError(f"{self._path} lacks the image {image_id}; fetch both files from one source.")
        return self._images[image_id]

    def _category(self, number: Any) -> str:
        return str(self._categories.get(number, number))

    def _reference(
        self, ref: dict[str, Any], annotation: dict[str, Any], mask: np.ndarray, counts: Counter[Any]
    ) -> Reference:
        expressions = []
        for sentence in ref["sentences"]:
            known = {"sentence_id": str(sentence["sent_id"]), **known_parts(sentence.get(EXTRA))}
            expressions.append(Expression(text=str(sentence.get(self._text, sentence["sent"])), **known))
        category = annotation["category_id"]
        others = counts[category] - (not annotation.get("iscrowd"))
        return Reference(
            ref_id=str(ref.get(EXTRA, {}).get("ref_id", ref["ref_id"])),
            expressions=tuple(expressions),
            mask=mask,
            category=self._category(category),
            distractors=others,
        )

    def image_folders(self) -> list[Path]:
        """Where the images may lie, the prescribed place first."""
        return [self.root / folder for folder in IMAGE_FOLDERS]

    @staticmethod
    def file_names(image: dict[str, Any]) -> list[str]:
        """The names that an image's file may have, from its entry in `instances.json`.

        The references have file names, too, but with the object's number in them (COCO_train2014_000000000009_1.jpg),
        as which no file exists; they are not used.
        """
        named = [str(image["file_name"])] if image.get("file_name") else []
        plain = [f"COCO_train2014_{int(image['id']):012d}.jpg"] if str(image["id"]).isdigit() else []
        return list(dict.fromkeys(named + plain))

    def images(self) -> list[tuple[str, list[str]]]:
        """(image id, names that its file may have) of every image of the split; opens none."""
        return [(str(image_id), self.file_names(self._image(image_id))) for image_id in self._ids]

    def counts(self) -> dict[str, int]:
        """Images, references and expressions of the split; opens no image."""
        refs = [ref for refs in self._refs.values() for ref in refs]
        return {
            "images": len(self),
            "references": len(refs),
            "expressions": sum(len(ref["sentences"]) for ref in refs),
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.split!r}, split_by={self.split_by!r}): {len(self)} images"


class RefCOCO(Refer):
    """RefCOCO (Yu et al., ECCV 2016): short expressions from a game, places allowed."""

    folder = "refcoco"
    schemes: ClassVar = {"unc": ("train", "val", "testA", "testB"), "google": ("train", "val", "test")}


class RefCOCOPlus(Refer):
    """RefCOCO+ (Yu et al., ECCV 2016): as RefCOCO, but words for places were not allowed."""

    folder = "refcoco+"
    schemes: ClassVar = {"unc": ("train", "val", "testA", "testB")}


class RefCOCOg(Refer):
    """RefCOCOg (Mao et al., CVPR 2016): long expressions; split by images ("umd") or by objects ("google")."""

    folder = "refcocog"
    schemes: ClassVar = {"umd": ("train", "val", "test"), "google": ("train", "val")}


def _check_refs(refs: Any, path: Path) -> None:
    """Refuse what is no list of references."""
    if not isinstance(refs, list):
        raise CorruptFileError(f"{path} holds a {type(refs).__name__}, not a list of references; fetch it again.")
    for number, ref in enumerate(refs):
        missing = [key for key in _REF_KEYS if key not in ref] if isinstance(ref, dict) else list(_REF_KEYS)
        if missing:
            raise CorruptFileError(f"Reference {number} of {path} has no {', '.join(missing)}; fetch the file again.")
        for sentence in ref["sentences"]:
            if not isinstance(sentence, dict) or not {"sent_id", "sent"} <= set(sentence):
                raise CorruptFileError(
                    f"A sentence of reference {number} of {path} has no sent_id or sent; fetch the file again."
                )
