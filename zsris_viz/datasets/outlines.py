"""Masks from the outlines that benchmarks store, each drawn by its benchmark's own rule, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from zsris_viz.errors import CorruptFileError
from zsris_viz.mask_io import decode_rle

Polygon = Sequence[Sequence[float]]
MIN_NUMBERS = 6  # of a COCO polygon: three corners; pycocotools would take four numbers for a box


def coco_mask(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    """The mask of a COCO annotation.

    Args:
        segmentation: a list of polygons [x1, y1, x2, y2, ...] (the parts of one object; their union counts), a
            run-length encoding {"size", "counts"} with text or a list of runs (crowds), or a list of such encodings.
        size: (H, W) of the image.

    Returns:
        (H, W) bool. Polygons are filled by pycocotools. Parts with fewer than three corners have no pixels.

    Raises:
        CorruptFileError: none of these, or encodings of another size.
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

        try:
            filled = coco.merge(coco.frPyObjects([[float(v) for v in part] for part in polygons], *size))
        except (TypeError, ValueError, IndexError) as error:
            raise CorruptFileError(f"A polygon {str(polygons)[:60]!r} cannot be read: {error}") from error
        mask |= coco.decode(filled).astype(bool)
    for part in parts:
        if isinstance(part, dict):
            decoded = decode_rle(part)
            if decoded.shape != tuple(size):
                raise CorruptFileError(
                    f"A run-length encoding of {decoded.shape[0]} x {decoded.shape[1]} pixels belongs to an image of "
                    f"{size[0]} x {size[1]} (height x width); fetch the annotation file again."
                )
            mask |= decoded
    return mask


def phrasecut_mask(polygons: Sequence[Polygon], size: tuple[int, int]) -> np.ndarray:
    """The union of PhraseCut polygons, filled as its authors do: whole-number corners, outline included, by Pillow.

    Args:
        polygons: lists of corners [x, y]; those with fewer than two are left out.
        size: (H, W) of the image.

    Returns:
        (H, W) bool.

    Raises:
        CorruptFileError: corners that are no pairs of numbers.
    """
    mask = np.zeros(size, dtype=bool)
    for polygon in polygons:
        if len(polygon) < 2:
            continue
        try:
            corners = [(int(x), int(y)) for x, y in polygon]
        except (TypeError, ValueError) as error:
            raise CorruptFileError(f"A polygon {str(polygon)[:60]!r} is no list of corners [x, y]: {error}") from error
        drawn = Image.new("1", (size[1], size[0]), 0)
        ImageDraw.Draw(drawn).polygon(corners, outline=1, fill=1)
        mask |= np.asarray(drawn)
    return mask


def phrasecut_polygons(mask: np.ndarray) -> list[list[list[int]]]:
    """Polygons from which :func:`phrasecut_mask` makes exactly this mask: rectangles without overlap.

    PhraseCut's rule paints corners and edges, so an outline traced around a mask would grow it and close its holes.
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
    """First and last position of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
    return [(int(start), int(end) - 1) for start, end in zip(edges[::2], edges[1::2], strict=True)]
