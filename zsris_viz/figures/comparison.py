"""Figures that compare measured with published numbers, and figures of ablations."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.charts import curves
from zsris_viz.figures.layout import CHOSEN, NOTE_GREY, add_title, new_figure
from zsris_viz.figures.roles import ROLES
from zsris_viz.notebook_display import p_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND_WIDTH = 2.2  # inches
CLEAR = 0.05  # corrected p-values below it count as differences
GROUPS = {"negated": "negated", "as it is": "not negated"}  # group of the rows of an ablation -> role


def show_comparison(
    frame: pd.DataFrame,
    metric: str,
    *,
    pairs: pd.DataFrame | None = None,
    reference: str | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the measured value (filled, with its interval) beside the published one (hollow) for each row of a table.

    Every column that was measured has a panel, whose title names its images and their number. If none was, one panel
    has the published means over the columns.

    Args:
        frame: what :func:`zsris_viz.papers.comparison.comparison_table` returns.
        metric: "mIoU" or "oIoU".
        pairs: what :func:`zsris_viz.papers.comparison.paired_table` returns for the same table; it adds a panel of
            paired differences for each column, in which a filled point has p below 0.05 after Holm's correction.
        reference: row that is subtracted in `pairs`; its name is bold. None if every row has a reference of its own.
        title: above the panels.

    Returns:
        The figure.

    Raises:
        InvalidInputError: The table does not have the metric.
    """
    part = frame[frame["metric"] == metric]
    if part.empty:
        raise InvalidInputError(f"the table has no {metric!r}; it has {', '.join(dict.fromkeys(frame['metric']))}.")
    known = part[part["measured"].notna() | part["published"].notna()]
    part = known if len(known) else part
    names = list(dict.fromkeys(part["line"]))
    columns = _measured_columns(part)
    paired = pairs is not None and not pairs.empty
    count = max(1, len(columns)) * (1 + paired)
    longest = max(len(name) for name in names)
    size = (min(1.2 + 0.075 * longest, 4.0) + 2.4 * max(count, 2), 1.5 + 0.23 * len(names))
    fig, axes = new_figure(1, count, size=size, sharey=True)
    panels = iter(axes[0])
    for key, cells in columns or [(None, part)]:
        _draw_values(next(panels), names, cells, metric)
        if paired:
            assert pairs is not None
            mine = pairs if key is None else pairs[(pairs["dataset"] == key[0]) & (pairs["split"] == key[1])]
            _draw_differences(next(panels), names, mine, reference)
    axes[0, 0].set_yticks(range(len(names)), names)
    axes[0, 0].set_ylim(len(names) - 0.4, -0.6)
    for label in axes[0, 0].get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == reference else "normal")
    _add_legend(fig, axes[0, 0], part)
    letters = int(11 * (size[0] - LEGEND_WIDTH))  # the legend stands to the right of the title
    add_title(fig, title and textwrap.fill(title, letters))
    return fig


def _measured_columns(part: pd.DataFrame) -> list[tuple[Any, pd.DataFrame]]:
    """Return key and cells of every column in which a row was measured."""
    groups = part.groupby(["dataset", "split", "split_by"], sort=False)
    return [(key, cells) for key, cells in groups if cells["measured"].notna().any()]


