"""Rendering of a layout to an image and the mask of every object."""

from __future__ import annotations

import numpy as np
from PIL import Image

from zsris_viz.errors import InvalidInputError
from zsris_viz.miniature.world.backgrounds import background
from zsris_viz.miniature.world.layout import SceneLayout
from zsris_viz.miniature.world.sprites import sprite_of

#: Smallest side at which the objects can still be told apart.
MIN_SIDE = 16


def render_arrays(layout: SceneLayout, side: int = 224) -> tuple[np.ndarray, np.ndarray]:
    """Paint a layout.

    Args:
        layout: Objects and their places.
        side: Height and width of the picture in pixels, at least 16.

    Returns:
        Picture (side, side, 3) uint8 RGB, and masks (N, side, side) bool of what is visible of each object, in the
        order of `layout.objects`. A pixel belongs to the object that covers more than half of it.

    Raises:
        InvalidInputError: `side` is below 16.
    """
    if side < MIN_SIDE:
        raise InvalidInputError(
            f"a scene of {side} pixels was given; the smallest has {MIN_SIDE}, and usual sizes are 112 and 224"
        )
    canvas = background(layout.background, side)
    owner = np.full((side, side), -1, dtype=np.int16)
    for index, item in enumerate(layout.objects):
        colours, opacity = sprite_of(item, round(item.extent * side))
        height, width = opacity.shape[:2]
        top = min(max(round(item.centre[1] * side - height / 2), 0), side - height)
        left = min(max(round(item.centre[0] * side - width / 2), 0), side - width)
        patch = canvas[top : top + height, left : left + width]
        patch += (colours - patch) * opacity
        owner[top : top + height, left : left + width][opacity[..., 0] > 0.5] = index
    masks = owner[None] == np.arange(len(layout.objects), dtype=np.int16)[:, None, None]
    return np.clip(canvas, 0, 255).astype(np.uint8), masks


DRAWN = "drawn scene"  # in `info` of an image: the miniature models know such images, and no others


def render(layout: SceneLayout, side: int = 224) -> tuple[Image.Image, np.ndarray]:
    """Return the result of :func:`render_arrays`, with an RGB image whose `info` marks it as drawn."""
    picture, masks = render_arrays(layout, side)
    image = Image.fromarray(picture)
    image.info["source"] = DRAWN
    return image, masks
