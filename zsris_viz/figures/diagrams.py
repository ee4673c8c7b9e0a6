"""Pipeline diagrams: boxes on a grid, joined by arrows, drawn as vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zsris_viz.errors import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BoxKind = Literal["input", "model", "operation", "feature", "output"]

# Light fills with one dark text colour keep every label readable in print and on a projector.
FILLS: Mapping[str, str] = {
    "input": "#DCEBF7",
    "model": "#E4E4E4",
    "operation": "#FFFFFF",
    "feature": "#FBE8C8",
    "output": "#F9D9C6",
}
EDGE, TEXT = "#444444", "#222222"
BOX_WIDTH, BOX_HEIGHT = 1.42, 0.56  # inches
COLUMN_STEP, ROW_STEP = 1.95, 0.86  # inches between the centres of neighbouring boxes


@dataclass(frozen=True)
class Box:
    """One box of a pipeline diagram.

    Attributes:
        label: Text in the box; a line break starts a new line.
        column: Position from the left, in columns; fractions are allowed.
        row: Position from the top, in rows; fractions are allowed.
        kind: Role of the box, which sets its fill: "input", "model", "operation", "feature" or "output".
    """

    label: str
    column: float
    row: float
    kind: BoxKind = "operation"


@dataclass(frozen=True)
class Pipeline:
    """A pipeline as a graph of boxes.

    Attributes:
        title: One line that is drawn above the diagram.
        boxes: Boxes by name.
        arrows: Pairs (name of the source, name of the target).

    Raises:
        InvalidInputError: An arrow names a box that does not exist, or there is no box.
    """

    title: str
    boxes: Mapping[str, Box]
    arrows: Sequence[tuple[str, str]]

    def __post_init__(self) -> None:
        if not self.boxes:
            raise InvalidInputError("a pipeline needs at least one box; none was given.")
        unknown = sorted({name for arrow in self.arrows for name in arrow} - set(self.boxes))
        if unknown:
            raise InvalidInputError(
                f"arrows name boxes that do not exist: {', '.join(unknown)}; the boxes are {', '.join(self.boxes)}."
            )


def show_pipeline(pipeline: Pipeline) -> Figure:
    """Draw a pipeline diagram.

    Args:
        pipeline: Boxes and arrows.

    Returns:
        A matplotlib Figure whose size follows the number of rows and columns. Saved as SVG, its text stays text.

    Examples:
        >>> boxes = {"image": Box("image", 0, 0, "input"), "clip": Box("CLIP", 1, 0, "model")}
        >>> figure = show_pipeline(Pipeline("Image to feature", boxes, [("image", "clip")]))
        >>> len(figure.axes)
        1
    """
    import matplotlib.pyplot as plt

    columns = max(box.column for box in pipeline.boxes.values())
    rows = max(box.row for box in pipeline.boxes.values())
    width = columns * COLUMN_STEP + BOX_WIDTH + 0.2
    height = rows * ROW_STEP + BOX_HEIGHT + 0.5
    figure, axes = plt.subplots(figsize=(width, height))
    plt.close(figure)
    axes.set_position((0, 0, 1, 1))
    axes.set_axis_off()
    # One data unit is one inch, so that boxes keep their proportions whatever the grid; rows count downwards.
    axes.set_xlim(-BOX_WIDTH / 2 - 0.1, width - BOX_WIDTH / 2 - 0.1)
    axes.set_ylim(height - BOX_HEIGHT / 2 - 0.45, -BOX_HEIGHT / 2 - 0.45)
    axes.text(-BOX_WIDTH / 2, -BOX_HEIGHT / 2 - 0.38, pipeline.title, fontsize=10, va="top", color=TEXT)
    for box in pipeline.boxes.values():
        _draw_box(axes, box)
    for source, target in pipeline.arrows:
        _draw_arrow(axes, pipeline.boxes[source], pipeline.boxes[target])
    return figure


def _centre(box: Box) -> tuple[float, float]:
    return box.column * COLUMN_STEP, box.row * ROW_STEP


def _draw_box(axes: Axes, box: Box) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = _centre(box)
    axes.add_patch(
        FancyBboxPatch(
            (x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2),
            BOX_WIDTH,
            BOX_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.07",
            facecolor=FILLS[box.kind],
            edgecolor=EDGE,
            linewidth=0.9,
        )
    )
    axes.text(x, y, box.label, ha="center", va="center", fontsize=8, color=TEXT, linespacing=1.15)


def _draw_arrow(axes: Axes, source: Box, target: Box) -> None:
    start, end = _ends(source, target)
    style = {"arrowstyle": "-|>", "color": EDGE, "lw": 0.9, "shrinkA": 0, "shrinkB": 1}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)


def _ends(source: Box, target: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    (x0, y0), (x1, y1) = _centre(source), _centre(target)
    if abs(x1 - x0) > BOX_WIDTH / 2:  # to another column: from side to side
        side = 1 if x1 > x0 else -1
        return (x0 + side * BOX_WIDTH / 2, y0), (x1 - side * BOX_WIDTH / 2, y1)
    side = 1 if y1 > y0 else -1  # within a column: from edge to edge
    return (x0, y0 + side * BOX_HEIGHT / 2), (x1, y1 - side * BOX_HEIGHT / 2)