def _draw_values(ax: Axes, names: Sequence[str], cells: pd.DataFrame, metric: str) -> None:
    """Draw both points of each row of one column (of the means over columns, if none was measured)."""
    measured = cells[cells["measured"].notna()]
    sizes = measured.drop_duplicates(["n", "images"])
    for place, name in enumerate(names):
        mine = cells[cells["line"] == name]
        printed, value = mine["published"].mean(), mine["measured"].mean()
        colour = NOTE_GREY if name.startswith(("chance", "upper bound")) else ROLES["measured"].colour
        if not math.isnan(value):
            if not math.isnan(printed):
                ax.plot([value, printed], [place, place], color=NOTE_GREY, linewidth=0.8, zorder=1)
            ends = [float(mine["low"].iloc[0]), float(mine["high"].iloc[0])]
            ax.plot(ends, [place, place], color=colour, linewidth=2.4, alpha=0.45, zorder=2)
            ax.plot([value], [place], "o", color=colour, zorder=4)
        elif len(mine) and not math.isnan(printed):
            ax.annotate(
                "not measured", (printed, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=6,
                color=NOTE_GREY,
            )  # fmt: skip
        if not math.isnan(printed):
            ax.plot([printed], [place], "o", color=NOTE_GREY, markerfacecolor="white", zorder=3)
    where = measured["measured_on"].iloc[0] if len(measured) else "published only"
    counts = " or ".join(f"{int(row.n)}" for row in sizes.sort_values("n").itertuples())
    images = " or ".join(dict.fromkeys(f"{int(row.images)}" for row in sizes.sort_values("n").itertuples()))
    ax.set_title(f"{where}" + (f"\nn = {counts} ({images} images)" if len(measured) else ""), loc="left")
    ax.set_xlabel(f"{metric}, %")
    ax.grid(False, axis="y")


def _draw_differences(ax: Axes, names: Sequence[str], pairs: pd.DataFrame, reference: str | None) -> None:
    """Draw the paired difference of each row of one column."""
    ax.axvline(0, color="black", linewidth=0.8, zorder=1)
    for place, name in enumerate(names):
        mine = pairs[pairs["line"] == name]
        if len(mine):
            _draw_difference(ax, place, next(mine.itertuples()))
    ax.set_title("paired difference\nfilled: p < 0.05 after Holm", loc="left")
    ax.set_xlabel("from its reference, points" if reference is None else "from the row in bold, points")
    ax.grid(False, axis="y")
    ax.margins(x=0.08)


def _draw_difference(ax: Axes, place: float, line: Any, colour: str = CHOSEN, *, upright: bool = False) -> None:
    """Draw one difference with its interval, filled if its corrected p-value is below 0.05."""
    ends, both, points = [line.low, line.high], [place, place], ([line.difference], [place])
    ax.plot(*((both, ends) if upright else (ends, both)), color=colour, linewidth=2.4, alpha=0.45, zorder=2)
    fill = colour if line.p_holm < CLEAR else "white"
    ax.plot(*(points[::-1] if upright else points), "o", color=colour, markerfacecolor=fill, zorder=3)


def _add_legend(fig: Figure, ax: Axes, part: pd.DataFrame) -> None:
    colour = ROLES["measured"].colour
    entries = [("measured", colour, colour)] if part["measured"].notna().any() else []
    entries += [("published", NOTE_GREY, "white")] if part["published"].notna().any() else []
    handles = [ax.plot([], [], "o", color=edge, markerfacecolor=face, label=label)[0] for label, edge, face in entries]
    fig.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False)


