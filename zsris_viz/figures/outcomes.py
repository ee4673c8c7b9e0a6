"""Stacked bars of the outcomes of expressions: how many are right, and in which way the others are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.layout import new_figure
from zsris_viz.figures.roles import role

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOM = 6.0  # per cent of the axis that the text of a segment needs


def show_outcomes(
    frame: pd.DataFrame, rows: str = "method", *, title: str | None = None, ax: Axes | None = None, width: float = 7.4
) -> Figure:
    """Draw a bar for each row, cut into the shares of its outcomes, which add up to 100 per cent.

    Args:
        frame: what :func:`zsris_viz.evaluation.outcome_table` returns: the columns outcome, share (per cent), n, and
            `rows`. Rows without a share (fewer than 10 expressions) are left out.
        rows: column that names the bars.
        title: above the axes.
        ax: where to draw; None for a new figure.
        width: width of a new figure in inches.

    Returns:
        The figure (of `ax`).

    Raises:
        InvalidInputError: No row has a share.
    """
    known = frame[frame["share"].notna()]
    if known.empty:
        raise InvalidInputError("no row has a share: every group has fewer than 10 expressions; evaluate more images.")
    wide = known.pivot(index=rows, columns="outcome", values="share").reindex(list(dict.fromkeys(known[rows])))
    counts = known.drop_duplicates(rows).set_index(rows)["n"]
    outcomes = [name for name in dict.fromkeys(known["outcome"]) if wide[name].gt(0).any()]
    ax = ax or new_figure(size=(width, 0.9 + 0.27 * len(wide)))[1][0, 0]
    left = np.zeros(len(wide))
    for name in outcomes:
        shares = wide[name].to_numpy(dtype=float)
        bars = ax.barh(range(len(wide)), shares, left=left, color=role(name).colour, height=0.75, label=name, zorder=2)
        texts = [f"{share:.0f}" if share >= ROOM else "" for share in shares]
        dark = name in ("failed", "more than the object", "right class, wrong instance", "right")
        ax.bar_label(bars, texts, label_type="center", fontsize=6.5, color="white" if dark else "black")
        left += shares
    ax.set_yticks(range(len(wide)), [f"{name} (n = {counts[name]})" for name in wide.index])
    ax.set(xlim=(0, 100), ylim=(len(wide) - 0.5, -0.5), xlabel="expressions, %")
    ax.grid(False, axis="y")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, borderaxespad=0)
    if title is not None:
        ax.set_title(title, loc="left")
    return ax.figure  # type: ignore[return-value]
