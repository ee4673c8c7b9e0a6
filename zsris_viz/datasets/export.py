"""Export of drawn scenes in the file formats of the benchmarks, readable by the same tools.

Evaluating an export gives the same rows as the original dataset. Therefore images are PNG by default (JPEG changes
pixels, but is what the benchmarks use), masks are exact (run-length encodings in `instances.json`, rectangles for
PhraseCut), and everything for which a format has no field (the original ids, gold noun phrases, masks of things without
a phrase) is stored under one extra key, "zsris", which other readers ignore.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zsris_viz.datasets.files import EXTRA, extra_of
from zsris_viz.datasets.outlines import phrasecut_polygons
from zsris_viz.datasets.refer import IMAGE_FOLDERS, RefCOCO, RefCOCOg, RefCOCOPlus
from zsris_viz.datasets.types import Dataset, Reference, Sample
from zsris_viz.errors import InvalidInputError
from zsris_viz.mask_io import encode_rle

REFER = {cls.folder: cls for cls in (RefCOCO, RefCOCOPlus, RefCOCOg)}
REFER_IMAGES = IMAGE_FOLDERS[0]
PHRASECUT_FOLDER = "VGPhraseCut_v0"
OTHER = "thing"  # category of objects without a reference if the dataset does not name it
PICTURES = {"png": {"compress_level": 1}, "jpeg": {"quality": 92}}  # options of the image writers


@dataclass(frozen=True)
class _Form:
    """Settings of an export.

    Attributes:
        name: Name of the imitated benchmark.
        split_by: Splitting scheme of the benchmark.
        images: Format of the image files.
        progress: Whether a progress bar is shown.
    """

    name: str
    split_by: str
    images: str
    progress: bool

    def save(self, sample: Sample, path: Path) -> None:
        """Write the image of a sample."""
        sample.image.save(path, self.images.upper(), **PICTURES[self.images])


def export(
    dataset: Dataset,
    folder: str | os.PathLike[str],
    layout: str,
    *,
    name: str | None = None,
    split_by: str | None = None,
    images: str = "png",
    progress: bool = True,
) -> Path:
    """Write a dataset in the file format of a benchmark.

    Args:
        dataset: A dataset whose samples have `instances`, among them the masks of all references.
        folder: Folder of the export; read it with `load_dataset(name, split, data_root=folder)`.
        layout: "refer" (refcoco/refs(unc).p, refcoco/instances.json, images/mscoco/images/train2014/) or "phrasecut"
            (VGPhraseCut_v0/refer_{split}.json, image_data_split.json, images/).
        name: Name of the imitated benchmark, for the refer layout only; by default "refcoco".
        split_by: Splitting scheme of the benchmark, for the refer layout only; by default its first.
        images: "png", or "jpeg" with COCO's file names: as in the benchmarks, but the pixels change slightly.
        progress: Whether a progress bar is shown.

    Returns:
        The folder inside `folder` that contains the annotations. Files are moved there only when all are complete.

    Raises:
        InvalidInputError: An unknown layout, name, scheme or image format, a folder that already contains such files, a
            split that the benchmark does not have, or a dataset without instances.
    """
    if layout not in LAYOUTS:
        raise InvalidInputError(f"format {layout!r} is unknown; use {' or '.join(LAYOUTS)}.")
    if images not in PICTURES:
        raise InvalidInputError(f"images={images!r} is unknown; use {' or '.join(PICTURES)}.")
    write = LAYOUTS[layout]
    if layout == "refer":
        form = _refer_form(dataset.split, name or "refcoco", split_by, images, progress)
        names: tuple[str, ...] = ("images", form.name)  # the annotations come last
    else:
        if name not in (None, "phrasecut") or split_by not in (None, ""):
            raise InvalidInputError(f"{name or split_by!r} is of no use for {layout}: it has one name and no schemes.")
        form, names = _Form(layout, "", images, progress), (PHRASECUT_FOLDER,)
    root = Path(folder)
    for place in names:
        if (root / place).exists():
            raise InvalidInputError(
                f"{root / place} is there already; nothing was written. Give another folder, or remove it."
            )
    root.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".export-", dir=root))
    try:
        write(dataset, draft, form)
        for place in names:  # the annotations are moved last, since nothing is read without them
            (draft / place).rename(root / place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root / names[-1]


def _refer_form(split: str, name: str, split_by: str | None, images: str, progress: bool) -> _Form:
    """Return the settings after checking that the benchmark has the scheme and the scheme has the split."""
    if name not in REFER:
        raise InvalidInputError(f"name={name!r} is unknown; the refer format has {', '.join(REFER)}.")
    schemes = REFER[name].schemes
    scheme = next(iter(schemes)) if split_by is None else split_by
    if scheme not in schemes:
        raise InvalidInputError(f"split_by={split_by!r} is unknown; {name} has {', '.join(schemes)}.")
    if split not in schemes[scheme]:
        raise InvalidInputError(
            f"{name} split by {scheme!r} has no {split!r} but {', '.join(schemes[scheme])}; export one of these splits."
        )
    return _Form(name, scheme, images, progress)


def _write_refer(dataset: Dataset, folder: Path, form: _Form) -> None:
    """Write refs(SCHEME).p and instances.json as published, and the images in the folders of the refer tools."""
    (folder / REFER_IMAGES).mkdir(parents=True)
    (folder / form.name).mkdir()
    stem, suffix = ("COCO_train2014", "jpg") if form.images == "jpeg" else ("scene", "png")
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    refs: list[dict[str, Any]] = []
    categories: dict[str, int] = {}
    sentence_count = 0
    for number, sample in _samples(dataset, form.progress):
        masks, height, width = _masks(sample)
        nouns = sample.instance_categories
        file_name = f"{stem}_{number:012d}.{suffix}"
        form.save(sample, folder / REFER_IMAGES / file_name)
        images.append(
            {
                "id": number,
                "file_name": file_name,
                "height": height,
                "width": width,
                EXTRA: {"dataset": dataset.name, "image_id": sample.image_id, "captions": list(sample.captions)},
            }
        )
        first = len(annotations) + 1
        places = {reference.ref_id: _place(reference, masks, sample) for reference in sample.references}
        named = {places[reference.ref_id]: reference.category for reference in sample.references}
        for place, mask in enumerate(masks):
            noun = nouns[place] if nouns else named.get(place, OTHER)
            annotations.append(
                {
                    "id": first + place,
                    "image_id": number,
                    "category_id": categories.setdefault(noun, len(categories) + 1),
                    # A list of encodings, as in the ReferIt files, is what the authors' own reader accepts.
                    "segmentation": [encode_rle(mask)],
                    "area": int(mask.sum()),
                    "bbox": _box(mask),
                    "iscrowd": 0,
                }
            )
        for reference in sample.references:
            sentences = []
            for expression in reference.expressions:
                sentence_count += 1
                sentences.append(
                    {
                        "sent_id": sentence_count,
                        "sent": expression.text,
                        "raw": expression.text,
                        "tokens": expression.text.split(),
                        EXTRA: extra_of(expression),
                    }
                )
            refs.append(
                {
                    "ref_id": len(refs) + 1,
                    "ann_id": first + places[reference.ref_id],
                    "category_id": annotations[first + places[reference.ref_id] - 1]["category_id"],
                    "image_id": number,
                    "file_name": f"{stem}_{number:012d}_{first + places[reference.ref_id]}.{suffix}",  # as published
                    "split": dataset.split,
                    "sent_ids": [sentence["sent_id"] for sentence in sentences],
                    "sentences": sentences,
                    EXTRA: {"ref_id": reference.ref_id},
                }
            )
    listed = [{"id": key, "name": noun, "supercategory": OTHER} for noun, key in categories.items()]
    info = {"description": f"{dataset.name} {dataset.split}, exported by zsris_viz"}
    content = {"info": info, "licenses": [], "images": images, "annotations": annotations, "categories": listed}
    (folder / form.name / "instances.json").write_text(json.dumps(content))
    (folder / form.name / f"refs({form.split_by}).p").write_bytes(pickle.dumps(refs, protocol=2))


def _write_phrasecut(dataset: Dataset, folder: Path, form: _Form) -> None:
    """Write refer_{split}.json and image_data_split.json as in PhraseCut, with a phrase for each expression."""
    folder = folder / PHRASECUT_FOLDER
    (folder / "images").mkdir(parents=True)
    images, tasks = [], []
    for number, sample in _samples(dataset, form.progress):
        masks, height, width = _masks(sample)
        form.save(sample, folder / "images" / f"{number}.{'jpg' if form.images == 'jpeg' else 'png'}")
        instances = [phrasecut_polygons(mask) for mask in masks]
        images.append(
            {
                "image_id": number,
                "height": height,
                "width": width,
                "split": dataset.split,
                EXTRA: {
                    "dataset": dataset.name,
                    "image_id": sample.image_id,
                    "captions": list(sample.captions),
                    "instances": instances,
                    "categories": sample.instance_categories,
                },
            }
        )
        for reference in sample.references:
            place = _place(reference, masks, sample)
            for count, expression in enumerate(reference.expressions):
                tasks.append(
                    {
                        "task_id": f"{number}__{place}_{count}",
                        "image_id": number,
                        "ann_ids": [place],
                        "instance_boxes": [_box(masks[place])],
                        "Polygons": [instances[place]],
                        "phrase": expression.text,
                        "phrase_structure": {
                            "name": reference.category,
                            "attributes": [],
                            "relation_ids": [],
                            "relation_descriptions": [],
                            "type": "verbose",
                        },
                        EXTRA: {
                            "ref_id": reference.ref_id,
                            "distractors": reference.distractors,
                            **extra_of(expression),
                        },
                    }
                )
    (folder / "image_data_split.json").write_text(json.dumps(images))
    (folder / f"refer_{dataset.split}.json").write_text(json.dumps(tasks))


LAYOUTS: dict[str, Callable[[Dataset, Path, _Form], None]] = {"refer": _write_refer, "phrasecut": _write_phrasecut}


def _samples(dataset: Dataset, progress: bool) -> Iterator[tuple[int, Sample]]:
    """Yield every sample with its number from 1."""
    from tqdm.auto import tqdm

    for index in tqdm(range(len(dataset)), unit="image", disable=not progress, desc=f"export {dataset.name}"):
        yield index + 1, dataset[index]


def _masks(sample: Sample) -> tuple[np.ndarray, int, int]:
    """Return (N, H, W) bool masks of all instances, and the image's height and width."""
    if sample.instances is None:
        raise InvalidInputError(f"{sample!r} comes without the masks of its objects; it cannot be exported.")
    return sample.instances.data.numpy(), *sample.size


def _place(reference: Reference, masks: np.ndarray, sample: Sample) -> int:
    """Return the index of the instance whose mask is that of the reference."""
    for place, mask in enumerate(masks):
        if np.array_equal(mask, reference.mask):
            return place
    raise InvalidInputError(f"Reference {reference.ref_id} of {sample!r} is none of its instances; give one that is.")


def _box(mask: np.ndarray) -> list[int]:
    """Return the bounding box [x, y, width, height] of a mask; zeros for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return [0, 0, 0, 0]
    x, y = int(columns[0]), int(rows[0])
    return [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1]
