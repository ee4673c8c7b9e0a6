"""Conversion of the file formats of proposals to one form; unusable entries are recorded and skipped."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zsris_viz.errors import CorruptFileError, InvalidInputError, ZsrisError
from zsris_viz.mask_io import check_rle

FORMS = (
    'a list of {"image_id", "segmentation", "score"} (COCO results), {"images": [...], "annotations": [...]} (COCO), '
    'a list of {"image_id", "instances": [as COCO results]} (detectron2), '
    'or {"format": "zsris-proposals", "version": 1, "images": {...}}'
)


@dataclass
class PrecomputedImage:
    """The proposals of one image in a file.

    Attributes:
        masks: Run-length encodings as in the file.
        scores: One score for each mask, or None.
        size: Height and width of the image in pixels, if the file gives them.
        file_name: File name of the image, if the file gives it.
        content: The `image_fingerprint` of the image, if the file gives it.
    """

    masks: list[dict[str, Any]] = field(default_factory=list)
    scores: list[float] | None = None
    size: tuple[int, int] | None = None
    file_name: str | None = None
    content: str | None = None


@dataclass
class PrecomputedFile:
    """The content of a file of proposals.

    Attributes:
        images: Image id -> its proposals.
        source: The model that made them, according to the file, or None.
        problems: One sentence for each entry that was left out.
        found: Number of entries in the file, usable or not.
    """

    images: dict[str, PrecomputedImage] = field(default_factory=dict)
    source: str | None = None
    problems: list[str] = field(default_factory=list)
    found: int = 0


def read_entries(content: Any, path: Path) -> PrecomputedFile:
    """Read the content of a JSON or detectron2 file.

    Raises:
        InvalidInputError: The format or its version is unknown, or only some proposals of an image have a score.
        CorruptFileError: No entry of the file can be used.
    """
    result = PrecomputedFile()
    if isinstance(content, list):
        _add_rows(_flattened(content, result), result)
    elif isinstance(content, dict) and "format" in content:
        _add_own(content, path, result)
    elif isinstance(content, dict) and isinstance(content.get("annotations"), list):
        info = content.get("info")
        result.source = info.get("source") if isinstance(info, dict) else None
        images = content.get("images", [])
        for number, row in enumerate(images if isinstance(images, list) else []):
            _add_image(number, row, result)
        _add_rows(content["annotations"], result)
    else:
        raise InvalidInputError(f"{path} holds no proposals: {FORMS} is accepted.")
    if result.found and len(result.problems) >= result.found:
        raise CorruptFileError(
            f"No entry of {path} can be used, the first since {result.problems[0]} {FORMS} is accepted."
        )
    return result


def _flattened(rows: list[Any], result: PrecomputedFile) -> list[Any]:
    """Return detectron2's single entry for each image as COCO results; other rows are not changed."""
    flat: list[Any] = []
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("instances"), list) and "image_id" in row:
            result.images.setdefault(str(row["image_id"]), PrecomputedImage())
            for instance in row["instances"]:
                known = isinstance(instance, dict)
                flat.append({"image_id": row["image_id"], **instance} if known else instance)
        else:
            flat.append(row)
    return flat


def _add_own(content: dict[str, Any], path: Path, result: PrecomputedFile) -> None:
    """Read the format that `save_proposals` writes."""
    if content["format"] != "zsris-proposals" or content.get("version") != 1:
        raise InvalidInputError(
            f"{path} has the format {content['format']!r}, version {content.get('version')!r}; this zsris_viz reads "
            "'zsris-proposals', version 1. Use the zsris_viz that wrote it, or write the file again with "
            "save_proposals(...)."
        )
    images = content.get("images")
    if not isinstance(images, dict):
        raise CorruptFileError(f"{path} has no 'images'; write it again with save_proposals(...).")
    source = content.get("source")
    result.source = source if isinstance(source, str) and source else None
    for image_id, entry in images.items():
        result.found += 1
        try:
            result.images[str(image_id)] = _own_image(entry)
        except ZsrisError as error:
            result.problems.append(f"image {image_id!r}: {error}")


def _own_image(entry: Any) -> PrecomputedImage:
    if not isinstance(entry, dict) or not isinstance(entry.get("masks"), list):
        raise InvalidInputError(f"{str(entry)[:60]!r} is not a dict with 'size' and a list 'masks'.")
    size = _size(entry.get("size"))
    for mask in entry["masks"]:
        check_rle(mask)
    scores = entry.get("scores")
    if scores is not None:
        if not isinstance(scores, list) or len(scores) != len(entry["masks"]):
            raise InvalidInputError(f"{len(entry['masks'])} masks need a list of as many scores, or null.")
        scores = [_score(score) for score in scores]
    name, content = entry.get("file_name"), entry.get("sha256")
    return PrecomputedImage(
        list(entry["masks"]),
        scores,
        size,
        name if isinstance(name, str) else None,
        content if isinstance(content, str) else None,
    )


def _add_image(number: int, row: Any, result: PrecomputedFile) -> None:
    """Add an image of a COCO file, without masks yet."""
    result.found += 1
    if not isinstance(row, dict) or not isinstance(row.get("id"), (int, str)):
        result.problems.append(f"image {number} is {str(row)[:60]!r}, not a dict with an 'id'.")
        return
    entry = PrecomputedImage(file_name=row["file_name"] if isinstance(row.get("file_name"), str) else None)
    try:
        entry.size = _size([row["height"], row["width"]]) if "height" in row and "width" in row else None
    except ZsrisError as error:
        result.problems.append(f"image {row['id']!r}: {error}")
    result.images[str(row["id"])] = entry


def _add_rows(rows: list[Any], result: PrecomputedFile) -> None:
    """Add rows of COCO results to their images."""
    scored: dict[str, list[float | None]] = {}
    for number, row in enumerate(rows):
        result.found += 1
        try:
            image_id, score = _checked_row(row)
        except ZsrisError as error:
            result.problems.append(f"proposal {number}: {error}")
            continue
        result.images.setdefault(image_id, PrecomputedImage()).masks.append(row["segmentation"])
        scored.setdefault(image_id, []).append(score)
    for image_id, scores in scored.items():
        known = [score for score in scores if score is not None]
        result.images[image_id].scores = known if len(known) == len(scores) else None
        if known and len(known) != len(scores):
            raise InvalidInputError(
                f"Of the proposals of image {image_id!r} only some have a 'score'; all or none may."
            )


def _checked_row(row: Any) -> tuple[str, float | None]:
    """Return the image id and the score of a row of COCO results."""
    if not isinstance(row, dict) or "segmentation" not in row or not isinstance(row.get("image_id"), (int, str)):
        raise InvalidInputError(f"{str(row)[:80]!r} is not a dict with 'image_id' and 'segmentation'.")
    if not isinstance(row["segmentation"], dict):
        raise InvalidInputError(
            f"the segmentation is a {type(row['segmentation']).__name__}, such as COCO's polygons are; run-length "
            "encodings are needed: pycocotools.mask.frPyObjects(polygons, height, width), then merge."
        )
    check_rle(row["segmentation"])
    return str(row["image_id"]), _score(row["score"]) if "score" in row else None


def _score(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidInputError(f"the score {str(value)[:40]!r} is not a finite number.")
    return float(value)


def _size(value: Any) -> tuple[int, int]:
    whole = isinstance(value, list) and len(value) == 2
    if not whole or not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in value):
        raise InvalidInputError(f"the size {str(value)[:40]!r} is not [height, width] in pixels.")
    return value[0], value[1]
