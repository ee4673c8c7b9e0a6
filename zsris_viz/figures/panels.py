"""Descriptions of what an explorer shows, drawn by the page (`explorers/board.js`) and as a figure (`panel_figures`).

A view is described once: pictures, maps, charts and tables in rows, and the values that a reader can move (a layer, a
head, a patch). Both drawings take titles, colours, limits and legends from the description.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from PIL import Image

from zsris_viz.errors import InvalidInputError

Cursor = dict[str, Any]


@dataclass(frozen=True)
class Axis:
    """A quantity that a reader can change.

    Attributes:
        label: its name, for a slider.
        first: the smallest value.
        names: a text for each value from `first` on.
    """

    label: str
    first: int
    names: tuple[str, ...]

    @property
    def last(self) -> int:
        """The largest value."""
        return self.first + len(self.names) - 1


@dataclass(frozen=True)
class Maps:
    """Maps over the image, or tables over tokens, for every value of some axes.

    Attributes:
        values: (*axes, rows, columns) float32.
        axes: names of the leading axes, in order.
        unit: what the values are, for the colour bar.
        limits: ends of the colour scale; None for each map's own smallest and largest value.
        diverging: whether the scale is diverging, with white in the middle.
    """

    values: np.ndarray
    axes: tuple[str, ...]
    unit: str
    limits: tuple[float, float] | None = None
    diverging: bool = False

    def __post_init__(self) -> None:
        if self.values.ndim != len(self.axes) + 2:
            raise InvalidInputError(
                f"maps of shape {self.values.shape} have {self.values.ndim - 2} leading axes; {len(self.axes)} are "
                f"named: {', '.join(self.axes) or 'none'}."
            )

    def at(self, cursor: Mapping[str, Any], axes: Mapping[str, Axis]) -> np.ndarray:
        """Return the map, (rows, columns), at the values that the cursor has."""
        place = tuple(int(cursor[name]) - axes[name].first for name in self.axes)
        return self.values[place]

    def limits_of(self, values: np.ndarray) -> tuple[float, float]:
        """Return the ends of the colour scale for one of the maps."""
        return self.limits or finite_range(values)


@dataclass(frozen=True)
class Region:
    """A mask in a picture.

    Attributes:
        group: a key of the view's `masks`.
        index: index of the mask in the group.
        role: a key of :data:`zsris_viz.figures.roles.ROLES`.
        label: a text on the mask; empty for none.
        when: values that the cursor must have for the mask to be drawn.
        optional: the mask is drawn only while the cursor's `shown` or `selected` names it, or the mouse is over it.
    """

    group: str
    index: int
    role: str
    label: str = ""
    when: Mapping[str, int] = field(default_factory=dict)
    optional: bool = False

    def visible(self, cursor: Mapping[str, Any]) -> bool:
        """Return whether the cursor's values let the mask be drawn."""
        if any(cursor.get(name) != value for name, value in self.when.items()):
            return False
        return not self.optional or self.index in cursor.get("shown", ()) or self.index == cursor.get("selected")


@dataclass(frozen=True)
class Slider:
    """A control for one axis."""

    axis: str
    kind: Literal["slider"] = "slider"


@dataclass(frozen=True)
class Note:
    """A line of text; with an axis, one text for each of its values."""

    texts: tuple[str, ...]
    axis: str | None = None
    kind: Literal["note"] = "note"

    def at(self, cursor: Mapping[str, Any], axes: Mapping[str, Axis]) -> str:
        """Return the text at the value that the cursor has."""
        return self.texts[0 if self.axis is None else int(cursor[self.axis]) - axes[self.axis].first]


@dataclass(frozen=True)
class PicturePanel:
    """The image with a map or masks on it.

    Attributes:
        title: a text in which {name} stands for the name of an axis' value.
        maps: a key of the view's `maps`; None for the image in colour.
        regions: masks, in the order in which they are drawn.
        hover: the axis that follows the mouse over the grid of patches; None for none.
        choose: the name that a click on a mask sets in the cursor: "selected" or "truth"; None for none.
    """

    title: str
    maps: str | None = None
    regions: tuple[Region, ...] = ()
    hover: str | None = None
    choose: str | None = None
    kind: Literal["picture"] = "picture"


@dataclass(frozen=True)
class MapGrid:
    """Small pictures of the maps for every value of one or two axes, on one colour scale.

    Attributes:
        title: above the grid.
        maps: a key of the view's `maps`.
        rows, columns: axes; `rows` may be None for a single row.
    """

    title: str
    maps: str
    columns: str
    rows: str | None = None
    kind: Literal["grid"] = "grid"


