"""Export of an explorer: a figure as a file, and code that makes the same explorer."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from zsris_viz.masks import Masks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS: Mapping[str, str] = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}


def figure_bytes(fig: Figure, kind: str) -> bytes:
    """Return a figure as the content of a PNG, SVG or PDF file."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format=kind, dpi=200, bbox_inches="tight")
    return buffer.getvalue()


def explorer_code(name: str, image: Any, expression: str, clip: str, **settings: Any) -> str:
    """Return code that makes an explorer.

    Args:
        name: Name of the explorer's class.
        image: The name of an example, or an image in memory, which is written into the code.
        expression: The text.
        clip: The model's name.
        **settings: Other arguments; masks are written into the code, None is left out.

    Returns:
        Lines of Python that run as they are.
    """
    imports = [f"from zsris_viz.explorers import {name}"]
    lines, arguments = [], []
    if isinstance(image, str):
        imports.append("from zsris_viz.explorers import load_example")
        lines.append(f"image = load_example({image!r}).image")
    else:
        imports.append("from zsris_viz.explorers import image_from_text")
        lines.append(f"image = image_from_text({image_as_text(image)!r})")
    for key, value in settings.items():
        if value is None:
            continue
        if isinstance(value, Masks | np.ndarray):
            imports.append("from zsris_viz.explorers import masks_from_text")
            masks = value if isinstance(value, Masks) else Masks.from_arrays(value)
            lines.append(f"{key} = masks_from_text({masks_as_text(masks)!r}){'' if value is masks else '[0]'}")
            arguments.append(f"{key}={key}")
        else:
            arguments.append(f"{key}={value!r}")
    call = ", ".join([f"image, {expression!r}", f"clip={clip!r}", *arguments])
    return "\n".join([*dict.fromkeys(imports), "", *lines, f"explorer = {name}({call})", "explorer", ""])


def image_as_text(image: Image.Image) -> str:
    """Return an image as text: a PNG, or a JPEG where that would be long."""
    buffer = io.BytesIO()
    image.save(buffer, "png")
    if buffer.tell() > 200_000:
        buffer = io.BytesIO()
        image.save(buffer, "jpeg", quality=95, subsampling=0)
    return base64.b64encode(buffer.getvalue()).decode()


def image_from_text(text: str) -> Image.Image:
    """Return the image that `image_as_text` wrote."""
    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")


def masks_as_text(masks: Masks) -> str:
    """Return masks as text: their shape and their compressed bits."""
    bits = base64.b64encode(zlib.compress(np.packbits(masks.data.cpu().numpy()).tobytes(), 9)).decode()
    return ",".join([*map(str, masks.data.shape), bits])


def masks_from_text(text: str) -> Masks:
    """Return the masks that `masks_as_text` wrote.

    Examples:
        >>> import torch
        >>> masks = Masks(torch.ones(2, 3, 4, dtype=torch.bool))
        >>> masks_from_text(masks_as_text(masks))
        Masks(2 of 3 x 4 pixels)
    """
    *shape, bits = text.split(",")
    count, height, width = map(int, shape)
    flat = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(bits)), dtype=np.uint8))
    return Masks.from_arrays(flat[: count * height * width].reshape(count, height, width).astype(bool))
