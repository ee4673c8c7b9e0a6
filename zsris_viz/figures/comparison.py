"""Figures that compare measured with published numbers, and figures of ablations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.charts import bars_with_intervals, curves
from zsris_viz.figures.layout import CHOSEN, NOTE_GREY, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def show_comparison(frame: pd.DataFrame, metric: str, *, title: str | None = None) -> Figure:
    """Draw the measured value (vermilion, with its interval) beside the published one (hollow) for each row of a table.

    With several columns both are means over the columns that were measured, without an interval. A row that was not
    measured states the reason.

    Args:
        frame: what :func:`zsris_viz.papers.comparison.comparison_table` returns.
        metric: "mIoU" or "oIoU".
        title: above the axes.

    Returns:
        The figure.

    Raises:
        InvalidInputError: The table does not have the metric.
    """
    part = frame[frame["metric"] == metric]
    if part.empty:
        raise InvalidInputError(f"the table has no {metric!r}; it has {', '.join(dict.fromkeys(frame['metric']))}.")
    names = list(dict.fromkeys(part["line"]))
    fig, axes = new_figure(size=(6.4, 0.9 + 0.27 * len(names)))
    ax = axes[0, 0]
    for place, name in enumerate(names):
        _draw_line(ax, place, part[part["line"] == name])
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel=f"{metric}, %", ylim=(len(names) - 0.4, -0.6))
    ax.grid(False, axis="y")
    handles = [
        ax.plot([], [], "o", color=CHOSEN, label="measured")[0],
        ax.plot([], [], "o", color=NOTE_GREY, markerfacecolor="white", label="published")[0],
    ]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, borderaxespad=0)
    if title is not None:
        ax.set_title(title, loc="left")
    return fig


def _draw_line(ax: Any, place: int, cells: pd.DataFrame) -> None:
    """Draw the two points of one row, and the difference between them."""
    measured = cells[cells["measured"].notna()]
    printed = (measured if len(measured) else cells)["published"]
    there = float(printed.mean()) if printed.notna().any() else None
    here = float(measured["measured"].mean()) if len(measured) else None
    if there is not None:
        ax.plot([there], [place], "o", color=NOTE_GREY, markerfacecolor="white", zorder=3)
    if here is None:
        reason = next(iter(cells["note"]), "")
        text = ax.annotate(
            f"not measured: {_cut(reason)}", (there if there is not None else 0, place), xytext=(8, 0),
            textcoords="offset points", va="center", fontsize=6.5, color=NOTE_GREY,
        )  # fmt: skip
        text.set_in_layout(False)  # a long reason must not push the axes together
        return
    if there is not None:
        ax.plot([here, there], [place, place], color=NOTE_GREY, linewidth=0.8, zorder=1)
    if len(measured) == 1:
        low, high = measured["low"].iloc[0], measured["high"].iloc[0]
        ax.plot([low, high], [place, place], color=CHOSEN, linewidth=2.4, alpha=0.45, zorder=2)
    ax.plot([here], [place], "o", color=CHOSEN, zorder=4)


def _cut(text: str, letters: int = 60) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"


def show_ablation(frame: pd.DataFrame, metric: str, *, varied: str, title: str | None = None) -> Figure:
    """Draw the effect of one setting: a curve if its values are numbers, otherwise bars.

    Args:
        frame: what :func:`zsris_viz.papers.comparison.comparison_table` returns, with one column.
        metric: "mIoU" or "oIoU".
        varied: name of the setting, written below the axes.
        title: above the axes.

    Returns:
        The figure.

    Raises:
        InvalidInputError: Nothing was measured.
    """
    import pandas as pd

    part = frame[(frame["metric"] == metric) & frame["measured"].notna()]
    part = part[~part["line"].str.startswith(("chance", "upper bound"))]
    if part.empty:
        raise InvalidInputError(f"nothing was measured: {', '.join(dict.fromkeys(frame['note']))}.")
    values = pd.to_numeric(part["line"], errors="coerce")
    wanted: dict[str, Any] = {"low": "low", "high": "high", "title": title}
    if values.notna().all():
        shown = part.assign(value=values)
        return curves(shown, "value", "measured", xlabel=varied, ylabel=f"{metric}, %", **wanted)
    size = (6.4, 0.9 + 0.3 * len(part))
    return bars_with_intervals(part, "line", "measured", horizontal=True, ylabel=f"{metric}, %", size=size, **wanted)


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
        ax.plot([line.low, line.high], [place, place], color=CHOSEN, linewidth=2.4, alpha=0.45, zorder=2)
        clear = line.p_holm < 0.05
        ax.plot([line.difference], [place], "o", color=CHOSEN, markerfacecolor=CHOSEN if clear else "white", zorder=3)
        text = "p < 0.001" if line.p_holm < 0.001 else f"p = {line.p_holm:.3f}"
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
