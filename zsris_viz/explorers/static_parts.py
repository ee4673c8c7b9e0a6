"""What the static twins share: heat maps painted exactly as in the page, and their colour bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsris_viz.explorers.raster import Canvas
from zsris_viz.figures.layout import DIVERGING, SEQUENTIAL
from zsris_viz.figures.pictures import show_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

PRINT_SIDE = 600  # pixels of the longest side


def show_heat(
    ax: Axes,
    image: Image.Image,
    values: Any,
    limits: tuple[float, float],
    title: str,
    *,
    diverging: bool = False,
) -> None:
    """A (rows, columns) map over the grey image, in the image's own coordinates."""
    show_image(ax, image, title)  # sets limits and frame; the heat map covers it
    heat = Canvas(image, PRINT_SIDE).heat(values, limits, diverging=diverging)
    ax.imshow(heat, extent=(-0.5, image.width - 0.5, image.height - 0.5, -0.5))


def add_colour_bar(fig: Figure, ax: Axes, limits: tuple[float, float], *, diverging: bool = False) -> None:
    """The colour scale under one of the figure's axes."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    low, high = limits if limits[1] > limits[0] else (limits[0] - 0.5, limits[0] + 0.5)
    scale = ScalarMappable(Normalize(low, high), DIVERGING if diverging else SEQUENTIAL)
    bar = fig.colorbar(scale, ax=ax, location="bottom", shrink=0.9, aspect=30, pad=0.02)
    bar.outline.set_visible(False)
