"""Conversion between masks and the polygons of the benchmarks, each drawn by the rule of its benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from zsris_viz.errors import CorruptFileError, ZsrisError
from zsris_viz.mask_io import decode_rle

Polygon = Sequence[Sequence[float]]
MAX_DISTANCE = 2  # of a coordinate from the image centre, in units of the longer side
MAX_OUTLINE = 1000  # length of a polygon's outline, in units of the longer side of the image
MIN_NUMBERS = 6  # in a COCO polygon: three corners; pycocotools reads four numbers as a box


def coco_mask(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    """Draw the mask of a COCO annotation.

    Args:
        segmentation: A list of polygons [x1, y1, x2, y2, ...] (the parts of one object, which are united), a run-length
            encoding {"size", "counts"} with compressed text or a list of runs (crowds), or a list of such encodings.
        size: (H, W) of the image.

    Returns:
        (H, W) bool. Polygons are filled by pycocotools. Parts with fewer than three corners have no pixels.

    Raises:
        CorruptFileError: The segmentation has another form, coordinates that are not numbers or lie far outside the
            image, or an encoding of another size.
    """
    parts = [segmentation] if isinstance(segmentation, dict) else segmentation
    if not isinstance(parts, list) or not all(isinstance(part, (list, dict)) for part in parts):
        raise CorruptFileError(
            f"A segmentation {str(segmentation)[:60]!r} is neither polygons nor a run-length encoding; "
            "fetch the annotation file again."
        )
    mask = np.zeros(size, dtype=bool)
    polygons = [part for part in parts if isinstance(part, list) and len(part) >= MIN_NUMBERS]
    if polygons:
        from pycocotools import mask as coco

        checked = [_corners(part, size).ravel().tolist() for part in polygons]
        mask |= coco.decode(coco.merge(coco.frPyObjects(checked, *size))).astype(bool)
    for part in parts:
        if isinstance(part, dict):
            mask |= _decoded(part, size)
    return mask


def _decoded(rle: Any, size: tuple[int, int]) -> np.ndarray:
    """Decode a run-length encoding of an image of a known size."""
    try:
        decoded = decode_rle(rle)
    except ZsrisError as error:
        raise CorruptFileError(str(error)) from error
    if decoded.shape != tuple(size):
        raise CorruptFileError(
            f"A run-length encoding of {decoded.shape[0]} x {decoded.shape[1]} pixels belongs to an image of "
            f"{size[0]} x {size[1]} (height x width); fetch the annotation file again."
        )
    return decoded


def _corners(polygon: Any, size: tuple[int, int]) -> np.ndarray:
    """Return the corners of a polygon as (N, 2) float64, after checking that drawing them is safe and quick.

    The drawing code of pycocotools and Pillow is written in C and trusts its input: a coordinate that is not a
    number crashes the process, and one far outside the image makes drawing slow.
    """
    shown = f"A polygon {str(polygon)[:60]!r}"
    try:
        corners = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError) as error:
        raise CorruptFileError(
            f"{shown} is not a list of corners x, y: {error}. Fetch the annotation file again."
        ) from error
    side = max(size)
    if not np.isfinite(corners).all() or np.abs(corners - side / 2).max() > MAX_DISTANCE * side:
        raise CorruptFileError(
            f"{shown} has coordinates that are not numbers or far outside the image of {size[1]} x {size[0]} pixels; "
            "fetch the annotation file again."
        )
    if np.abs(np.diff(corners, axis=0)).sum() > MAX_OUTLINE * side:
        raise CorruptFileError(f"{shown} goes around the image too often; fetch the annotation file again.")
    return corners


def phrasecut_mask(polygons: Sequence[Polygon], size: tuple[int, int]) -> np.ndarray:
    """Draw the union of PhraseCut polygons as its authors do: with Pillow, integer corners and the outline included.

    Args:
        polygons: Lists of corners [x, y]; those with fewer than two are left out.
        size: (H, W) of the image.

    Returns:
        (H, W) bool.

    Raises:
        CorruptFileError: Corners are not pairs of numbers, or lie far outside the image.
    """
    if not isinstance(polygons, list) or not all(isinstance(polygon, list) for polygon in polygons):
        raise CorruptFileError(f"{str(polygons)[:60]!r} is not a list of polygons; fetch the annotation file again.")
    mask = np.zeros(size, dtype=bool)
    for polygon in polygons:
        if len(polygon) < 2:
            continue
        if not all(isinstance(corner, (list, tuple)) and len(corner) == 2 for corner in polygon):
            raise CorruptFileError(f"A polygon {str(polygon)[:60]!r} is not a list of corners [x, y].")
        corners = [(int(x), int(y)) for x, y in _corners(polygon, size)]
        drawn = Image.new("1", (size[1], size[0]), 0)
        ImageDraw.Draw(drawn).polygon(corners, outline=1, fill=1)
        mask |= np.asarray(drawn)
    return mask


def phrasecut_polygons(mask: np.ndarray) -> list[list[list[int]]]:
    """Return polygons from which `phrasecut_mask` draws exactly this mask: rectangles without overlap.

    PhraseCut's rule fills corners and edges, so a traced outline would enlarge the mask and close its holes.
    Rectangles are exact: each run of pixels in a row, joined with equal runs in the rows below.

    Args:
        mask: (H, W) bool.

    Returns:
        Polygons of four corners [x, y]; an empty mask has none.
    """
    done: list[list[list[int]]] = []
    open_runs: dict[tuple[int, int], int] = {}  # (first, last) column -> row where the rectangle starts
    for row in range(len(mask) + 1):
        runs = set(_runs(mask[row])) if row < len(mask) else set()
        for run in [run for run in open_runs if run not in runs]:
            left, right, top, bottom = *run, open_runs.pop(run), row - 1
            done.append([[left, top], [right, top], [right, bottom], [left, bottom]])
        for run in runs:
            open_runs.setdefault(run, row)
    return sorted(done, key=lambda corners: (corners[0][1], corners[0][0]))


def _runs(line: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and the last position of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
    return [(int(start), int(end) - 1) for start, end in zip(edges[::2], edges[1::2], strict=True)]
