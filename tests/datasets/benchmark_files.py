"""Small benchmarks in exactly the published formats, for tests."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (20, 30)  # height, width
SQUARE = [2, 3, 10, 3, 10, 11, 2, 11]  # x, y pairs: columns 2-9, rows 3-10
PARTS = [[0, 0, 4, 0, 4, 4, 0, 4], [20, 10, 26, 10, 26, 16, 20, 16]]
CROWD_RUNS = [100, 40, 460]  # uncompressed: pixels 100-139, column by column


def annotation(number: int, image: int, category: int, segmentation: Any, crowd: int = 0) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": segmentation,
        "iscrowd": crowd,
        "area": 64.0,
        "bbox": [2.0, 3.0, 8.0, 8.0],
    }


def reference(number: int, ann: int, image: int, split: str, *texts: str) -> dict[str, Any]:
    sentences = [
        {"raw": text.capitalize() + "!", "sent": text, "sent_id": 10 * number + k, "tokens": text.split()}
        for k, text in enumerate(texts)
    ]
    return {
        "ref_id": number,
        "ann_id": ann,
        "category_id": 1,
        "image_id": image,
        "file_name": f"COCO_train2014_{image:012d}_{ann}.jpg",  # as published: no file is called so
        "split": split,
        "sent_ids": [sentence["sent_id"] for sentence in sentences],
        "sentences": sentences,
    }


REFS = [
    reference(1, 11, 9, "val", "left cat", "the cat on the left"),
    reference(2, 21, 25, "train", "dog"),
    reference(3, 12, 9, "val", "cat in two parts"),
    reference(4, 31, 30, "testA", "all of them"),
]


def make_grefcoco(root: Path) -> None:
    """gRefCOCO's val in its files: one picture with an expression for one object, one for two, and one for none."""
    make_refer(root)
    (root / "refcoco").rename(root / "grefcoco")
    refs = [
        {**REFS[0], "ann_id": [11], "category_id": [1]},
        {**REFS[0], "ref_id": 5, "ann_id": [12, 13], "category_id": [1, 2]},
        {**REFS[0], "ref_id": 6, "ann_id": [-1], "category_id": [-1], "no_target": True},
    ]
    (root / "grefcoco/grefs(unc).json").write_text(json.dumps(refs))


def make_refer(root: Path, name: str = "refcoco", scheme: str = "unc", *, images: bool = True) -> Path:
    """refs(scheme).p, instances.json and the images of three COCO pictures; returns the folder of the images."""
    folder = root / name
    folder.mkdir(parents=True)
    (folder / f"refs({scheme}).p").write_bytes(pickle.dumps(REFS, protocol=2))
    numbers = (9, 25, 30)
    content = {
        "info": {"description": "test"},
        "licenses": [],
        "images": [
            {"id": n, "file_name": f"COCO_train2014_{n:012d}.jpg", "height": SIZE[0], "width": SIZE[1]} for n in numbers
        ],
        "annotations": [
            annotation(11, 9, 1, [SQUARE]),
            annotation(12, 9, 1, PARTS),
            annotation(13, 9, 2, [SQUARE]),
            annotation(14, 9, 1, {"size": list(SIZE), "counts": CROWD_RUNS}, crowd=1),
            annotation(15, 9, 2, [[1, 1, 2, 2]]),  # two corners: nothing to fill
            annotation(21, 25, 2, [SQUARE]),
            annotation(31, 30, 1, {"size": list(SIZE), "counts": CROWD_RUNS}, crowd=1),
        ],
        "categories": [
            {"id": 1, "name": "cat", "supercategory": "animal"},
            {"id": 2, "name": "dog", "supercategory": "animal"},
        ],
    }
    (folder / "instances.json").write_text(json.dumps(content))
    place = root / "images/mscoco/images/train2014"
    if images:
        place.mkdir(parents=True)
        for n in numbers:
            Image.fromarray(np.full((*SIZE, 3), n, np.uint8)).save(place / f"COCO_train2014_{n:012d}.jpg")
    return place


def task(number: str, image: int, phrase: str, polygons: Any, name: str = "cat", kind: str = "name") -> dict[str, Any]:
    return {
        "task_id": number,
        "image_id": image,
        "ann_ids": [1],
        "instance_boxes": [[1, 1, 3, 3]] * len(polygons),
        "Polygons": polygons,
        "phrase": phrase,
        "phrase_structure": {
            "name": name,
            "attributes": [],
            "relation_ids": [],
            "relation_descriptions": [],
            "type": kind,
        },
    }


BOX = [[1, 1], [4, 1], [4, 3], [1, 3]]  # its outline counts: columns 1-4, rows 1-3
TRIANGLE = [[10.9, 10.2], [14, 10], [10, 14]]


def make_phrasecut(root: Path, split: str = "test") -> Path:
    """refer_{split}.json, image_data_split.json and two images; returns the folder."""
    folder = root / "VGPhraseCut_v0"
    (folder / "images").mkdir(parents=True)
    tasks = [
        task("71__1", 71, "cat", [[BOX]]),
        task("72__5", 72, "two cats on a mat", [[BOX, TRIANGLE], [[[20, 5], [22, 5]]]], kind="relation"),
        task("71__2", 71, "black cat", [[BOX]], kind="attribute"),
    ]
    (folder / f"refer_{split}.json").write_text(json.dumps(tasks))
    sizes = [{"image_id": n, "height": SIZE[0], "width": SIZE[1], "split": split, "url": ""} for n in (71, 72, 99)]
    (folder / "image_data_split.json").write_text(json.dumps(sizes))
    for n in (71, 72):
        Image.new("RGB", SIZE[::-1], (n, 0, 0)).save(folder / "images" / f"{n}.jpg")
    return folder
