"""Grids of the masks chosen by methods or settings for several expressions (as Figures 5-7 of Yu et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.layout import CHOSEN, TRUTH, add_title, new_figure
from zsris_viz.figures.outlines import as_mask
from zsris_viz.figures.pictures import add_mask, show_image, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zsris_viz.images import ImageSource

RIGHT = 0.5  # IoU above which a choice is correct


@dataclass(frozen=True)
class Choices:
    """The masks chosen for one expression: a row of :func:`show_choices`.

    Attributes:
        image: anything that `open_image` takes.
        caption: above the image, for example the expression.
        truth: (H, W) bool, the ground truth, or None.
        chosen: name of the column -> (H, W) bool, or None for no choice.
    """

    image: ImageSource
    caption: str
    truth: Any = None
    chosen: Mapping[str, Any] = field(default_factory=dict)


def show_choices(rows: Sequence[Choices], *, title: str | None = None, cell: float = 1.6, letters: int = 26) -> Figure:
    """Draw a row for each expression: the image with the ground truth (dashed blue), then each choice (vermilion).

    The IoU with the ground truth is written above each choice, and the name of the column above its first choice. A
    correct choice has a blue frame.

    Args:
        rows: at least one; a column that a row does not have stays empty.
        title: title of the figure.
        cell: width of a picture in inches.
        letters: largest number of letters in a line of the caption.

    Returns:
        The figure.

    Raises:
        InvalidInputError: There is no row.
    """
    if not rows:
        raise InvalidInputError("there is no choice to draw; give at least one row.")
    names = list(dict.fromkeys(name for row in rows for name in row.chosen))
    fig, axes = new_figure(len(rows), 1 + len(names), cell=(cell, cell + 0.45))
    unnamed = set(names)
    for line, row in zip(axes, rows, strict=True):
        show_image(line[0], row.image, wrapped(row.caption, letters))
        if row.truth is not None:
            add_mask(line[0], row.truth, TRUTH, fill=0.15, dashed=True)
        for axis, name in zip(line[1:], names, strict=True):
            if name not in row.chosen:
                axis.set_axis_off()
                continue
            show_image(axis, row.image)
            mask = row.chosen[name]
            if mask is not None:
                add_mask(axis, mask, CHOSEN)
            overlap = None if row.truth is None else _iou(mask, row.truth)
            right = overlap is not None and overlap > RIGHT
            texts = ([wrapped(name, 18)] if name in unnamed else []) + (
                [] if overlap is None else [f"IoU {overlap:.2f}"]
            )
            unnamed.discard(name)
            axis.set_title("\n".join(texts), color=TRUTH if right else "black")
            for spine in axis.spines.values():
                spine.set_visible(right)
                spine.set_color(TRUTH)
                spine.set_linewidth(2.2)
    add_title(fig, title)
    return fig


def _iou(mask: Any, truth: Any) -> float:
    """Return the intersection over union; 0 without a mask."""
    if mask is None:
        return 0.0
    predicted, reference = as_mask(mask), as_mask(truth)
    return float((predicted & reference).sum() / max((predicted | reference).sum(), 1))
