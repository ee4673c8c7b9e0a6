"""The visible share of each object of a layout."""

from __future__ import annotations

import numpy as np

from zsris_viz.miniature.world.layout import SceneLayout, SceneObject
from zsris_viz.miniature.world.sprites import sprite_of


def visible_shares(layout: SceneLayout, side: int = 112) -> np.ndarray:
    """Return the visible share of every object.

    Args:
        layout: The scene.
        side: Side of the grid on which pixels are counted; fixed, so that the expressions do not depend on the size of
            the image.

    Returns:
        (N,) float, 0 (hidden) to 1.
    """
    boxes = [_box(item) for item in layout.objects]
    shares = np.ones(len(boxes))
    for index, item in enumerate(layout.objects):
        hiding = [later for later in range(index + 1, len(boxes)) if _meet(boxes[index], boxes[later])]
        if not hiding:
            continue
        visible = np.zeros((side, side), dtype=bool)
        _stamp(visible, item, True)
        whole = int(visible.sum())
        for later in hiding:
            _stamp(visible, layout.objects[later], False)
        shares[index] = int(visible.sum()) / max(1, whole)
    return shares


def _box(item: SceneObject) -> tuple[float, float, float, float]:
    half = item.extent / 2
    return item.centre[0] - half, item.centre[1] - half, item.centre[0] + half, item.centre[1] + half


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _stamp(grid: np.ndarray, item: SceneObject, value: bool) -> None:
    """Set the pixels of an object, placed as :func:`.render.render` places it."""
    side = len(grid)
    shape = sprite_of(item, round(item.extent * side))[1][..., 0] > 0.5
    height, width = shape.shape
    top = min(max(round(item.centre[1] * side - height / 2), 0), side - height)
    left = min(max(round(item.centre[0] * side - width / 2), 0), side - width)
    grid[top : top + height, left : left + width][shape] = value
