"""Image files: checks of their headers before a pixel is decoded."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from zsris_viz.errors import CorruptFileError, InvalidInputError

MAX_PIXELS = 50_000_000  # of an image, unless the caller accepts more


def existing_file(source: str | os.PathLike[str]) -> Path:
    """Return the path of a file that exists.

    Raises:
        InvalidInputError: There is no such file, or it is a folder or an address.
    """
    path = Path(source)
    if str(source).startswith(("http://", "https://")):
        raise InvalidInputError(
            f"{source} is an address; the package downloads no images. Save the image and give its path."
        )
    if not os.path.isfile(path):  # unlike the method of Path, it takes any name
        what = "is a folder" if os.path.isdir(path) else "does not exist"
        raise InvalidInputError(
            f"The image file {path} {what}; give the path of an image file (JPEG, PNG, WebP, TIFF, ...)."
        )
    return path


def open_header(file: Path | io.BytesIO) -> Image.Image:
    """Open an image file, of which only the header is read.

    Raises:
        CorruptFileError: The file is no image, or its header is damaged.
        InvalidInputError: The image has so many pixels that Pillow refuses it.
    """
    name = str(file) if isinstance(file, Path) else "the given image file"
    try:
        with warnings.catch_warnings():  # the limit that counts is `max_pixels` of `open_image`
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(file)
    except Image.DecompressionBombError as error:
        raise InvalidInputError(f"{name} has too many pixels ({error}); make it smaller.") from error
    except UnidentifiedImageError as error:
        raise CorruptFileError(
            f"{name} is not an image that Pillow can read (or its header is damaged); save it as JPEG or PNG."
        ) from error
    except Exception as error:  # Pillow's readers have no common error for a damaged header
        raise CorruptFileError(f"{name} cannot be opened ({error}); fetch or save it again.") from error


def check_pixels(image: Image.Image, name: str, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse an image of too many pixels.

    Args:
        image: The image; only its size is read.
        name: Name of the image in the error.
        max_pixels: The largest accepted width x height.

    Raises:
        InvalidInputError: The image has more pixels.
    """
    width, height = image.size
    if width * height > max_pixels:
        raise InvalidInputError(
            f"{name} has {width} x {height} = {width * height:,} pixels; the limit is max_pixels={max_pixels:,}. "
            f"Make it smaller, or call open_image(..., max_pixels={width * height})."
        )
