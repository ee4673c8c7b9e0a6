"""What a captioner sees of a proposal: its box, with the background blurred, black, or left as it is."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image

from zsris_viz.errors import InvalidInputError
from zsris_viz.images import gaussian_blur
from zsris_viz.masks import Masks

#: "blur" and "black" are the two inputs of TAS's Table 5; "none" is the plain box.
STYLES = ("blur", "black", "none")
SQUARES = ("none", "pad")
SIGMA = 11.6


def region_images(
    image: Image.Image,
    masks: Masks,
    style: str = "blur",
    *,
    square: str = "none",
    margin: float = 0.0,
    sigma: float = SIGMA,
) -> list[Image.Image]:
    """One picture of each proposal, cut out at the image's own resolution.

    Args:
        image: RGB. masks: N proposals of the image's size.
        style: what lies outside the mask: "blur" (the image itself, blurred), "black", or "none" (as it is).
        square: "none" leaves the box as it is, for the model's own processor to squash or to crop; "pad" pads it with
            black to a square first, as TAS's code does.
        margin: how much of the box's width and height is added on every side, clipped to the image; 0 is the tight
            box.
        sigma: standard deviation of the blur in pixels of the image; 11.6 is that of TAS's 75 x 75 kernel.

    Returns:
        N RGB images, each of its own size; one pixel for an empty mask.

    Raises:
        InvalidInputError: an unknown style or square, a margin outside 0 to 10, a sigma that is not positive, or
            masks of another size than the image.
    """
    check_style(style, square, margin, sigma)
    masks.validate(image)
    pixels = np.asarray(image)
    ground = pixels
    if style == "black":
        ground = np.zeros_like(pixels)
    elif style == "blur" and len(masks):
        ground = gaussian_blur(torch.from_numpy(pixels.copy()).permute(2, 0, 1), sigma).permute(1, 2, 0).numpy()
    found = []
    for mask, (left, top, right, bottom) in zip(masks.data.cpu().numpy(), _boxes(masks, margin), strict=True):
        box = slice(top, bottom), slice(left, right)
        cut = np.where(mask[box][..., None], pixels[box], ground[box]) if style != "none" else pixels[box]
        found.append(Image.fromarray(np.ascontiguousarray(_padded(cut) if square == "pad" else cut)))
    return found


def check_style(style: str, square: str, margin: float, sigma: float) -> None:
    """Refuse an input style that is none. Raises InvalidInputError."""
    if style not in STYLES:
        raise InvalidInputError(f"style={style!r} is unknown for a captioner's input; use one of {', '.join(STYLES)}.")
    if square not in SQUARES:
        raise InvalidInputError(f"square={square!r} is unknown for a captioner's input; use {' or '.join(SQUARES)}.")
    if not 0 <= margin <= 10:
        raise InvalidInputError(f"margin={margin!r} was given; it is a share of the box from 0 to 10, e.g. 0.1.")
    if not (sigma > 0 and math.isfinite(sigma)):
        raise InvalidInputError(f"sigma={sigma!r} was given; the blur's sigma is a positive number of pixels.")


def _padded(cut: np.ndarray) -> np.ndarray:
    """(h, w, 3) in the middle of a black square."""
    height, width = cut.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(cut, ((top, side - height - top), (left, side - width - left), (0, 0)))


def _boxes(masks: Masks, margin: float) -> list[tuple[int, int, int, int]]:
    """XYXY boxes with their margin, inside the image, at least one pixel."""
    height, width = masks.size
    found = []
    for left, top, right, bottom in masks.boxes.tolist():
        across, down = math.ceil(margin * (right - left)), math.ceil(margin * (bottom - top))
        left, top = min(max(left - across, 0), width - 1), min(max(top - down, 0), height - 1)
        found.append((left, top, max(min(right + across, width), left + 1), max(min(bottom + down, height), top + 1)))
    return found
