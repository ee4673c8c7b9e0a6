"""Charts of numbers: bars and curves with intervals, and tables whose cells are coloured by value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.layout import NOTE_GREY, SEQUENTIAL, colours, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def bars_with_intervals(
    frame: pd.DataFrame,
    x: str,
    y: str,
    *,
    low: str | None = None,
    high: str | None = None,
    hue: str | None = None,
    order: Sequence[Any] | None = None,
    horizontal: bool = False,
    reference: Mapping[str, float] | None = None,
    limits: tuple[float, float] | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    title: str | None = None,
    legend_title: str | None = None,
    values: str | None = "{:.1f}",
    palette: Mapping[Any, str] | None = None,
    ax: Axes | None = None,
    size: tuple[float, float] = (5.0, 2.8),
) -> Figure:
    """Draw a bar for each row of a table, grouped by `hue`, with whiskers from column `low` to column `high`.

    Args:
        frame: one row for each bar.
        x: column of names.
        y: column of values.
        low: column of the lower ends of the intervals; None for no whiskers.
        high: column of upper ends.
        hue: column of groups; None for one group.
        order: order of the names; None for that of the table.
        horizontal: whether the bars are horizontal.
        reference: name -> value of dashed reference lines, for example {"chance": 26}.
        limits: ends of the value axis.
        xlabel: label of the axis of names.
        ylabel: label of the axis of values; None for the name of column `y`.
        title: above the axes.
        legend_title: above the legend; the name of the column `hue` is not shown.
        values: format of the value beside each bar; None for no text.
        palette: group (or name) -> colour.
        ax: where to draw; None for a new figure.
        size: width and height of the new figure in inches.

    Returns:
        The figure (of `ax`).

    Raises:
        InvalidInputError: The table lacks a column, or has two rows for one bar.
    """
    _need(frame, x, y, low, high, hue)
    names = list(frame[x].unique()) if order is None else list(order)
    groups = [None] if hue is None else list(frame[hue].unique())
    ax = ax or new_figure(size=size)[1][0, 0]
    shades = dict(zip(groups, colours(len(groups)), strict=True))
    width = 0.8 / len(groups)
    for number, group in enumerate(groups):
        part = frame if hue is None else frame[frame[hue] == group]
        if part[x].duplicated().any():
            raise InvalidInputError(
                f"the table has several rows for one bar ({x}{f', {hue}' if hue else ''}); average them first."
            )
        part = part.set_index(x).reindex(names)
        places = np.arange(len(names)) + (number - (len(groups) - 1) / 2) * width
        heights = part[y].to_numpy(dtype=float)
        shade: Any = (
            [(palette or {}).get(n, shades[group]) for n in names]
            if hue is None
            else (palette or {}).get(group, shades[group])
        )
        (ax.barh if horizontal else ax.bar)(places, heights, width * 0.9, color=shade, label=group, zorder=2)
        tops = heights
        if low is not None and high is not None:
            ends = np.stack([heights - part[low].to_numpy(dtype=float), part[high].to_numpy(dtype=float) - heights])
            spread = ends.clip(0)
            whiskers: dict[str, Any] = {"xerr" if horizontal else "yerr": spread, "fmt": "none", "ecolor": "#333333"}
            whiskers |= {"elinewidth": 1, "capsize": 2, "zorder": 3}
            ax.errorbar(*((heights, places) if horizontal else (places, heights)), **whiskers)
            tops = heights + np.nan_to_num(spread[1])
        if values is not None:
            _write_values(ax, places, heights, tops, values, horizontal)
    _name_bars(ax, names, horizontal)
    for name, value in (reference or {}).items():
        (ax.axvline if horizontal else ax.axhline)(
            value, color=NOTE_GREY, linestyle="--", linewidth=1, zorder=4, label=name
        )
    if limits is not None:
        (ax.set_xlim if horizontal else ax.set_ylim)(*limits)
    texts = (ylabel if ylabel is not None else y, xlabel if xlabel is not None else "")
    ax.set(xlabel=texts[0] if horizontal else texts[1], ylabel=texts[1] if horizontal else texts[0])
    _finish(ax, title, legend=hue is not None or bool(reference), legend_title=legend_title)
    return ax.figure  # type: ignore[return-value]


def _write_values(
    ax: Axes, places: np.ndarray, heights: np.ndarray, tops: np.ndarray, form: str, horizontal: bool
) -> None:
    for place, height, top in zip(places, heights, tops, strict=True):
        if np.isfinite(height):
            ax.annotate(
                form.format(height),
                (top, place) if horizontal else (place, top),
                xytext=(3, 0) if horizontal else (0, 2),
                textcoords="offset points",
                ha="left" if horizontal else "center",
                va="center" if horizontal else "bottom",
                fontsize=6.5,
            )


def _name_bars(ax: Axes, names: list[Any], horizontal: bool) -> None:
    texts = [str(name) for name in names]
    if horizontal:
        ax.set_yticks(range(len(names)), texts)
        ax.invert_yaxis()
        ax.grid(False, axis="y")
        return
    figure: Any = ax.get_figure(root=True)
    capacity = 11 * ax.get_position().width * figure.get_figwidth()  # letters side by side
    longest = max((len(line) for text in texts for line in text.split("\n")), default=0)
    crowded = longest * len(texts) > capacity
    ax.set_xticks(range(len(names)), texts, rotation=30 if crowded else 0, ha="right" if crowded else "center")
    ax.grid(False, axis="x")


def curves(
    frame: pd.DataFrame,
    x: str,
    y: str,
    *,
    hue: str | None = None,
    low: str | None = None,
    high: str | None = None,
    reference: Mapping[str, float] | None = None,
    mark: Mapping[str, float] | None = None,
    limits: tuple[float, float] | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    title: str | None = None,
    legend_title: str | None = None,
    palette: Mapping[Any, str] | None = None,
    ax: Axes | None = None,
    size: tuple[float, float] = (4.2, 2.8),
) -> Figure:
    """Draw a line of `y` over `x` for each value of `hue`, with bands from column `low` to column `high`.

    Args:
        frame: one row for each point.
        x: column of positions on the horizontal axis.
        y: column of values.
        hue: column of groups; None for one line.
        low: column of lower ends of the bands; None for no band.
        high: column of upper ends.
        reference: name -> value of horizontal dashed lines.
        mark: name -> position of vertical dotted lines, which are labelled with the name.
        limits: ends of the value axis.
        xlabel: label of the horizontal axis; None for the name of column `x`.
        ylabel: label of the value axis; None for the name of column `y`.
        title: above the axes.
        legend_title: above the legend; the name of the column `hue` is not shown.
        palette: group -> colour.
        ax: where to draw; None for a new figure.
        size: width and height of the new figure in inches.

    Returns:
        The figure (of `ax`).

    Raises:
        InvalidInputError: The table lacks a column.
    """
    _need(frame, x, y, low, high, hue)
    ax = ax or new_figure(size=size)[1][0, 0]
    groups = [None] if hue is None else list(frame[hue].unique())
    for number, (group, shade) in enumerate(zip(groups, colours(len(groups)), strict=True)):
        part = (frame if hue is None else frame[frame[hue] == group]).sort_values(x)
        colour = (palette or {}).get(group, shade)
        marker = "osD^vPX*"[number % 8]
        places = part[x].to_numpy()
        ax.plot(
            places, part[y].to_numpy(dtype=float), marker=marker, markersize=4, color=colour, label=group, linewidth=1.6
        )
        if low is not None and high is not None:
            ax.fill_between(
                places,
                part[low].to_numpy(dtype=float),
                part[high].to_numpy(dtype=float),
                color=colour,
                alpha=0.18,
                linewidth=0,
            )
    for name, value in (reference or {}).items():
        ax.axhline(value, color=NOTE_GREY, linestyle="--", linewidth=1, label=name)
    for name, place in (mark or {}).items():
        ax.axvline(place, color=NOTE_GREY, linestyle=":", linewidth=1, zorder=1)
        text_style: dict[str, Any] = {"fontsize": 6.5, "color": NOTE_GREY, "rotation": 90, "ha": "right", "va": "top"}
        ax.text(place, 0.98, f"{name} ", transform=ax.get_xaxis_transform(), **text_style)
    if limits is not None:
        ax.set_ylim(*limits)
    ax.set(xlabel=xlabel if xlabel is not None else x, ylabel=ylabel if ylabel is not None else y)
    _finish(ax, title, legend=hue is not None or bool(reference), legend_title=legend_title)
    return ax.figure  # type: ignore[return-value]


def heat_table(
    frame: pd.DataFrame,
    *,
    title: str | None = None,
    values: str = "{:.1f}",
    limits: tuple[float, float] | None = None,
    label: str = "",
    xlabel: str | None = None,
    ylabel: str | None = None,
    cmap: str = SEQUENTIAL,
    mark_best: bool | Literal["rows"] = True,
    ax: Axes | None = None,
    size: tuple[float, float] | None = None,
) -> Figure:
    """Draw a table of numbers whose cells are coloured by value on one scale, with a frame around the largest.

    Args:
        frame: numbers; its index names the rows, its columns the columns. A missing number leaves its cell white.
        title: above the table.
        values: format of a number.
        limits: ends of the scale; None for the smallest and largest number.
        label: label of the colour bar.
        xlabel: label below the columns; None for their common name.
        ylabel: label beside the rows; None for their common name.
        cmap: name of a matplotlib colour scale.
        mark_best: whether the largest number is framed, or "rows" for a frame in each row.
        ax: where to draw; None for a new figure.
        size: width and height of the new figure in inches.

    Returns:
        The figure (of `ax`).

    Raises:
        InvalidInputError: The table has no number.
    """
    numbers = frame.to_numpy(dtype=float)
    known = bool(np.isfinite(numbers).any())
    if not numbers.size or not (known or limits):  # with limits, a table of empty cells can be drawn
        raise InvalidInputError("the table has no number to draw; give at least one.")
    rows, columns = numbers.shape
    letters = max(len(str(name)) for name in frame.index)
    size = size or (1.7 + 0.065 * letters + max(0.85 * columns, 1.2), 0.9 + 0.45 * rows)
    ax = ax or new_figure(size=size)[1][0, 0]
    low, high = limits or (float(np.nanmin(numbers)), float(np.nanmax(numbers)))
    drawn = ax.imshow(
        np.ma.masked_invalid(numbers), cmap=cmap, vmin=low, vmax=high if high > low else low + 1, aspect="auto"
    )
    for (row, column), number in np.ndenumerate(numbers):
        if np.isfinite(number):
            red, green, blue, _ = drawn.cmap(drawn.norm(number))
            bright = 0.3 * red + 0.59 * green + 0.11 * blue > 0.55
            ax.text(
                column,
                row,
                values.format(number),
                ha="center",
                va="center",
                color="black" if bright else "white",
                fontsize=8,
            )
    if mark_best and known:
        from matplotlib.patches import Rectangle

        best = [divmod(int(np.nanargmax(numbers)), columns)]
        if mark_best == "rows":
            best = [(row, int(np.nanargmax(line))) for row, line in enumerate(numbers) if np.isfinite(line).any()]
        for row, column in best:
            ax.add_patch(Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fill=False, edgecolor="black", linewidth=2))
    ax.set_xticks(range(columns), [str(name) for name in frame.columns])
    ax.set_yticks(range(rows), [str(name) for name in frame.index])
    ax.set(
        xlabel=xlabel if xlabel is not None else frame.columns.name or "",
        ylabel=ylabel if ylabel is not None else frame.index.name or "",
    )
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.9, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(label)
    if title is not None:
        ax.set_title(title, loc="left")
    return ax.figure  # type: ignore[return-value]


def _need(frame: pd.DataFrame, *columns: str | None) -> None:
    missing = [name for name in columns if name is not None and name not in frame.columns]
    if missing:
        raise InvalidInputError(
            f"the table has no column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}."
        )


def _finish(ax: Axes, title: str | None, *, legend: bool, legend_title: str | None) -> None:
    """Write the title, and place the legend beside the axes, where it covers nothing."""
    if title is not None:
        ax.set_title(title, loc="left")
    if legend:
        ax.legend(title=legend_title, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, borderaxespad=0)
