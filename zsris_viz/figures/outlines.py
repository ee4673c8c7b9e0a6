"""Outlines of masks as polygons, and the position of a label inside a mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from zsris_viz.errors import InvalidInputError

Points = np.ndarray

OUTLINE_SIDE, LABEL_SIDE = 1024, 256  # pixels; masks with longer sides are subsampled, which limits the time
TOLERANCE = 0.4  # pixels of the subsampled mask by which a simplified outline may differ from the exact one


def as_mask(mask: Any) -> np.ndarray:
    """Return an array or tensor as an (H, W) bool array.

    Raises:
        InvalidInputError: It has another shape.
    """
    inside = np.asarray(mask.cpu() if hasattr(mask, "cpu") else mask)
    if inside.ndim != 2:
        raise InvalidInputError(f"a mask of shape {inside.shape} was given; (H, W) is accepted.")
    return inside.astype(bool)


def mask_outlines(mask: Any) -> list[Points]:
    """Return the closed outlines of a mask, holes included, in pixels of the image.

    Args:
        mask: (H, W) bool array or tensor.

    Returns:
        (n, 2) float arrays of x and y, where a pixel covers the square from its number to the next.
    """
    from skimage.measure import find_contours

    inside = as_mask(mask)
    if not inside.any():
        return []
    step = max(1, -(-max(inside.shape) // OUTLINE_SIDE))
    thin = inside[::step, ::step] if step > 1 else inside
    if not thin.any():
        return []
    rows, columns = np.nonzero(thin.any(axis=1))[0], np.nonzero(thin.any(axis=0))[0]
    top, left = rows[0], columns[0]
    part = np.pad(thin[top : rows[-1] + 1, left : columns[-1] + 1], 1).astype(np.float32)
    outlines = []
    for contour in find_contours(part, 0.5):
        line = simplify(contour, TOLERANCE) if len(contour) > 8 else contour
        points = (line[:, ::-1] + (left - 0.5, top - 0.5)) * step
        outlines.append(points.clip(0, (inside.shape[1], inside.shape[0])))
    return outlines


def simplify(points: Points, tolerance: float) -> Points:
    """Leave out the points of a line that lie close to the simplified line (Douglas and Peucker, 1973).

    `skimage.measure.approximate_polygon` does the same, but its import loads scipy's signal processing, which takes
    half a second.

    Args:
        points: (n, 2) float array.
        tolerance: The largest distance of a point that is left out from the simplified line.

    Returns:
        (m, 2) float array, whose first and last points are those of `points`.
    """
    kept = np.zeros(len(points), dtype=bool)
    kept[[0, -1]] = True
    parts = [(0, len(points) - 1)]
    while parts:
        start, end = parts.pop()
        if end - start < 2:
            continue
        chord, inner = points[end] - points[start], points[start + 1 : end] - points[start]
        share = (inner @ chord / max(chord @ chord, 1e-12)).clip(0, 1)
        distance = np.linalg.norm(inner - share[:, None] * chord, axis=1)
        farthest = int(distance.argmax())
        if distance[farthest] > tolerance:
            middle = start + 1 + farthest
            kept[middle] = True
            parts += [(start, middle), (middle, end)]
    return points[kept]


def label_place(mask: Any) -> tuple[float, float]:
    """Return x and y of the pixel that lies deepest inside a mask, where a label covers least of its surroundings."""
    from scipy.ndimage import distance_transform_edt

    inside = as_mask(mask)
    step = max(1, -(-max(inside.shape) // LABEL_SIDE))
    thin = np.pad(inside[::step, ::step], 1)
    if not thin.any():
        rows, columns = np.nonzero(inside)
        return (float(columns.mean()), float(rows.mean())) if len(rows) else (0.0, 0.0)
    row, column = np.unravel_index(int(distance_transform_edt(thin).argmax()), thin.shape)
    return float((column - 1) * step + 0.5), float((row - 1) * step + 0.5)


def svg_path(mask: Any) -> str:
    """Return the outlines of a mask as the `d` of an SVG path, in pixels of the image; filled by the even-odd rule."""
    parts = []
    for points in mask_outlines(mask):
        pairs = [f"{x:.1f} {y:.1f}".replace(".0 ", " ").removesuffix(".0") for x, y in points[:-1]]
        parts.append(f"M{'L'.join(pairs)}Z")
    return "".join(parts)
