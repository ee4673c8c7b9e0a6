"""The style of all figures, empty figures, titles, and the line that names the model and the data of a figure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.roles import PALETTE, ROLES
from zsris_viz.provenance import Named, describe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHOSEN = ROLES["choice"].colour
TRUTH = ROLES["truth"].colour
COLOURS = PALETTE
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"
NOTE_GREY = "#555555"
NOTE_LETTERS = 19  # of the line that names model and data, per inch


def style(scale: float = 1.0) -> None:
    """Set the style of all later figures: seaborn's white grid, the palette of `roles`, and font sizes for print.

    Args:
        scale: scale of the text; 1 means 9 points.
    """
    import seaborn

    size = 9 * scale
    seaborn.set_theme(
        context="paper",
        style="whitegrid",
        palette=list(COLOURS),
        rc={
            "font.size": size,
            "axes.titlesize": size,
            "axes.labelsize": size,
            "xtick.labelsize": size * 0.9,
            "ytick.labelsize": size * 0.9,
            "legend.fontsize": size * 0.9,
            "legend.title_fontsize": size * 0.9,
            "figure.titlesize": size * 1.2,
            "axes.titlelocation": "left",
            "figure.dpi": 110,
            "svg.fonttype": "none",  # text is not converted to paths
            "grid.linewidth": 0.6,
            "axes.spines.top": False,
            "axes.spines.right": False,
        },
    )


def colours(count: int) -> list[str]:
    """Return `count` colours: those of the palette; for more than eight, evenly spaced hues of equal lightness."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    import seaborn
    from matplotlib.colors import to_hex

    return [to_hex(colour) for colour in seaborn.husl_palette(count, s=0.9, l=0.6)]


def new_figure(
    rows: int = 1,
    columns: int = 1,
    *,
    size: tuple[float, float] | None = None,
    cell: tuple[float, float] = (2.2, 2.4),
    **options: Any,
) -> tuple[Figure, Any]:
    """Return an empty figure and its axes.

    pyplot does not keep the figure, so a notebook shows it once: where it is the value of a cell, or displayed.

    Args:
        rows: number of rows of axes.
        columns: number of axes in a row.
        size: width and height of the figure in inches; None for `cell` times rows and columns.
        cell: width and height of one of its axes in inches.
        **options: for `pyplot.subplots`, for example sharex=True or width_ratios=[2, 1].

    Returns:
        The figure, and its axes as a (rows, columns) array.

    Raises:
        InvalidInputError: No rows or no columns.
    """
    if rows < 1 or columns < 1:
        raise InvalidInputError(f"a figure of {rows} x {columns} axes was asked for; give at least one of each.")
    import matplotlib.pyplot as plt

    size = size or (cell[0] * columns, cell[1] * rows)
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained", **options)
    plt.close(fig)
    return fig, axes


def grid_shape(count: int, columns: int | None, most: int = 5) -> tuple[int, int]:
    """Return the rows and columns for a number of panels.

    Raises:
        InvalidInputError: There is no panel.
    """
    if count < 1:
        raise InvalidInputError("there is nothing to draw; give at least one picture, map or mask.")
    columns = min(count, columns or most)
    return -(-count // columns), columns


def add_title(fig: Figure, title: str | None) -> None:
    """Write a title above the whole figure, wrapped to its width; do nothing for None."""
    if title is not None:
        letters = max(16, int(11 * fig.get_figwidth()))
        lines = [line for part in title.split("\n") for line in textwrap.wrap(part, letters) or [""]]
        fig.suptitle("\n".join(lines), x=0.01, ha="left", parse_math=False)


def hide_unused(axes: Iterable[Axes], used: int) -> None:
    """Hide the axes after the first `used`."""
    for axis in list(axes)[used:]:
        axis.set_axis_off()


def note_source(fig: Figure, model: Named | str | None = None, data: Named | str | None = None) -> Figure:
    """Write under a figure which model and data it shows, and whether they are the built-in miniature.

    Args:
        fig: the figure.
        model: what `load_clip` returns, or a text; None or "" leaves it out.
        data: what `load_dataset` returns, or a text; None or "" leaves it out.

    Returns:
        The figure, so that the call can end a cell.
    """
    parts = []
    if name := describe(model):
        built_in = name.startswith("miniature")
        parts.append(f"model: {'built-in ' if built_in else ''}{name}")
    if name := describe(data):
        built_in = name.startswith("scenes")
        parts.append(f"data: {'built-in drawn ' if built_in else ''}{name}")
    if parts:
        width = max(40, int(NOTE_LETTERS * fig.get_figwidth()))
        lines = textwrap.fill(" · ".join(parts), width, break_on_hyphens=False)
        # The layout reserves space for a label of the whole figure.
        fig.supxlabel(lines, x=0.995, ha="right", fontsize=6.5, color=NOTE_GREY, parse_math=False)
    return fig
