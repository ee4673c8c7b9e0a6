"""Crops of an image around its proposals: box rules, backgrounds, squares, and the two ways of resizing.

A :class:`CropVariant` defines everything about a crop except the normalisation of colours and the interpolation, which
belong to the :class:`~zsris_viz.models.preprocessing.Preprocess`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from zsris_viz.images import gaussian_blur
from zsris_viz.masks import Masks
from zsris_viz.methods.settings import settings
from zsris_viz.models.preprocessing import CLIP_MEAN, IMAGENET_MEAN, Preprocess


@settings
class CropVariant:
    """Settings of the crop of a proposal.

    Attributes:
        fill: Replacement of the background: "black"; "mean" (CLIP's mean colour, which is 0 after normalisation);
            "imagenet-mean"; "blur" (the image itself, blurred by `sigma`); "none" (the background does not change).
        square: "squash" resizes the box to the square input; "pad" pads it to a square first, with the fill colour, or
            with black if `fill` is "blur" or "none".
        box: "tight", the mask's bounding box; "freesolo", the rule of GL-CLIP's mask generator
            (:func:`freesolo_boxes`); "sam", the bounding box without its last column and row, as Segment
            Anything returns it; "image", the whole image.
        sigma: Standard deviation of the blur in pixels of the image. OpenCV derives 11.6 from the 75 x 75
            kernel of TAS, and 2.6 from the 15 x 15 kernel of HybridGL.
        pipeline: "pixels" fills 8-bit pixels, resizes the crop, and then normalises it. "normalised" normalises the
            image first and fills it with the values of the fill colour without normalising them (GL-CLIP's code; with
            "imagenet-mean" these are 0.485, 0.456 and 0.406, which are not the mean of a normalised image).
            "transform" fills 8-bit pixels and then applies OpenAI's transform, which resizes the shorter side to S and
            crops the centre (TAS's code).
    """

    fill: Literal["black", "mean", "imagenet-mean", "blur", "none"] = "black"
    square: Literal["squash", "pad"] = "squash"
    box: Literal["tight", "freesolo", "sam", "image"] = "tight"
    sigma: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 11.6
    pipeline: Literal["pixels", "normalised", "transform"] = "pixels"


def crop_boxes(masks: Masks, rule: str = "tight") -> Tensor:
    """Compute the boxes of crops.

    Args:
        masks: The proposals.
        rule: As `box` in :class:`CropVariant`.

    Returns:
        Tensor (N, 4) of int64, XYXY boxes in pixels, exclusive on the right and bottom. Every box lies inside the image
        and has at least one pixel, also for an empty mask.
    """
    height, width = masks.size
    if rule == "image":
        boxes = torch.tensor([[0, 0, width, height]]).repeat(len(masks), 1)
    elif rule == "freesolo":
        boxes = freesolo_boxes(masks)
    else:
        boxes = masks.boxes.cpu().clone()
        if rule == "sam":
            boxes[:, 2:] -= 1
    first = torch.minimum(boxes[:, :2].clamp(min=0), torch.tensor([width - 1, height - 1]))
    last = torch.minimum(torch.maximum(boxes[:, 2:], first + 1), torch.tensor([width, height]))
    return torch.cat([first, last], dim=1)


def freesolo_boxes(masks: Masks) -> Tensor:
    """Compute boxes as GL-CLIP's mask generator does.

    The sides of a box are the mean of the occupied columns (rows) minus and plus half their number, truncated towards
    zero. For a connected object this is its bounding box, shifted by one pixel to the left and top except at the
    image border; for an object with gaps it is smaller than its bounding box. A box at the left or top border can have
    size zero, for which the authors' code stops with an error.

    Args:
        masks: The proposals.

    Returns:
        Tensor (N, 4) of int64, XYXY boxes in pixels.
    """
    data = masks.data.cpu()
    ends = []
    for axis in (1, 2):
        occupied = data.any(dim=axis).float()
        count = occupied.sum(dim=1)
        centre = (occupied * torch.arange(occupied.shape[1])).sum(dim=1) / count.clamp(min=1e-6)
        ends.append((centre - 0.5 * count, centre + 0.5 * count))
    (left, right), (top, bottom) = ends
    return torch.stack([left, top, right, bottom], dim=1).to(torch.int32).long()


class CropCutter:
    """Cut crops out of one image; what they share, such as a blurred background, is computed once.

    Args:
        image: The RGB image.
        variant: Settings of the crops.
        preprocess: Size S, mean and standard deviation, interpolation and antialiasing.
    """

    def __init__(self, image: Image.Image, variant: CropVariant, preprocess: Preprocess) -> None:
        self.image, self.variant, self.preprocess = image, variant, preprocess
        self._normalised = variant.pipeline == "normalised"
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        self._background = self._fill(pixels)
        self._pixels = preprocess.full(image) if self._normalised else pixels

    def _fill(self, pixels: Tensor) -> Tensor | None:
        """Return the background, (3, 1, 1) or (3, H, W), uint8 or normalised, or None to leave the image unchanged."""
        variant = self.variant
        if variant.fill == "none":
            return None
        if variant.fill == "blur":
            blurred = gaussian_blur(pixels, variant.sigma)
            return self.preprocess.normalise(blurred.float().div_(255)) if self._normalised else blurred
        colour = torch.tensor(_colour(variant))[
            :, None, None
        ]  # a normalised image is filled with the values themselves
        return colour if self._normalised else colour.mul(255).round().to(torch.uint8)

    def cut(self, masks: Masks) -> Tensor:
        """Cut out proposals and convert them to normalised inputs of the image tower.

        An empty mask gives a crop of one background pixel; its score is replaced later.

        Args:
            masks: The proposals, of the image's size.

        Returns:
            Tensor (N, 3, S, S) of float32 on the CPU.
        """
        masks.validate(self.image)
        size = self.preprocess.size
        crops = torch.empty(len(masks), 3, size, size, dtype=self._pixels.dtype)
        boxes = crop_boxes(masks, self.variant.box).tolist() if len(masks) else []
        for crop, mask, box in zip(crops, masks.data.cpu(), boxes, strict=True):
            crop[:] = self._crop(mask, *box)
        return crops if self._normalised else self.preprocess.normalise(crops.float().div_(255))

    def _crop(self, mask: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
        """Return one crop, (3, S, S), uint8 or normalised."""
        variant, preprocess, background = self.variant, self.preprocess, self._background
        crop = self._pixels[:, top:bottom, left:right]
        if background is not None:
            crop = torch.where(mask[top:bottom, left:right], crop, _cut(background, left, top, right, bottom))
        if variant.square == "pad":
            crop = _pad(crop, _colour(variant), symmetric=variant.pipeline == "transform")
        if variant.pipeline == "transform":
            return _transform(crop, preprocess.size)
        if self._normalised:
            return preprocess.resize_tensor(crop, (preprocess.size, preprocess.size))
        return _resize(crop, preprocess)


def build_crops(image: Image.Image, masks: Masks, variant: CropVariant, preprocess: Preprocess) -> Tensor:
    """Return all crops of an image, (N, 3, S, S) of float32 on the CPU; see :class:`CropCutter`."""
    return CropCutter(image, variant, preprocess).cut(masks)


def _colour(variant: CropVariant) -> tuple[float, float, float]:
    """Return the fill colour as red, green and blue, 0-1."""
    return {"mean": CLIP_MEAN, "imagenet-mean": IMAGENET_MEAN}.get(variant.fill, (0.0, 0.0, 0.0))


def _cut(background: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    return background if background.shape[1:] == (1, 1) else background[:, top:bottom, left:right]


def _pad(crop: Tensor, colour: tuple[float, ...], *, symmetric: bool = False) -> Tensor:
    """Pad (3, h, w) to a square; `symmetric` pads both sides equally, so that one pixel is missing if h - w is odd."""
    _, height, width = crop.shape
    extra = abs(height - width)
    before, after = extra // 2, extra // 2 if symmetric else extra - extra // 2
    if not before + after:
        return crop
    top, bottom, left, right = (0, 0, before, after) if height > width else (before, after, 0, 0)
    fill = torch.tensor(colour) if crop.is_floating_point() else torch.tensor(colour).mul(255).round().to(crop.dtype)
    padded = fill[:, None, None].repeat(1, height + top + bottom, width + left + right)
    padded[:, top : top + height, left : left + width] = crop
    return padded


def _resize(crop: Tensor, preprocess: Preprocess) -> Tensor:
    """Resize (3, h, w) uint8 to (3, S, S) uint8, with the rounding of Pillow."""
    size = (preprocess.size, preprocess.size)
    if preprocess.antialias:
        return preprocess.resize_tensor(crop, size)
    return preprocess.resize_tensor(crop.float(), size).round().clamp(0, 255).to(torch.uint8)


def _transform(crop: Tensor, size: int) -> Tensor:
    """Apply OpenAI's transform with Pillow: resize the shorter side to `size` and crop the centre, (3, S, S) uint8."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

    resized = resize(Image.fromarray(crop.permute(1, 2, 0).numpy()), [size], interpolation=InterpolationMode.BICUBIC)
    return pil_to_tensor(center_crop(resized, [size]))
