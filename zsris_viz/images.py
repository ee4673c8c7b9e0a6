"""Open any image as the one form that the package works on: an upright 8-bit RGB PIL image."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError, ZsrisError
from zsris_viz.io.image_files import MAX_PIXELS, check_pixels, existing_file, open_header

ImageSource = str | os.PathLike | bytes | Image.Image | np.ndarray | torch.Tensor


def open_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS, upright: bool = True) -> Image.Image:
    """Return an RGB image from a file, a PIL image, an array or a tensor.

    EXIF rotation is applied by default; transparency is composited on white; grey, palette, CMYK and 16-bit images
    are converted (16 bits: divided by 257). Of an animation the first frame is taken. The source is not changed.

    Args:
        source: A path; the bytes of a file; a PIL image; an array or tensor (H, W), (H, W, 1), (H, W, 3) or (H, W, 4):
            uint8 0-255, uint16 0-65535, bool, or float 0-1. A tensor may also have its channels first, if its last
            axis cannot be channels.
        max_pixels: The largest accepted width x height.
        upright: Whether an EXIF rotation is applied; annotations of benchmarks belong to the pixels as stored.

    Returns:
        A PIL image of mode "RGB".

    Raises:
        CorruptFileError: The file is truncated or no image.
        InvalidInputError: There is no such file, it has too many or no pixels, or values are outside the range.
        InvalidTypeError: The source is of another type.
    """
    if isinstance(source, Image.Image):
        image, name = source, "the given PIL image"
    elif isinstance(source, (str, os.PathLike)):
        image, name = open_header(existing_file(source)), f"{Path(source)}"
    elif isinstance(source, bytes):
        image, name = open_header(io.BytesIO(source)), "the given image file"
    elif isinstance(source, (np.ndarray, torch.Tensor)):
        image, name = _from_array(source), "the given array"
    else:
        raise InvalidTypeError(
            f"An image was given as {type(source).__name__}; give a path, a PIL image, an array (H, W, 3) or a tensor."
        )
    width, height = image.size
    if width < 1 or height < 1:
        raise InvalidInputError(f"{name} has no pixels ({width} x {height}); give an image of at least 1 x 1.")
    check_pixels(image, name, max_pixels)
    try:
        stored = ImageOps.exif_transpose(image) if upright else image
        stored.load()
        converted = _to_rgb(stored)
        # an EXIF rotation that was not wanted must not be applied later; who drew the image stays known
        converted.info = {key: image.info[key] for key in ("source",) if key in image.info}
        return converted
    except ZsrisError:
        raise
    except Exception as error:  # Pillow's readers have no common error for what they cannot decode
        raise CorruptFileError(
            f"{name} cannot be decoded ({error}): the file is truncated or damaged. Fetch or save it again."
        ) from error
    finally:
        if image is not source and isinstance(source, (str, os.PathLike)):
            image.close()


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: transparency on white, wide integers and floats scaled to 8 bits."""
    if image.mode.startswith("I;16"):
        return _from_array(np.asarray(image).astype(np.uint16))
    if image.mode == "I":
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise InvalidInputError(
                f"A 32-bit image with values {values.min()} to {values.max()} was given; scale it to 0-255 first."
            )
        return _from_array(values.astype(np.uint8 if values.max() <= 255 else np.uint16))
    if image.mode == "F":
        values = np.asarray(image)
        return _from_array(values / 255 if np.nanmax(values) > 1 else values)
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    converted = image.convert("RGB")
    return converted.copy() if converted is image else converted


def _from_array(source: np.ndarray | torch.Tensor) -> Image.Image:
    """Return an RGB image from an array in one of the accepted layouts and ranges."""
    array = source.detach().cpu().numpy() if isinstance(source, torch.Tensor) else source
    description = f"An array of shape {tuple(array.shape)} and dtype {array.dtype} was given"
    if array.ndim == 3 and array.shape[-1] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        if not isinstance(source, torch.Tensor):
            raise InvalidInputError(
                f"{description}; arrays are (H, W, channels): call open_image(array.transpose(1, 2, 0))."
            )
        array = array.transpose(1, 2, 0)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] not in (1, 3, 4)) or 0 in array.shape:
        raise InvalidInputError(
            f"{description}; (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) with at least one pixel is accepted."
        )
    eight = _to_uint8(array, description)
    if eight.ndim == 3 and eight.shape[-1] == 4:
        return _to_rgb(Image.fromarray(np.ascontiguousarray(eight)))
    grey = eight if eight.ndim == 2 else eight[..., 0] if eight.shape[-1] == 1 else None
    return Image.fromarray(np.ascontiguousarray(eight if grey is None else np.repeat(grey[..., None], 3, axis=-1)))


def _to_uint8(array: np.ndarray, description: str) -> np.ndarray:
    """Convert values of any accepted dtype and range to 0-255."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype == np.uint16:
        return np.round(array / 257).astype(np.uint8)
    if array.dtype.kind == "f":
        if not (array.min() >= -1e-6 and array.max() <= 1 + 1e-6):  # also refuses nan
            raise InvalidInputError(
                f"{description} with values {array.min():.3g} to {array.max():.3g}; floats must lie in 0-1. "
                "Divide 0-255 by 255, and undo a normalisation first."
            )
        return np.round(np.clip(array, 0, 1) * 255).astype(np.uint8)
    if array.dtype.kind in "iu" and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8)
    raise InvalidInputError(f"{description}; uint8 0-255, uint16, bool or float 0-1 is accepted.")


def gaussian_blur(pixels: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur a (3, H, W) uint8 image, edges mirrored; the radius follows OpenCV's rule (37 pixels for sigma 11.6)."""
    from scipy.ndimage import gaussian_filter1d

    radius = max(1, round((sigma - 0.8) / 0.3 + 1))
    values = pixels.numpy().astype(np.float32)
    for axis in (1, 2):
        values = gaussian_filter1d(values, sigma, axis=axis, mode="mirror", radius=radius)
    return torch.from_numpy(values.round().clip(0, 255).astype(np.uint8))