@dataclass(frozen=True)
class LineChart:
    """Shares from 0 to 1 over an axis, one line for each series.

    Attributes:
        title: title of the chart.
        axis: the horizontal axis; a click moves the cursor to its nearest value.
        series: name -> a value for each value of the axis, None where there is none.
        roles: role of each series.
        label: label of the vertical axis.
    """

    title: str
    axis: str
    series: Mapping[str, Sequence[float | None]]
    roles: Mapping[str, str]
    label: str = "IoU"
    kind: Literal["lines"] = "lines"

    @property
    def top(self) -> float:
        """Upper end of the vertical axis: the smallest of 0.1, 0.25, 0.5 and 1 that no value exceeds."""
        highest = max((v for values in self.series.values() for v in values if v is not None), default=1.0)
        return next((end for end in (0.1, 0.25, 0.5) if highest <= end), 1.0)


@dataclass(frozen=True)
class PairChart:
    """Two scores for each of several masks, and which mask each choice is.

    Attributes:
        title: title of the chart, with the unit of the scores.
        indices: numbers of the masks.
        before, after: scores; -inf for an empty mask, which is not drawn.
        chosen: the best mask before and after.
        names: names of the two choices.
    """

    title: str
    indices: tuple[int, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    chosen: tuple[int, int]
    names: tuple[str, str]
    kind: Literal["pairs"] = "pairs"


@dataclass(frozen=True)
class TokenTable:
    """Attention between the tokens of a text, a row for each head.

    Attributes:
        title: a text in which {name} stands for the name of an axis' value.
        tokens: texts of the tokens.
        roles: role of each token, or "".
        maps: a key of the view's `maps`, with (heads, tokens) at each place.
        rows: a name for each row.
        hover: the axis that follows the mouse over the tokens.
        masked: positions of hidden tokens.
        fixed: positions of tokens that cannot be hidden.
    """

    title: str
    tokens: tuple[str, ...]
    roles: tuple[str, ...]
    maps: str
    rows: tuple[str, ...]
    hover: str
    masked: tuple[int, ...] = ()
    fixed: tuple[int, ...] = ()
    kind: Literal["tokens"] = "tokens"


@dataclass(frozen=True)
class RankingTable:
    """A sortable table of masks.

    Attributes:
        columns: names of the numbers.
        indices: numbers of the masks, best first.
        values: a row of numbers for each mask; nan for none.
        chosen: the mask that was chosen; None for none.
    """

    columns: tuple[str, ...]
    indices: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]
    chosen: int | None
    kind: Literal["ranking"] = "ranking"


Panel = Slider | Note | PicturePanel | MapGrid | LineChart | PairChart | TokenTable | RankingTable


@dataclass(frozen=True)
class PanelView:
    """Everything that an explorer shows.

    Attributes:
        title: above the figure: the expression.
        image: RGB.
        rows: panels, side by side in each row.
        axes: name -> axis.
        maps: name -> maps.
        masks: name of a group -> masks, (H, W) bool each.
    """

    title: str
    image: Image.Image
    rows: tuple[tuple[Panel, ...], ...]
    axes: Mapping[str, Axis] = field(default_factory=dict)
    maps: Mapping[str, Maps] = field(default_factory=dict)
    masks: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def text(self, template: str, cursor: Mapping[str, Any]) -> str:
        """Return a title with the names of the cursor's values in place of {axis}."""
        for name, axis in self.axes.items():
            if name in cursor:
                template = template.replace(f"{{{name}}}", axis.names[int(cursor[name]) - axis.first])
        return template


def finite_range(values: Any) -> tuple[float, float]:
    """Return the smallest and the largest finite value; (0, 0) if there is none."""
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, dtype=np.float64)
    finite = array[np.isfinite(array)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def short_number(value: float) -> str:
    """Return a number with three decimals, or three significant digits where that would show too few of them.

    Examples:
        >>> [short_number(value) for value in (0.0, 0.25, -12.3456, 0.00012345, 12345.0, float("nan"))]
        ['0.000', '0.250', '-12.346', '0.00012', '12345', '–']
    """
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 1000:
        return f"{value:.0f}"
    if size >= 0.01 or value == 0:
        return f"{value:.3f}"
    return f"{value:.5f}" if size >= 1e-5 else f"{value:.0e}"
