"""Pipeline diagrams: boxes on a grid, joined by arrows, drawn as vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

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
PICTURE = 0.6  # inches, the side of the square in which each picture of a box is drawn
FOOTER = 0.2  # inches below the boxes, for the line that names model and data


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
        self.check_names(name for arrow in self.arrows for name in arrow)

    def with_labels(self, labels: Mapping[str, str], title: str | None = None) -> Pipeline:
        """Return the pipeline with other texts in some boxes, for example with the values of one image.

        Args:
            labels: Text by the name of a box.
            title: Line above the diagram; None for the present title.

        Returns:
            A new pipeline with the same arrows.

        Raises:
            InvalidInputError: There is no box of that name.
        """
        self.check_names(labels)
        boxes = {name: replace(box, label=labels.get(name, box.label)) for name, box in self.boxes.items()}
        return Pipeline(self.title if title is None else title, boxes, self.arrows)

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse names of boxes that do not exist.

        Args:
            names: Names of boxes.

        Raises:
            InvalidInputError: There is no box of one of the names.
        """
        unknown = sorted(set(names) - set(self.boxes))
        if unknown:
            raise InvalidInputError(
                f"the pipeline has no box {', '.join(unknown)}; the boxes are {', '.join(self.boxes)}."
            )


def show_pipeline(pipeline: Pipeline, pictures: Mapping[str, Sequence[Any]] | None = None) -> Figure:
    """Draw a pipeline diagram.

    Args:
        pipeline: Boxes and arrows.
        pictures: Pictures by the name of a box, at most three for each, drawn below its label: anything that
            `open_image` takes, or a matrix (rows, columns), which is drawn with the colour scale of maps. None draws
            the labels alone.

    Returns:
        A matplotlib Figure whose size follows the number of rows and columns. Saved as SVG, its text stays text.

    Raises:
        InvalidInputError: There is no box of a name in `pictures`, or a box has more than three pictures.

    Examples:
        >>> boxes = {"image": Box("image", 0, 0, "input"), "clip": Box("CLIP", 1, 0, "model")}
        >>> figure = show_pipeline(Pipeline("Image to feature", boxes, [("image", "clip")]))
        >>> len(figure.axes)
        1
    """
    import matplotlib.pyplot as plt

    pictures = dict(pictures or {})
    pipeline.check_names(pictures)
    if any(len(shown) > 3 for shown in pictures.values()):
        raise InvalidInputError("a box holds at most three pictures; give fewer.")
    extra = PICTURE if pictures else 0.0
    layout = _Layout(BOX_HEIGHT + extra, ROW_STEP + extra)
    columns = max(box.column for box in pipeline.boxes.values())
    rows = max(box.row for box in pipeline.boxes.values())
    width = columns * COLUMN_STEP + BOX_WIDTH + 0.2
    height = rows * layout.row_step + layout.box_height + 0.5 + FOOTER
    figure, axes = plt.subplots(figsize=(width, height))
    plt.close(figure)
    axes.set_position((0, 0, 1, 1))
    axes.set_axis_off()
    # One data unit is one inch, so that boxes keep their proportions whatever the grid; rows count downwards.
    axes.set_xlim(-BOX_WIDTH / 2 - 0.1, width - BOX_WIDTH / 2 - 0.1)
    axes.set_ylim(height - layout.box_height / 2 - 0.45, -layout.box_height / 2 - 0.45)
    axes.text(-BOX_WIDTH / 2, -layout.box_height / 2 - 0.38, pipeline.title, fontsize=10, va="top", color=TEXT)
    for name, box in pipeline.boxes.items():
        _draw_box(axes, box, layout, pictures.get(name, ()))
    for source, target in pipeline.arrows:
        _draw_arrow(axes, layout.ends(pipeline.boxes[source], pipeline.boxes[target]))
    return figure


@dataclass(frozen=True)
class _Layout:
    """Sizes of one diagram in inches.

    Attributes:
        box_height: Height of a box.
        row_step: Distance between the centres of neighbouring rows.
    """

    box_height: float
    row_step: float

    def centre(self, box: Box) -> tuple[float, float]:
        """Return x and y of the centre of a box."""
        return box.column * COLUMN_STEP, box.row * self.row_step

    def ends(self, source: Box, target: Box) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return where an arrow leaves one box and where it meets the other."""
        (x0, y0), (x1, y1) = self.centre(source), self.centre(target)
        if abs(x1 - x0) > BOX_WIDTH / 2:  # to another column: from side to side
            side = 1 if x1 > x0 else -1
            return (x0 + side * BOX_WIDTH / 2, y0), (x1 - side * BOX_WIDTH / 2, y1)
        side = 1 if y1 > y0 else -1  # within a column: from edge to edge
        return (x0, y0 + side * self.box_height / 2), (x1, y1 - side * self.box_height / 2)


def _draw_box(axes: Axes, box: Box, layout: _Layout, pictures: Sequence[Any]) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = layout.centre(box)
    axes.add_patch(
        FancyBboxPatch(
            (x - BOX_WIDTH / 2, y - layout.box_height / 2),
            BOX_WIDTH,
            layout.box_height,
            boxstyle="round,pad=0,rounding_size=0.07",
            facecolor=FILLS[box.kind],
            edgecolor=EDGE,
            linewidth=0.9,
        )
    )
    text_y = y - PICTURE / 2 if pictures else y
    axes.text(x, text_y, box.label, ha="center", va="center", fontsize=8, color=TEXT, linespacing=1.15)
    side = min(PICTURE, (BOX_WIDTH - 0.1) / max(len(pictures), 1)) - 0.06
    top = y + layout.box_height / 2 - PICTURE / 2 - 0.04
    for number, picture in enumerate(pictures):
        middle = x + (number - (len(pictures) - 1) / 2) * (side + 0.05)
        _draw_picture(axes, picture, middle, top, side)


def _draw_picture(axes: Axes, picture: Any, x: float, y: float, side: float) -> None:
    """Draw a picture or a matrix around (x, y), its longer side `side` inches."""
    import numpy as np

    from zsris_viz.figures.layout import SEQUENTIAL
    from zsris_viz.images import open_image

    array = np.asarray(picture.detach().cpu() if hasattr(picture, "detach") else picture)
    if array.ndim != 2:
        array = np.asarray(open_image(picture))
    height, width = array.shape[:2]
    half_x, half_y = side / 2 * width / max(height, width), side / 2 * height / max(height, width)
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(
        array,
        cmap=SEQUENTIAL,
        extent=(x - half_x, x + half_x, y + half_y, y - half_y),
        interpolation="nearest" if array.ndim == 2 else "antialiased",
        aspect="auto",
        zorder=3,
    )
    axes.set(xlim=limits[0], ylim=limits[1])


def _draw_arrow(axes: Axes, ends: tuple[tuple[float, float], tuple[float, float]]) -> None:
    start, end = ends
    style = {"arrowstyle": "-|>", "color": EDGE, "lw": 0.9, "shrinkA": 0, "shrinkB": 1}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)
