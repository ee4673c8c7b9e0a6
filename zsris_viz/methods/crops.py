"""Crops of an image around its proposals: box rules, backgrounds, squares, and the two ways of resizing.

One :class:`CropVariant` says everything about a crop but colours' normalisation and interpolation, which belong to
the :class:`~zsris_viz.models.preprocessing.Preprocess` it is used with.
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
    """How a proposal is cut out of its image.

    Attributes:
        fill: What replaces the background. "black"; "mean" (CLIP's mean colour, 0 after normalisation);
            "imagenet-mean"; "blur" (the image itself, blurred by `sigma`); "none" (the background stays).
        square: "squash" the box to the square input, or "pad" it to a square first (with the fill colour; black
            around a blur).
        box: "tight", the mask's bounding box; "freesolo", the rule of GL-CLIP's mask generator
            (:func:`freesolo_boxes`); "sam", a bounding box one pixel short on the right and bottom, as Segment
            Anything reports it; "image", the whole image.
        sigma: Standard deviation of the blur in pixels of the image. 11.6 is what OpenCV derives from TAS's 75 x 75
            kernel, 2.6 from HybridGL's 15 x 15.
        pipeline: "pixels" fills 8-bit pixels, resizes, then normalises; "normalised" normalises the image first and
            fills with the numbers of the fill colour *after* that (GL-CLIP's code: with "imagenet-mean" these are
            0.485, 0.456, 0.406, no mean at all by then); "transform" fills 8-bit pixels and then applies OpenAI's
            transform: shorter side to S, centre crop (TAS's code).
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
        rule: As `CropVariant.box`.

    Returns:
        (N, 4) int64 XYXY boxes, exclusive on the right and bottom, inside the image, at least 1 x 1 (empty masks too).
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
    """Compute boxes as GL-CLIP's mask generator does, (N, 4) int64.

    They are the mean of the occupied columns (rows) plus and minus half their count, truncated towards zero. For an
    unbroken object this is its bounding box moved by one pixel to the left and top; for one in several parts it is
    smaller than that. A box may be of zero size at the left or top border, where the authors' code stops with an error.
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


def build_crops(image: Image.Image, masks: Masks, variant: CropVariant, preprocess: Preprocess) -> Tensor:
    """Cut out crops at the tower's input size, normalised.

    Only the pixels inside each box are touched. An empty mask gives one pixel of background; its score is replaced
    later.

    Args:
        image: The RGB image.
        masks: The proposals, of the image's size.
        variant: How they are cut out.
        preprocess: Size S, mean and standard deviation, interpolation and antialiasing.

    Returns:
        (N, 3, S, S) float32 on the CPU.
    """
    masks.validate(image)
    boxes = crop_boxes(masks, variant.box).tolist()
    if not boxes:
        return torch.zeros(0, 3, preprocess.size, preprocess.size)
    data = masks.data.cpu()
    if variant.pipeline == "normalised":
        return _crops_of_normalised(image, data, boxes, variant, preprocess)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    background = _background(image, pixels, variant)
    crops = []
    for mask, (left, top, right, bottom) in zip(data, boxes, strict=True):
        crop = pixels[:, top:bottom, left:right]
        if background is not None:
            crop = torch.where(mask[top:bottom, left:right], crop, _cut(background, left, top, right, bottom))
        if variant.square == "pad":
            crop = _pad(crop, _colour(variant), symmetric=variant.pipeline == "transform")
        crops.append(
            _transform(crop, preprocess.size) if variant.pipeline == "transform" else _resize(crop, preprocess)
        )
    stacked = torch.stack(crops)
    return preprocess.normalise(stacked.float().div_(255))


def _crops_of_normalised(
    image: Image.Image, data: Tensor, boxes: list[list[int]], variant: CropVariant, preprocess: Preprocess
) -> Tensor:
    """Cut crops from the normalised image, with the numbers of the fill colour as background."""
    pixels = preprocess.full(image)
    if variant.fill == "blur":
        blurred = gaussian_blur(torch.from_numpy(np.array(image)).permute(2, 0, 1), variant.sigma)
        fill = preprocess.normalise(blurred.float().div_(255))
    else:
        fill = torch.tensor(_colour(variant))[:, None, None]
    crops = []
    for mask, (left, top, right, bottom) in zip(data, boxes, strict=True):
        crop = pixels[:, top:bottom, left:right]
        if variant.fill != "none":
            crop = torch.where(mask[top:bottom, left:right], crop, _cut(fill, left, top, right, bottom))
        if variant.square == "pad":
            crop = _pad(crop, _colour(variant))
        crops.append(preprocess.resize_tensor(crop, (preprocess.size, preprocess.size)))
    return torch.stack(crops)


def _colour(variant: CropVariant) -> tuple[float, float, float]:
    """Return the fill colour, 0-1."""
    return {"mean": CLIP_MEAN, "imagenet-mean": IMAGENET_MEAN}.get(variant.fill, (0.0, 0.0, 0.0))


def _background(image: Image.Image, pixels: Tensor, variant: CropVariant) -> Tensor | None:
    """Return the background outside the masks, (3, 1, 1) or (3, H, W) uint8, or None to leave the image unchanged."""
    if variant.fill == "none":
        return None
    if variant.fill == "blur":
        return gaussian_blur(pixels, variant.sigma)
    return torch.tensor(_colour(variant)).mul(255).round().to(torch.uint8)[:, None, None]


def _cut(background: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    return background if background.shape[1:] == (1, 1) else background[:, top:bottom, left:right]


def _pad(crop: Tensor, colour: tuple[float, ...], *, symmetric: bool = False) -> Tensor:
    """Pad (3, h, w) to a square; `symmetric` pads both sides alike, one pixel too little if h - w is odd."""
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
    """Resize (3, h, w) uint8 to (3, S, S) uint8, rounded as Pillow rounds."""
    size = (preprocess.size, preprocess.size)
    if preprocess.antialias:
        return preprocess.resize_tensor(crop, size)
    return preprocess.resize_tensor(crop.float(), size).round().clamp(0, 255).to(torch.uint8)


def _transform(crop: Tensor, size: int) -> Tensor:
    """Apply OpenAI's transform by Pillow: resize the shorter side to `size` and crop the centre, (3, S, S) uint8."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

    resized = resize(Image.fromarray(crop.permute(1, 2, 0).numpy()), [size], interpolation=InterpolationMode.BICUBIC)
    return pil_to_tensor(center_crop(resized, [size]))
