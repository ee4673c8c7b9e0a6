"""Pictures of the explorers as pixels: matplotlib takes a tenth of a second for what numpy does in milliseconds.

Colours, colour scales and dashes are those of `zsris_viz.figures`, so that a widget and its static twin look alike.
"""

from __future__ import annotations

import base64
import html
import io
from functools import cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from zsris_viz.figures.layout import DIVERGING, SEQUENTIAL

SIDE = 300  # longest side of a picture in the page, in pixels
OPACITY = 0.75  # of a map on the grey image
DASH = 5  # pixels


class Canvas:
    """One image at the size at which the page shows it; every method returns a new (h, w, 3) uint8 array.

    Args:
        image: RGB. side: longest side in pixels; smaller images are enlarged.

    Attributes:
        image: as given. size: (h, w) of the pictures.
    """

    def __init__(self, image: Image.Image, side: int = SIDE) -> None:
        self.image = image
        scale = side / max(image.size)
        width, height = (max(1, round(length * scale)) for length in image.size)
        self.size = (height, width)
        shown = image.resize((width, height), Image.Resampling.LANCZOS)
        self._colour = np.asarray(shown)
        grey = np.asarray(shown.convert("L"), dtype=np.float32)[..., None]
        self._faded = (grey * (1 - OPACITY)).astype(np.uint8)
        rows, columns = np.indices(self.size)
        self._dashes = ((rows + columns) // DASH) % 2 == 0

    def plain(self) -> np.ndarray:
        """The image itself."""
        return self._colour.copy()

    def heat(self, values: Any, limits: tuple[float, float], *, diverging: bool = False) -> np.ndarray:
        """A (rows, columns) map, bilinear over the grey image.

        Args:
            limits: the values that get the ends of the colour scale; equal ones give one colour, the middle.
        """
        grid = torch.as_tensor(values, dtype=torch.float32)[None, None]
        large = F.interpolate(grid, size=self.size, mode="bilinear", align_corners=False)[0, 0].numpy()
        low, high = limits
        scale = 255 / (high - low) if high > low else 0.0
        index = np.nan_to_num((large - low) * scale + (0.5 if scale else 128)).clip(0, 255).astype(np.uint8)
        table = (colour_table(DIVERGING if diverging else SEQUENTIAL) * OPACITY).astype(np.uint8)
        return self._faded + table.take(index, axis=0)  # at most 255 by the two shares

    def at_size(self, mask: Any) -> np.ndarray:
        """An (H, W) mask of the image, nearest pixel, as (h, w) bool."""
        inside = np.asarray(mask.cpu() if hasattr(mask, "cpu") else mask).astype(bool)
        rows = (np.arange(self.size[0]) * inside.shape[0]) // self.size[0]
        columns = (np.arange(self.size[1]) * inside.shape[1]) // self.size[1]
        return inside[rows[:, None], columns]

    def tint(self, picture: np.ndarray, mask: Any, colour: str, opacity: float = 0.35) -> np.ndarray:
        """A mask's area in a colour, "#rrggbb"."""
        inside = self.at_size(mask)
        painted = picture.copy()
        painted[inside] = (painted[inside] * np.float32(1 - opacity) + np.float32(opacity) * rgb(colour)).astype(
            np.uint8
        )
        return painted

    def outline(self, picture: np.ndarray, mask: Any, colour: str, *, dashed: bool = False) -> np.ndarray:
        """A mask's border, two pixels inside it, on a white line outside it."""
        inside = self.at_size(mask)
        border = inside & ~_shrunk(_shrunk(inside))
        casing = ~_shrunk(~inside) & ~inside
        painted = picture.copy()
        painted[casing] = 255
        if dashed:
            painted[border] = 255
            border &= self._dashes
        painted[border] = rgb(colour)
        return painted

    def frame(self, picture: np.ndarray, cell: tuple[int, int], grid: tuple[int, int], colour: str) -> np.ndarray:
        """A square around one cell (row, column) of a grid over the image."""
        mask = np.zeros(grid, dtype=bool)
        mask[cell] = True
        return self.outline(picture, mask, colour)


def _shrunk(mask: np.ndarray) -> np.ndarray:
    """The mask without the pixels that touch its outside (4 neighbours); the picture's edge counts as outside."""
    padded = np.pad(mask, 1)
    return mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


@cache
def colour_table(name: str) -> np.ndarray:
    """(256, 3) float32, 0-255: a matplotlib colour scale."""
    import matplotlib

    return (matplotlib.colormaps[name](np.arange(256))[:, :3] * 255).astype(np.float32)


def rgb(colour: str) -> np.ndarray:
    """A colour "#rrggbb" as (3,) float32 from 0 to 255."""
    return np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)], dtype=np.float32)


def markup(picture: np.ndarray, title: str, *, key: str | None = None, below: str = "") -> str:
    """A picture as HTML, with its title above.

    Args:
        picture: (h, w, 3) uint8. title: plain text. key: makes it clickable. below: HTML under it.
    """
    buffer = io.BytesIO()
    # A tenth of PNG's time and a fifth of its size; full colour resolution keeps outlines sharp.
    Image.fromarray(picture).save(buffer, "jpeg", quality=90, subsampling=0)
    source = base64.b64encode(buffer.getvalue()).decode()
    words, height, width = html.escape(title), *picture.shape[:2]
    clickable = "" if key is None else f' data-key="{html.escape(key)}"'
    return (
        f'<figure style="width:{width}px"><figcaption>{words}</figcaption>'
        f'<img width="{width}" height="{height}" alt="{words}"{clickable} src="data:image/jpeg;base64,{source}">'
        f"{below}</figure>"
    )


def colour_bar(limits: tuple[float, float], *, diverging: bool = False, width: int = SIDE) -> str:
    """The colour scale with its ends, as HTML."""
    table = colour_table(DIVERGING if diverging else SEQUENTIAL).round().astype(int)
    stops = ",".join("rgb({},{},{})".format(*table[index]) for index in range(0, 256, 51))
    low, high = (number(value) for value in limits)
    return (
        f'<div style="width:{width}px;height:8px;margin-top:2px;background:linear-gradient(to right,{stops})"></div>'
        f'<div style="width:{width}px;display:flex;justify-content:space-between"><span>{low}</span>'
        f"<span>{high}</span></div>"
    )


def number(value: float) -> str:
    """Three significant digits, without an exponent where it can be helped."""
    return f"{value:.3f}" if 0.1 <= abs(value) < 1000 or value == 0 else f"{value:.3g}"
