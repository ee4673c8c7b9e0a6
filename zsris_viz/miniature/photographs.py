"""A warning for built-in models on photographs: they were trained on drawn scenes only."""

from __future__ import annotations

import warnings

import numpy as np
from PIL import Image

from zsris_viz.errors import ZsrisWarning

FLAT_SHARE = 0.005  # least share of three equal pixels in a row in a drawn scene of 128 pixels or more
SMALL = 128  # side in pixels below which flat areas are too small to count


def is_drawn(image: Image.Image) -> bool:
    """Return whether an RGB image can be a scene of the built-in world.

    Drawn scenes are square and have flat areas, in which neighbouring pixels are equal. A square photograph with flat
    areas, for example a burnt-out sky, is taken for a drawing.

    Example:
        >>> is_drawn(Image.new("RGB", (112, 112), "red")), is_drawn(Image.new("RGB", (640, 480), "red"))
        (True, False)
    """
    if image.width != image.height:
        return False
    if image.width < SMALL:
        return True
    pixels = np.asarray(image)
    equal = (pixels[:, 1:] == pixels[:, :-1]).all(axis=-1)
    return bool((equal[:, 1:] & equal[:, :-1]).mean() >= FLAT_SHARE)


def warn_of_photograph(image: Image.Image, what: str, instead: str, *, stacklevel: int = 3) -> None:
    """Warn if a built-in model gets an image that is no drawn scene.

    Args:
        image: RGB, before it is cut or resized.
        what: The model, such as "the miniature captioner".
        instead: What to use for photographs, such as "captioner='git-base'".
        stacklevel: As of `warnings.warn`, seen from here.
    """
    if not is_drawn(image):
        warnings.warn(
            f"{what} was trained on drawn scenes only; its results on a photograph are meaningless. For photographs "
            f"use {instead}.",
            ZsrisWarning,
            stacklevel=stacklevel,
        )
