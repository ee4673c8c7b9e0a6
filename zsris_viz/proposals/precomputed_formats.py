"""The forms in which proposals come in files, read into one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zsris_viz.errors import CorruptFileError, InvalidInputError

FORMS = (
    'a list of {"image_id", "segmentation", "score"} (COCO results), {"images": [...], "annotations": [...]} (COCO), '
    'or {"format": "zsris-proposals", "version": 1, "images": {...}}'
)


@dataclass
class PrecomputedImage:
    """What a file says of one image.

    Attributes:
        masks: run-length encodings as they stand in the file.
        scores: one for each, or None.
        size: (H, W), if the file says it. file_name: of the image. content: its `image_fingerprint`.
    """

    masks: list[dict[str, Any]] = field(default_factory=list)
    scores: list[float] | None = None
    size: tuple[int, int] | None = None
    file_name: str | None = None
    content: str | None = None


def read_entries(content: Any, path: Path) -> tuple[dict[str, PrecomputedImage], dict[str, Any]]:
    """Image id -> entry, and what the file tells of its making.

    Raises:
        InvalidInputError: another form or an unknown version.
        CorruptFileError: the right form with parts missing.
    """
    try:
        if isinstance(content, list):
            return _results(content, {}), {}
        if isinstance(content, dict) and "format" in content:
            return _own(content, path), content
        if isinstance(content, dict) and isinstance(content.get("annotations"), list):
            return _results(content["annotations"], _images(content.get("images", []))), dict(content.get("info") or {})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise CorruptFileError(
            f"{path} cannot be read as proposals ({type(error).__name__}: {error}); {FORMS} is accepted."
        ) from error
    raise InvalidInputError(f"{path} holds no proposals: {FORMS} is accepted.")


def _own(content: dict[str, Any], path: Path) -> dict[str, PrecomputedImage]:
    """This package's form."""
    told = f"{content['format']!r}, version {content.get('version')!r}"
    if content["format"] != "zsris-proposals" or content.get("version") != 1:
        raise InvalidInputError(
            f"{path} says that its format is {told}; this zsris_viz reads 'zsris-proposals', version 1. "
            "Use the zsris_viz that wrote it, or make the file again with save_proposals(...)."
        )
    entries = {}
    for image_id, one in content["images"].items():
        height, width = one["size"]
        scores = one.get("scores")
        entry = PrecomputedImage(
            list(one["masks"]), scores, (int(height), int(width)), one.get("file_name"), one.get("sha256")
        )
        _check_scores(entry, image_id)
        entries[str(image_id)] = entry
    return entries


def _images(rows: list[dict[str, Any]]) -> dict[str, PrecomputedImage]:
    """The images of a COCO file, without masks yet."""
    entries = {}
    for row in rows:
        size = (int(row["height"]), int(row["width"])) if "height" in row and "width" in row else None
        entries[str(row["id"])] = PrecomputedImage(size=size, file_name=row.get("file_name"))
    return entries


def _results(rows: list[dict[str, Any]], entries: dict[str, PrecomputedImage]) -> dict[str, PrecomputedImage]:
    """Rows of COCO results, sorted into the images."""
    scored: dict[str, list[float | None]] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or "image_id" not in row or "segmentation" not in row:
            raise InvalidInputError(
                f"Proposal {number} is {str(row)[:80]!r}; a dict with 'image_id' and 'segmentation' is needed."
            )
        rle = row["segmentation"]
        if not isinstance(rle, dict):
            raise InvalidInputError(
                f"The segmentation of proposal {number} is a {type(rle).__name__}, such as COCO's polygons are; "
                "run-length encodings are needed: pycocotools.mask.frPyObjects(polygons, height, width), then merge."
            )
        image_id = str(row["image_id"])
        entries.setdefault(image_id, PrecomputedImage()).masks.append(rle)
        score = row.get("score")
        scored.setdefault(image_id, []).append(None if score is None else float(score))
    for image_id, scores in scored.items():
        known = [score for score in scores if score is not None]
        entries[image_id].scores = known if len(known) == len(scores) else None
        if known and len(known) != len(scores):
            raise InvalidInputError(
                f"Of the proposals of image {image_id!r} only some have a 'score'; all or none may."
            )
    return entries


def _check_scores(entry: PrecomputedImage, image_id: str) -> None:
    if entry.scores is not None and len(entry.scores) != len(entry.masks):
        raise InvalidInputError(f"Image {image_id!r} has {len(entry.masks)} masks and {len(entry.scores)} scores.")
