"""Proposals at a bounded working size, which limits the time and memory for large images."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from zsris_viz.errors import InvalidInputError
from zsris_viz.images import ImageSource, open_image
from zsris_viz.mask_arrays import FLOAT_PIXELS
from zsris_viz.masks import Masks
from zsris_viz.proposals.base import WORKING_SIDE, Proposer

Proposals = Proposer | Masks | np.ndarray | torch.Tensor | Sequence[np.ndarray]


def propose_at_working_size(
    image: ImageSource, proposals: Proposals, *, max_side: int | None = WORKING_SIDE
) -> tuple[Image.Image, Masks]:
    """Return an image at its working size and the proposals of that size.

    All later steps should use these two, and enlarge only the chosen mask (:func:`enlarge`): 80 masks of a
    12-megapixel photograph take 960 MB, but 60 MB at the working size.

    Args:
        image: Anything that :func:`zsris_viz.images.open_image` accepts.
        proposals: A Proposer, or masks of the image's size: Masks, an (N, H, W) array or tensor, or a list of (H, W)
            arrays. With masks, and with a source that depends on samples (ground truth, precomputed files), the image
            keeps its size.
        max_side: The longest side in pixels, at least 16; None keeps the size of every image.

    Returns:
        The RGB image, with its longest side at most `max_side`, and masks of its size.

    Raises:
        InvalidInputError: The masks differ in size from the image, or `max_side` is below 16.
        InvalidTypeError: The proposals have another type.

    Example:
        >>> from zsris_viz.proposals import load_proposals
        >>> photograph = Image.new("RGB", (4000, 3000))
        >>> working, masks = propose_at_working_size(photograph, load_proposals("felzenszwalb"))
        >>> working.size, masks.size
        ((1024, 768), (768, 1024))
    """
    if max_side is not None and max_side < 16:
        raise InvalidInputError(f"max_side={max_side} was given; 16 or more pixels, or None, is accepted.")
    picture = open_image(image)
    if isinstance(proposals, Proposer):
        if proposals.knows_samples:  # a file of proposals may list the image under its file name
            named = isinstance(image, (str, os.PathLike))
            return picture, proposals.propose(image if named else picture)
        working = picture if max_side is None else shrink(picture, max_side, Image.Resampling.LANCZOS)
        return working, proposals.propose(working)
    masks = proposals if isinstance(proposals, Masks) else Masks.from_arrays(proposals, size=picture.size[::-1])
    return picture, masks.validate(picture)


def shrink(image: Image.Image, side: int, resampling: Image.Resampling = Image.Resampling.BILINEAR) -> Image.Image:
    """Return the image with its longest side at most `side`; a smaller image is returned unchanged."""
    longest = max(image.size)
    if longest <= side:
        return image
    return image.resize([max(1, round(length * side / longest)) for length in image.size], resampling)


def enlarge(masks: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resize (N, h, w) bool masks to (N, height, width) with smooth outlines: bilinearly, thresholded at 0.5."""
    if masks.shape[1:] == (height, width):
        return masks
    large = torch.empty((len(masks), height, width), dtype=torch.bool, device=masks.device)
    step = max(1, FLOAT_PIXELS // (height * width))
    for part, small in zip(large.split(step), masks[:, None].split(step), strict=True):
        part[:] = F.interpolate(small.float(), size=(height, width), mode="bilinear")[:, 0] > 0.5
    return large
