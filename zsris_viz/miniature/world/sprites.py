"""One picture per noun, colour, clothes and variant, drawn once and kept."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from zsris_viz.errors import InvalidInputError
from zsris_viz.miniature.world import sprites_living as figures_living
from zsris_viz.miniature.world import sprites_things as figures_things
from zsris_viz.miniature.world.layout import SceneObject
from zsris_viz.miniature.world.rasterizer import Canvas, shade
from zsris_viz.miniature.world.words import COLOURS, NOUNS

#: Tones of one colour: how much lighter or darker each variant is.
TONES = (1.0, 0.88, 1.1, 0.95)


@lru_cache(maxsize=2048)
def sprite(noun: str, colour: str, clothes: str | None, variant: int, flipped: bool) -> Image.Image:
    """Return the picture of one thing on a transparent ground.

    Returns:
        RGBA image, longest side 128 pixels, cut close to what is drawn.

    Raises:
        InvalidInputError: The noun or the colour is not of this world.
    """
    if noun not in NOUNS or colour not in COLOURS:
        raise InvalidInputError(
            f"no sprite for a {colour!r} {noun!r}; nouns are {', '.join(NOUNS)}; colours are {', '.join(COLOURS)}"
        )
    drawer = getattr(figures_living, noun, None) or getattr(figures_things, noun)
    canvas = Canvas()
    drawer(canvas, shade(COLOURS[colour], TONES[variant]), variant, clothes)
    image = canvas.sprite()
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flipped else image


@lru_cache(maxsize=8192)
def sized_sprite(
    noun: str, colour: str, clothes: str | None, variant: int, flipped: bool, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sprite at the size in which it is painted.

    Returns:
        Colours float32 (h, w, 3) in 0-255 and opacity float32 (h, w, 1) in 0-1, the longer side being `side` pixels.
    """
    image = sprite(noun, colour, clothes, variant, flipped)
    factor = side / max(image.size)
    scaled = image.resize(
        (max(1, round(image.width * factor)), max(1, round(image.height * factor))), Image.Resampling.BILINEAR
    )
    pixels = np.asarray(scaled, dtype=np.float32)
    return pixels[..., :3], pixels[..., 3:] / 255


def sprite_of(item: SceneObject, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sized sprite of an object; see :func:`sized_sprite`."""
    return sized_sprite(item.noun, item.colour, item.clothes, item.variant, item.flipped, max(4, side))
