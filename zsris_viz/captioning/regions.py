"""Images of proposals for a captioner: the bounding box with a blurred, black or unchanged background."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image

from zsris_viz.errors import InvalidInputError
from zsris_viz.images import gaussian_blur
from zsris_viz.masks import Masks

#: "blur" and "black" are the two inputs in Table 5 of TAS; "none" does not change the background.
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
    """Return an image of each proposal, cut out at the resolution of the image.

    Args:
        image: An RGB image.
        masks: N proposals at the size of the image.
        style: Background outside the mask: "blur" for the blurred image, "black", or "none" for the unchanged image.
        square: "none" leaves the box unchanged, so that the processor of the model resizes or crops it; "pad" pads it
            with black to a square, as in TAS's code.
        margin: Share of the box's width and height that is added on every side, clipped to the image; 0 is the tight
            box.
        sigma: Standard deviation of the blur in pixels of the image; 11.6 is that of the 75 x 75 kernel of TAS.

    Returns:
        N RGB images of different sizes.

    Raises:
        InvalidInputError: The style or the padding is unknown, the margin is not between 0 and 10, sigma is not
            positive, or the masks differ from the image in size.
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
    """Check the settings of :func:`region_images`.

    Raises:
        InvalidInputError: A value is not accepted.
    """
    if style not in STYLES:
        raise InvalidInputError(f"style={style!r} is unknown for a captioner's input; use one of {', '.join(STYLES)}.")
    if square not in SQUARES:
        raise InvalidInputError(f"square={square!r} is unknown for a captioner's input; use {' or '.join(SQUARES)}.")
    if not 0 <= margin <= 10:
        raise InvalidInputError(f"margin={margin!r} was given; it is a share of the box from 0 to 10, e.g. 0.1.")
    if not (sigma > 0 and math.isfinite(sigma)):
        raise InvalidInputError(f"sigma={sigma!r} was given; the blur's sigma is a positive number of pixels.")


def _padded(cut: np.ndarray) -> np.ndarray:
    """Pad an (h, w, 3) image with black to a square, with the image in the middle."""
    height, width = cut.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(cut, ((top, side - height - top), (left, side - width - left), (0, 0)))


def _boxes(masks: Masks, margin: float) -> list[tuple[int, int, int, int]]:
    """Return the XYXY boxes with their margin; each lies inside the image and has at least one pixel."""
    height, width = masks.size
    found = []
    for left, top, right, bottom in masks.boxes.tolist():
        across, down = math.ceil(margin * (right - left)), math.ceil(margin * (bottom - top))
        left, top = min(max(left - across, 0), width - 1), min(max(top - down, 0), height - 1)
        found.append((left, top, max(min(right + across, width), left + 1), max(min(bottom + down, height), top + 1)))
    return found
