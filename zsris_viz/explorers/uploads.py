"""Images that a reader uploads to the page."""

from __future__ import annotations

import io
import warnings

from PIL import Image, UnidentifiedImageError

from zsris_viz.errors import CorruptFileError, InvalidInputError
from zsris_viz.io.image_files import MAX_PIXELS


def read_upload(content: bytes) -> Image.Image:
    """Return the image in the bytes of a file.

    Raises:
        CorruptFileError: They are no image that can be read.
        InvalidInputError: The image has too many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content))
        if image.width * image.height > MAX_PIXELS:
            raise InvalidInputError(
                f"the image has {image.width} x {image.height} pixels; at most {MAX_PIXELS:,} are accepted. "
                "Make it smaller."
            )
        image.load()
    except Image.DecompressionBombError as error:
        raise InvalidInputError(f"the image has too many pixels: {error}") from error
    except UnidentifiedImageError as error:
        raise CorruptFileError("it is not an image that can be read; save it as JPEG or PNG.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise CorruptFileError(f"the image is damaged ({error}); save it again as JPEG or PNG.") from error
    return image
