"""Numbers of a probe by layer: panels of curves with intervals, and one legend for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsris_viz.figures.layout import NOTE_GREY, add_title, grid_shape, new_figure
from zsris_viz.figures.pictures import wrapped
from zsris_viz.figures.roles import role

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTERS = 10  # number of letters of a panel's title per inch
MARKERS = {"measured": "o", "shuffled": "s", "untrained": "D", "positive": "^"}


@dataclass(frozen=True)
class Curve:
    """One curve of a panel: the rows of the table that it shows, and its style.

    Attributes:
        label: Name in the legend; curves of one label share their entry.
        role: Name of a role of :data:`~zsris_viz.figures.roles.ROLES`, which sets the colour.
        kind: Column "kind".
        variant: Column "variant".
        control: Column "control".
    """

    label: str
    role: str
    kind: str
    variant: str
    control: str = "model"


def show_probe_curves(
    table: pd.DataFrame,
    probe: str,
    panels: Mapping[str, Sequence[Curve]],
    *,
    title: str,
    ylabel: str,
    xlabel: str = "layer",
    reference: Mapping[str, float] | None = None,
    limits: tuple[float, float] | None = None,
    columns: int = 4,
    share: bool = True,
    cell: tuple[float, float] = (2.35, 2.5),
) -> Figure:
    """Draw the numbers of one probe by layer, with bands of 95 % where there are at least 20 images.

    Args:
        table: What `run_probes` returns.
        probe: Name of the probe.
        panels: Title of each panel -> its curves. The smallest and largest number of expressions (or images) behind
            a curve of a panel are written below the title.
        title: Title of the figure.
        ylabel: Label of the value axis.
        xlabel: Label of the axis of layers.
        reference: Name -> value of horizontal dashed lines.
        limits: Ends of the value axis.
        columns: Number of panels in a row.
        share: Whether the panels share one value axis.
        cell: Width and height of a panel in inches.

    Returns:
        The figure; a panel without numbers says so.
    """
    rows, columns = grid_shape(len(panels), columns, most=columns)
    fig, axes = new_figure(rows, columns, cell=cell, sharey=share)
    flat = list(axes.flat)
    handles: dict[str, Any] = {}
    for axis, (name, curves) in zip(flat, panels.items(), strict=False):
        drawn = [_draw(axis, table[table["probe"] == probe], curve, handles) for curve in curves]
        counts = sorted({count for count in drawn if count})
        ends = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))) if counts else "0"
        axis.set_title(f"{wrapped(name, int(LETTERS * cell[0]))}\nn = {ends}", loc="left", fontsize=8.5)
        if not counts:
            axis.text(0.5, 0.5, "not measured", ha="center", va="center", color=NOTE_GREY, transform=axis.transAxes)
        for label, value in (reference or {}).items():
            handles[label] = axis.axhline(value, color=NOTE_GREY, linestyle="--", linewidth=1, zorder=1)
        axis.set_xlabel(xlabel)
        axis.xaxis.get_major_locator().set_params(integer=True)
        if limits is not None:
            axis.set_ylim(*limits)
    for axis in flat[len(panels) :]:
        axis.set_axis_off()
    for row in axes:
        row[0].set_ylabel(ylabel)
    if handles:
        fig.legend(list(handles.values()), list(handles), loc="outside right center", frameon=False)
    add_title(fig, title)
    return fig


def _draw(axis: Axes, table: pd.DataFrame, curve: Curve, handles: dict[str, Any]) -> int:
    """Draw one curve, and return the number of expressions (or images) behind it, 0 if there is none."""
    rows = table[(table["kind"] == curve.kind) & (table["variant"] == curve.variant)]
    rows = rows[(rows["control"] == curve.control) & rows["head"].isna() & rows["value"].notna()].sort_values("layer")
    if rows.empty:
        return 0
    colour, marker = role(curve.role).colour, MARKERS.get(curve.role, "o")
    layers = rows["layer"].to_numpy(dtype=float)
    low, high = (rows[name].to_numpy(dtype=float) for name in ("low", "high"))
    axis.fill_between(layers, low, high, color=colour, alpha=0.18, linewidth=0)
    style: dict[str, Any] = {"marker": marker, "markersize": 3.5, "linewidth": 1.5, "color": colour}
    (handles[curve.label],) = axis.plot(layers, rows["value"].to_numpy(dtype=float), **style)
    return int(rows["n"].max())