def show_ablation(
    frame: pd.DataFrame,
    metric: str,
    *,
    varied: str,
    pairs: pd.DataFrame | None = None,
    reference: str | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the effect of one setting: curves if its values are numbers, otherwise the rows of `show_comparison`.

    Args:
        frame: what :func:`zsris_viz.papers.comparison.comparison_table` returns, with one column.
        metric: "mIoU" or "oIoU".
        varied: name of the setting, written below the axes.
        pairs: see :func:`show_comparison`.
        reference: row that is subtracted in `pairs`; a vertical line marks its value.
        title: above the axes.

    Returns:
        The figure.

    Raises:
        InvalidInputError: Nothing was measured.
    """
    import pandas as pd

    part = frame[(frame["metric"] == metric) & frame["measured"].notna()]
    limits = part[part["line"].str.startswith(("chance", "upper bound"))]
    part = part.drop(index=limits.index)
    if part.empty:
        raise InvalidInputError(f"nothing was measured: {', '.join(dict.fromkeys(frame['note']))}.")
    points = part.assign(**_places(part["line"]))
    if points["place"].isna().any():
        return show_comparison(frame, metric, pairs=pairs, reference=reference, title=title)
    paired = pairs is not None and not pairs.empty
    fig, axes = new_figure(1, 1 + paired, size=(4.6 + 3.8 * paired, 3.1))
    hue = "group" if points["group"].nunique() > 1 else None
    palette = {group: ROLES[GROUPS.get(group, "measured")].colour for group in [None, *points["group"]]}
    own = _places(pd.Series([reference or ""]))["place"].iloc[0]
    first, where = part.iloc[0], ", ".join(f"{row.line} {row.measured:.1f}" for row in limits.itertuples())
    curves(
        points, "place", "measured", hue=hue, low="low", high="high", xlabel=varied, ylabel=f"{metric}, %",
        palette=palette, ax=axes[0, 0],
        title=f"{first.measured_on}\nn = {int(first.n)} ({int(first.images)} images); {where}",
    )  # fmt: skip
    if paired:
        assert pairs is not None
        places = pairs.assign(**_places(pairs["line"]))
        axes[0, 1].axhline(0, color="black", linewidth=0.8, zorder=1)
        shifts = {group: 0.12 * number for number, group in enumerate(points["group"].unique())}
        for line in places.itertuples():
            colour = palette[line.group if hue else None]
            _draw_difference(axes[0, 1], line.place + shifts[line.group], line, colour, upright=True)
        axes[0, 1].set(xlabel=varied, ylabel="points")
        axes[0, 1].set_title(f"paired difference from {reference};\nfilled: p < 0.05 after Holm", loc="left")
    named = points[pd.to_numeric(points["line"].str.split(", ").str[0], errors="coerce").isna()]
    for ax in axes[0]:
        ax.axvline(own, color=NOTE_GREY, linestyle=":", linewidth=1, zorder=1)
        if len(named):
            known = points.drop(index=named.index)["place"].drop_duplicates().tolist()
            texts = [*(f"{place:g}" for place in known), *named["line"].str.split(", ").str[0].drop_duplicates()]
            ax.set_xticks([*known, *named["place"].drop_duplicates()], texts)
    if (legend := axes[0, 0].get_legend()) is not None:
        legend.set_bbox_to_anchor(None)
        legend.set_loc("best")
    add_title(fig, title)
    return fig


def _places(labels: pd.Series) -> dict[str, pd.Series]:
    """Return the place of every label "VALUE" or "VALUE, GROUP" on an axis of numbers, and its group.

    A value that is not a number stands behind the numbers; without any two numbers all places are nan.
    """
    import pandas as pd

    parts = labels.str.partition(", ")
    values = pd.to_numeric(parts[0], errors="coerce")
    if values.notna().sum() > 1:
        step = values.drop_duplicates().sort_values().diff().min()
        values = values.fillna(values.max() + 1.5 * step)
    return {"place": values, "group": parts[2]}


def show_differences(frame: pd.DataFrame, rows: str, *, xlabel: str, title: str | None = None) -> Figure:
    """Draw paired differences as points with their intervals and corrected p-values; a filled point has p below 0.05.

    Args:
        frame: a row for each comparison with the columns difference, low, high (points), p_holm, n, and `rows`; as
            `Evaluation.compare_all` and :func:`zsris_viz.papers.comparison.paired_table` return it. An interval that is
            nan is not drawn.
        rows: column that names the comparisons.
        xlabel: what is subtracted from what, and the unit.
        title: above the axes.

    Returns:
        The figure.

    Raises:
        InvalidInputError: There is no comparison.
    """
    if frame.empty:
        raise InvalidInputError("there is no comparison to draw; give at least one row.")
    fig, axes = new_figure(size=(6.8, 0.9 + 0.27 * len(frame)))
    ax = axes[0, 0]
    ax.axvline(0, color="black", linewidth=0.8, zorder=1)
    for place, line in enumerate(frame.itertuples()):
        _draw_difference(ax, place, line)
        text = p_text(line.p_holm)
        text = f"p {text}" if text.startswith("<") else f"p = {text}"
        ax.annotate(
            text, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=7, annotation_clip=False
        )
    ax.set_yticks(range(len(frame)), [f"{name} (n = {n})" for name, n in zip(frame[rows], frame["n"], strict=True)])
    ax.set(xlabel=xlabel, ylim=(len(frame) - 0.4, -0.6))
    ax.grid(False, axis="y")
    ax.margins(x=0.08)
    if title is not None:
        ax.set_title(title, loc="left")
    return fig
