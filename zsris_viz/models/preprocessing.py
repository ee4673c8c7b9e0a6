"""Preprocessing of images for an image tower, as named settings.

The default squashes the whole image to a square, as the published methods do to keep masks aligned with the token grid;
CLIP's own evaluation crops the centre instead ("clip-center").
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from zsris_viz.errors import InvalidInputError, InvalidTypeError

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocess:
    """Resizing and normalisation of images.

    Attributes:
        name: Name of the preset.
        mean: Mean of each RGB channel, on the scale from 0 to 1.
        std: Standard deviation of each RGB channel, on the same scale.
        resize: "squash" resizes to a square; "shortest+crop" resizes the shorter side to `size` and crops the centre.
        interpolation: "bicubic" or "bilinear".
        antialias: Whether the filter is widened for downsampling.
        normalise_first: Whether the image is normalised at full size and then resized as a tensor, as in the code of
            Global-Local CLIP, which cuts its crops from the normalised image. Otherwise the 8-bit image is resized by
            Pillow, as CLIP does, always with antialiasing.
        crop_fill: RGB background of masked crops. With `normalise_first` it is on the normalised scale (the authors
            fill with ImageNet's mean after normalisation, which is another colour), otherwise from 0 to 1.
        size: S, side of the input in pixels.
        loaded_side: With `normalise_first`, the length in pixels to which the shorter side of the 8-bit image is
            resized first (bilinear, antialiased); the normalised image is resized back to its own size before crops are
            cut from it. The loader of Global-Local CLIP does so for its mask generator. None keeps the image at its
            size.
    """

    name: str = "clip"
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
    resize: Literal["squash", "shortest+crop"] = "squash"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    antialias: bool = True
    normalise_first: bool = False
    crop_fill: tuple[float, float, float] = (0.0, 0.0, 0.0)
    size: int = 224
    loaded_side: int | None = None

    def image(self, image: Image.Image) -> Tensor:
        """Return the whole image as the tower's input, (3, S, S) fp32."""
        if self.normalise_first:
            return self.resize_tensor(self._loaded(image))
        return self.full(self._resize_image(_rgb(image)))

    def full(self, image: Image.Image) -> Tensor:
        """Return the normalised image at its own size, from which official crops are cut, (3, H, W) fp32."""
        loaded = self._loaded(image)
        size = (image.height, image.width)
        return loaded if tuple(loaded.shape[1:]) == size else self.resize_tensor(loaded, size)

    def _loaded(self, image: Image.Image) -> Tensor:
        """Return the normalised image at the size to which the authors' loader resizes it, (3, H', W') fp32."""
        rgb = _rgb(image)
        if self.loaded_side is not None:
            height, width = _shortest(rgb.height, rgb.width, self.loaded_side)
            rgb = rgb.resize((width, height), Image.Resampling.BILINEAR)
        array = np.asarray(rgb, dtype=np.uint8)
        return self.normalise(torch.from_numpy(array.copy()).permute(2, 0, 1).float().div_(255))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Normalise RGB values from 0 to 1, (..., 3, H, W), by `mean` and `std`."""
        mean, std = (pixels.new_tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return (pixels - mean).div_(std)

    def denormalise(self, pixels: Tensor) -> Tensor:
        """Return normalised pixels (..., 3, H, W) as RGB from 0 to 1, clipped, for drawing."""
        mean, std = (pixels.new_tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return (pixels * std + mean).clamp(0, 1)

    def resize_tensor(self, pixels: Tensor, size: int | tuple[int, int] | None = None) -> Tensor:
        """Resize a tensor with the filter and the `resize` mode of these settings.

        Resizing and normalising commute, so tensors on either scale are accepted.

        Args:
            pixels: (..., 3, H, W).
            size: Side in pixels, S by default; or (height, width), to which the image is always squashed.

        Returns:
            (..., 3, height, width).
        """
        target = size if isinstance(size, tuple) else (size or self.size,) * 2
        height, width = pixels.shape[-2:]
        inner = target
        if self.resize == "shortest+crop" and not isinstance(size, tuple):
            inner = _shortest(height, width, target[0])
        flat = pixels.reshape(-1, *pixels.shape[-3:])
        out = F.interpolate(flat, size=inner, mode=self.interpolation, align_corners=False, antialias=self.antialias)
        top, left = round((inner[0] - target[0]) / 2), round((inner[1] - target[1]) / 2)
        out = out[..., top : top + target[0], left : left + target[1]]
        return out.reshape(*pixels.shape[:-2], *target)

    def _resize_image(self, image: Image.Image) -> Image.Image:
        """Resize an 8-bit RGB image by Pillow."""
        method = Image.Resampling.BICUBIC if self.interpolation == "bicubic" else Image.Resampling.BILINEAR
        if self.resize == "squash":
            return image.resize((self.size, self.size), method)
        height, width = _shortest(image.height, image.width, self.size)
        left, top = round((width - self.size) / 2), round((height - self.size) / 2)
        return image.resize((width, height), method).crop((left, top, left + self.size, top + self.size))

    def describe(self) -> str:
        """Return a one-line description of the steps in their order."""
        how = (
            f"{'squashed' if self.resize == 'squash' else 'shorter side and centre crop'} to {self.size} x {self.size}"
        )
        filtered = f"{self.interpolation}, {'antialiased' if self.antialias else 'not antialiased'}"
        mean = ", ".join(f"{value:.3f}" for value in self.mean)
        order = "normalised, then" if self.normalise_first else "normalised after being"
        return f"{self.name}: {order} {how} ({filtered}); mean {mean}"

    def to_dict(self) -> dict[str, object]:
        """Return all settings as plain values, for configuration hashes and provenance."""
        return asdict(self)


_OFFICIAL = Preprocess(
    name="glclip",
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    interpolation="bilinear",
    antialias=False,
    normalise_first=True,
    crop_fill=IMAGENET_MEAN,
)
PRESETS: dict[str, Preprocess] = {
    "clip": Preprocess(),
    "clip-center": Preprocess(name="clip-center", resize="shortest+crop"),
    "glclip": replace(_OFFICIAL, loaded_side=800),
    "glclip-direct": replace(_OFFICIAL, name="glclip-direct"),
    "hybridgl": replace(_OFFICIAL, name="hybridgl"),
    "copatch": replace(_OFFICIAL, name="copatch", antialias=True),
}


def get_preprocess(preset: str | Preprocess, size: int) -> Preprocess:
    """Return a preset, or the given settings, for an input size.

    Args:
        preset: A name of `PRESETS`, or a Preprocess.
        size: Side of the tower's input in pixels.

    Raises:
        InvalidInputError: If the name is unknown.
    """
    if isinstance(preset, Preprocess):
        return replace(preset, size=size)
    if preset not in PRESETS:
        raise InvalidInputError(f"preprocess={preset!r} is unknown; use one of {', '.join(PRESETS)}, or a Preprocess.")
    return replace(PRESETS[preset], size=size)


def _rgb(image: Image.Image) -> Image.Image:
    if not isinstance(image, Image.Image):
        raise InvalidTypeError(
            f"a PIL image is needed, {type(image).__name__} was given; open_image(source) makes one of any source."
        )
    return image if image.mode == "RGB" else image.convert("RGB")


def _shortest(height: int, width: int, size: int) -> tuple[int, int]:
    """Return height and width with the shorter side scaled to `size`."""
    return (size, int(size * width / height)) if height <= width else (int(size * height / width), size)
