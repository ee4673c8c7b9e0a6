"""A view of an explorer as a matplotlib figure: for papers, and for readers without a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from zsris_viz.figures.layout import DIVERGING, SEQUENTIAL, new_figure
from zsris_viz.figures.maps import add_map
from zsris_viz.figures.panels import (
    Cursor,
    LineChart,
    MapGrid,
    Maps,
    Note,
    PairChart,
    Panel,
    PanelView,
    PicturePanel,
    RankingTable,
    Slider,
    TokenTable,
    short_number,
)
from zsris_viz.figures.pictures import add_mask, show_image, wrapped
from zsris_viz.figures.roles import ROLES, role

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

WIDTH = 8.4  # inches
ROWS_IN_PRINT = 8  # lines of a ranking
PLAIN: Mapping[str, Any] = {"parse_math": False, "loc": "left", "fontsize": 8}


def draw_view(view: PanelView, cursor: Cursor) -> Figure:
    """Draw a view at the values that its cursor has.

    Args:
        view: what the explorer shows.
        cursor: a value for each axis, and what is shown and selected.

    Returns:
        A figure 8.4 inches wide; its title is the view's, below it stand the view's notes.
    """
    rows = [[panel for panel in row if not isinstance(panel, Slider | Note)] for row in view.rows]
    rows = [row for row in rows if row]
    heights = [max(_height(panel, len(row)) for panel in row) for row in rows]
    notes = [panel.at(cursor, view.axes) for row in view.rows for panel in row if isinstance(panel, Note)]
    heading = "\n".join([f'"{view.title}"', *(wrapped(note, 120) for note in notes if note)])
    fig, axes = new_figure(size=(WIDTH, sum(heights) + 0.2 + 0.17 * heading.count("\n")))
    axes[0, 0].remove()
    fig.suptitle(heading, x=0.01, ha="left", fontsize="medium", parse_math=False)
    bands: Any = fig.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
    for band, row in zip(bands, rows, strict=True):
        cells = band.subfigures(
            1, len(row), width_ratios=[_WIDTHS.get(panel.kind, 1.0) for panel in row], squeeze=False
        )
        for cell, panel in zip(cells[0], row, strict=True):
            _DRAW[panel.kind](cell, panel, view, cursor)
    return fig


_WIDTHS = {"tokens": 1.3, "ranking": 1.6, "lines": 1.6, "grid": 1.2}


def _height(panel: Panel, panels: int) -> float:
    """Return the height of a panel in inches, in a row of so many."""
    if isinstance(panel, PicturePanel):
        return min(3.4, 0.55 + 0.8 * WIDTH / max(panels, 2))
    if isinstance(panel, MapGrid):
        return 1.5 if panel.rows is None else 3.2
    if isinstance(panel, TokenTable):
        return 1.0 + 0.2 * len(panel.rows)
    return 2.4


def _draw_picture(cell: SubFigure, panel: PicturePanel, view: PanelView, cursor: Cursor) -> None:
    axis = cell.subplots()
    if panel.maps is None:
        show_image(axis, view.image)
    title = view.text(panel.title, cursor)
    axis.set_title(wrapped(title, 38), **PLAIN)
    if panel.maps is not None:
        maps = view.maps[panel.maps]
        values = maps.at(cursor, view.axes)
        limits = maps.limits_of(values)
        add_map(axis, view.image, values, limits, DIVERGING if maps.diverging else SEQUENTIAL)
        _add_colour_bar(cell, axis, maps, limits)
    shown = [region for region in panel.regions if region.visible(cursor)]
    for region in shown:
        style = role(region.role)
        add_mask(
            axis,
            view.masks[region.group][region.index],
            style.colour,
            fill=0 if panel.maps is not None else style.fill,
            line=style.width,
            dashed=style.dashed,
            casing=region.role == "truth" or "truth" not in {other.role for other in shown},
            label=region.label or None,
        )
    if panel.hover is not None and panel.maps is not None:
        _frame_patch(axis, view, panel, cursor)
    _add_legend(axis, [region.role for region in shown])


def _frame_patch(axis: Axes, view: PanelView, panel: PicturePanel, cursor: Cursor) -> None:
    """Frame the patch that the cursor is on; -1 is the whole image."""
    from matplotlib.patches import Rectangle

    assert panel.maps is not None and panel.hover is not None
    number = int(cursor[panel.hover])
    if number < 0:
        return
    rows, columns = view.maps[panel.maps].values.shape[-2:]
    wide, tall = view.image.width / columns, view.image.height / rows
    corner = (number % columns * wide - 0.5, number // columns * tall - 0.5)
    axis.add_patch(Rectangle(corner, wide, tall, fill=False, edgecolor=ROLES["choice"].colour, linewidth=1.5))


def _add_colour_bar(cell: SubFigure, axes: Any, maps: Maps, limits: tuple[float, float]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    low, high = limits if limits[1] > limits[0] else (limits[0] - 0.5, limits[0] + 0.5)
    scale = ScalarMappable(Normalize(low, high), DIVERGING if maps.diverging else SEQUENTIAL)
    bar = cell.colorbar(scale, ax=axes, location="bottom", shrink=0.9, aspect=30, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(maps.unit)
    bar.ax.locator_params(nbins=5)


def _add_legend(axis: Axes, names: list[str]) -> None:
    """Name the roles below a picture, each once."""
    from matplotlib.lines import Line2D

    roles = [ROLES[name] for name in dict.fromkeys(names)]
    if roles:
        handles = [Line2D([], [], color=role.colour, linestyle="--" if role.dashed else "-") for role in roles]
        axis.legend(
            handles,
            [role.title for role in roles],
            loc="upper left",
            bbox_to_anchor=(0, 0),
            ncols=2,
            frameon=False,
            borderaxespad=0.2,
            handlelength=1.4,
            columnspacing=1.0,
        )


def _draw_grid(cell: SubFigure, panel: MapGrid, view: PanelView, cursor: Cursor) -> None:
    maps = view.maps[panel.maps]
    columns, rows = view.axes[panel.columns], view.axes[panel.rows] if panel.rows else None
    axes = cell.subplots(
        len(rows.names) if rows else 1, len(columns.names), squeeze=False, gridspec_kw={"hspace": 0.05}
    )
    limits = maps.limits or (float(np.nanmin(maps.values)), float(np.nanmax(maps.values)))
    for (line, place), axis in np.ndenumerate(axes):
        cell_cursor = {**cursor, panel.columns: columns.first + place}
        if rows is not None and panel.rows is not None:
            cell_cursor[panel.rows] = rows.first + line
        axis.imshow(
            maps.at(cell_cursor, view.axes),
            cmap=DIVERGING if maps.diverging else SEQUENTIAL,
            vmin=limits[0],
            vmax=limits[1],
            interpolation="bilinear",
            aspect=view.image.height / view.image.width * maps.values.shape[-1] / maps.values.shape[-2],
        )
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
        marked = all(cell_cursor[name] == cursor.get(name) for name in (panel.columns, panel.rows) if name)
        for spine in axis.spines.values():
            spine.set(visible=marked, color=ROLES["choice"].colour, linewidth=1.5)
        if line == 0:
            axis.set_title(columns.names[place].split(" ")[-1], fontsize=6, loc="center", pad=2)
        if place == 0 and rows is not None:
            axis.set_ylabel(rows.names[line], fontsize=6, rotation=0, ha="right", va="center")
    cell.suptitle(f"{view.text(panel.title, cursor)} ({maps.unit})", x=0.01, ha="left", fontsize=8, parse_math=False)


def _draw_lines(cell: SubFigure, panel: LineChart, view: PanelView, cursor: Cursor) -> None:
    axis, scale = cell.subplots(), view.axes[panel.axis]
    places = range(scale.first, scale.last + 1)
    for name, values in panel.series.items():
        numbers = [np.nan if value is None else value for value in values]
        axis.plot(places, numbers, "o-", color=role(panel.roles[name]).colour, label=name, markersize=3)
    axis.axvline(cursor[panel.axis], color=ROLES["other"].colour, linewidth=1.2)
    axis.set(
        xlabel=scale.label, ylabel=panel.label, xticks=list(places)[:: max(1, len(places) // 13)], ylim=(0, panel.top)
    )
    axis.set_title(panel.title, **PLAIN)
    axis.legend(loc="upper left", bbox_to_anchor=(0, -0.25), ncols=2, frameon=False, borderaxespad=0)


def _draw_pairs(cell: SubFigure, panel: PairChart, view: PanelView, cursor: Cursor) -> None:
    axis = cell.subplots()
    roles = (ROLES["previous choice"], ROLES["choice"])
    for line, (index, *scores) in enumerate(zip(panel.indices, panel.before, panel.after, strict=True)):
        axis.plot(scores, [line, line], color=roles[1].colour, linewidth=1)
        for value, style, best, title in zip(scores, roles, panel.chosen, panel.names, strict=True):
            axis.plot([value], [line], "o", color=style.colour, markersize=4, label=title if not line else None)
            if best == index:
                axis.plot([value], [line], "o", color=style.colour, markersize=9, fillstyle="none")
    axis.set_yticks(range(len(panel.indices)), [f"mask {index}" for index in panel.indices])
    axis.invert_yaxis()
    axis.locator_params(axis="x", nbins=5)
    axis.set_title(panel.title, **PLAIN)
    axis.legend(loc="upper left", bbox_to_anchor=(0, -0.12), ncols=2, frameon=False, borderaxespad=0, handlelength=1)


def _draw_tokens(cell: SubFigure, panel: TokenTable, view: PanelView, cursor: Cursor) -> None:
    axis = cell.subplots()
    values = view.maps[panel.maps].at(cursor, view.axes)
    axis.imshow(values, aspect="auto", cmap=SEQUENTIAL, vmin=0)
    axis.grid(False)
    axis.set_yticks(range(len(panel.rows)), panel.rows)
    names = [f"[{name}]" if place in panel.masked else name for place, name in enumerate(panel.tokens)]
    axis.set_xticks(range(len(names)), names, rotation=40, ha="right", parse_math=False)
    for tick, name in zip(axis.get_xticklabels(), panel.roles, strict=True):
        tick.set_color(ROLES[name].colour if name else "black")
    hidden = " ([ ]: hidden)" if panel.masked else ""
    axis.set_title(view.text(panel.title, cursor) + hidden, **PLAIN)
    _add_legend_right(axis, [name for name in panel.roles if name])


def _add_legend_right(axis: Axes, names: list[str]) -> None:
    from matplotlib.patches import Patch

    roles = [ROLES[name] for name in dict.fromkeys(names)]
    handles = [Patch(color=role.colour, label=role.title) for role in roles]
    axis.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, borderaxespad=0)


def _draw_ranking(cell: SubFigure, panel: RankingTable, view: PanelView, cursor: Cursor) -> None:
    count = min(ROWS_IN_PRINT, len(panel.indices))
    axes = cell.subplots(1, len(panel.columns), squeeze=False, sharey=True)[0]
    for column, (axis, name) in enumerate(zip(axes, panel.columns, strict=True)):
        values = [row[column] for row in panel.values[:count]]
        colours = [ROLES["choice" if index == panel.chosen else "other"].colour for index in panel.indices[:count]]
        axis.scatter(values, range(count), c=colours, s=16)
        for line, value in enumerate(values):
            axis.annotate(
                short_number(value),
                (value if np.isfinite(value) else 0, line),
                xytext=(0, 3),
                textcoords="offset points",
                fontsize=5.5,
                ha="center",
            )
        axis.set_ylim(count - 0.5, -0.7)
        axis.margins(x=0.3)
        axis.set_title(wrapped(name, 10), parse_math=False, loc="left", fontsize=7)
        axis.locator_params(axis="x", nbins=2)
        axis.tick_params(axis="x", labelsize=6)
    axes[0].set_yticks(range(count), [f"mask {index}" for index in panel.indices[:count]])


_DRAW: Mapping[str, Callable[[Any, Any, PanelView, Cursor], None]] = {
    "picture": _draw_picture,
    "grid": _draw_grid,
    "lines": _draw_lines,
    "pairs": _draw_pairs,
    "tokens": _draw_tokens,
    "ranking": _draw_ranking,
}
