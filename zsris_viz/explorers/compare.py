"""CompareExplorer: two expressions under one method, or two methods for one expression, and where they differ."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import torch

from zsris_viz.explorers.base import Explorer, dropdown, observe, row, text_box
from zsris_viz.explorers.clickable import Clickable
from zsris_viz.explorers.method_state import RankingState, methods_for, painted_scores
from zsris_viz.explorers.raster import Canvas, colour_bar, markup, number
from zsris_viz.explorers.state import checked_text, one_of
from zsris_viz.figures.layout import CHOSEN, TRUTH
from zsris_viz.images import ImageSource
from zsris_viz.methods.base import Ranking

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: an expression and a method."""

    expression: str
    method: str


class CompareState(RankingState):
    """Two rankings of the same proposals, and their difference on the image.

    Args:
        image, clip, proposals, truth, parser: see :class:`~zsris_viz.explorers.method_state.RankingState`.
        expression, method: of the first. other_expression, other_method: of the second; None for the first's.

    Attributes:
        first, second: the sides; change them with :meth:`set`. rankings: theirs.
    """

    def __init__(
        self,
        image: ImageSource,
        expression: str,
        other_expression: str | None = None,
        clip: Any = "miniature",
        *,
        method: str = "global-local",
        other_method: str | None = None,
        proposals: Any = "felzenszwalb",
        truth: Any = None,
        parser: Any = None,
    ) -> None:
        super().__init__(image, clip, proposals, truth=truth, parser=parser)
        self.first = self.second = Side("", "")
        self.rankings: tuple[Ranking, Ranking]
        other = Side(other_expression or expression, other_method or method)
        self.set(first=Side(expression, method), second=other)

    def set(self, **changes: Side) -> None:
        """Change `first`, `second` or both; both, or none if one is wrong."""
        for name in changes:
            one_of(name, ("first", "second"), "setting")
        sides = [changes.get("first", self.first), changes.get("second", self.second)]
        one, two = (self.ranking_of(checked_text(side.expression), side.method) for side in sides)
        (self.first, self.second), self.rankings = sides, (one, two)

    def difference(self) -> np.ndarray:
        """(H, W) float32: the first's painted scores minus the second's, in standard deviations of each ranking."""
        one, two = (painted_scores(ranking, self.scene.masks) for ranking in self.rankings)
        return one - two

    def agreement(self) -> tuple[bool, float]:
        """Whether both choose the same mask, and Spearman's correlation of their scores (1 with a single proposal)."""
        one, two = self.rankings
        same = torch.equal(one.mask, two.mask)
        real = (one.scores.isfinite() & two.scores.isfinite()).numpy()
        if real.sum() < 2:
            return same, 1.0
        from scipy.stats import rankdata

        ranks = [rankdata(ranking.scores.numpy()[real]) for ranking in self.rankings]
        if any(np.ptp(one_ranks) == 0 for one_ranks in ranks):
            return same, float("nan")
        return same, float(np.corrcoef(*ranks)[0, 1])


class CompareExplorer(Explorer):
    """Two choices side by side and the map of their difference.

    The difference map: each ranking's scores, standardised, painted on the masks and subtracted; red where the first
    thinks more of a place, blue where the second does. The scale is symmetric around 0 and as wide as the largest
    difference. With a single proposal nothing can differ, and the map is 0.

    Args:
        image, expression, other_expression, clip, method, other_method, proposals, truth, parser: see
            :class:`CompareState`.

    Raises:
        InvalidInputError, InvalidTypeError, UnavailableError: as CompareState.

    Example::

        CompareExplorer(sample.image, "the left cat", "the right cat", proposals=sample.instances)
        CompareExplorer(sample.image, "the left cat", method="cropping", other_method="global-local")
    """

    def __init__(
        self,
        image: ImageSource,
        expression: str,
        other_expression: str | None = None,
        clip: Any = "miniature",
        *,
        method: str = "global-local",
        other_method: str | None = None,
        proposals: Any = "felzenszwalb",
        truth: Any = None,
        parser: Any = None,
    ) -> None:
        state = CompareState(
            image,
            expression,
            other_expression,
            clip,
            method=method,
            other_method=other_method,
            proposals=proposals,
            truth=truth,
            parser=parser,
        )
        self.canvas = Canvas(state.scene.image)
        names = [(name, name) for name in methods_for(state.clip)]
        self.expressions = [text_box(state.first.expression, "A"), text_box(state.second.expression, "B")]
        self.methods = [dropdown("method", names, side.method) for side in (state.first, state.second)]
        self.told = ipywidgets.HTML()
        self.told.add_class("zsris-told")
        self.pictures = [Clickable(), Clickable(), Clickable()]
        for part, name in zip(self.pictures, ("first", "second", "difference"), strict=True):
            part.add_class(f"zsris-{name}")
        super().__init__(
            state,
            [
                row(self.expressions[0], self.methods[0]),
                row(self.expressions[1], self.methods[1]),
                self.told,
                row(*self.pictures, align="flex-start"),
            ],
        )
        self.redraw()
        for place, name in enumerate(("first", "second")):
            observe(self.expressions[place], partial(self._turn, name, "expression"))
            observe(self.methods[place], partial(self._turn, name, "method"))

    def _turn(self, name: str, what: str, new: str) -> None:
        self._change(name, **{what: new})

    def _change(self, name: str, **change: str) -> None:
        old = getattr(self.state, name)
        side = Side(change.get("expression", old.expression), change.get("method", old.method))
        if not self.attempt(lambda: self.state.set(**{name: side}), busy="computing ...") and "method" in change:
            self.put({self.methods[name == "second"]: old.method})

    def redraw(self) -> None:
        """See `Explorer.redraw`."""
        state, canvas = self.state, self.canvas
        self.put({box: side.method for box, side in zip(self.methods, (state.first, state.second), strict=True)})
        for part, ranking, title in zip(self.pictures, state.rankings, titles(state), strict=False):
            picture = canvas.plain()
            if bool(ranking.mask.any()):
                picture = canvas.outline(canvas.tint(picture, ranking.mask, CHOSEN), ranking.mask, CHOSEN)
            if state.truth is not None:
                picture = canvas.outline(picture, state.truth, TRUTH, dashed=True)
            part.markup = markup(picture, title)
        difference = state.difference()
        reach = float(np.abs(difference).max())
        bar = colour_bar((-reach, reach), diverging=True, width=canvas.size[1])
        self.pictures[2].markup = markup(
            canvas.heat(difference, (-reach, reach), diverging=True), "A minus B", below=bar
        )
        self.told.value = told(state)

    def static(self, data: Any = None) -> Figure:
        """See `Explorer.static`: both choices and the difference map."""
        from zsris_viz.explorers.compare_figure import compare_figure

        return compare_figure(self.state, data)


def titles(state: CompareState) -> list[str]:
    """One line above each choice."""
    return [
        f"{letter}: {side.method}, {ranking.describe()}"
        for letter, side, ranking in zip("AB", (state.first, state.second), state.rankings, strict=True)
    ]


def told(state: CompareState) -> str:
    """What the two have in common, as HTML."""
    same, correlation = state.agreement()
    ious = [number(state.iou(ranking.mask) or 0.0) for ranking in state.rankings if state.truth is not None]
    measured = f"; IoU {html.escape(' and '.join(ious))}" if ious else ""
    return (
        f"{'the same choice' if same else '<b>different choices</b>'}; rank correlation of all scores "
        f"<b>{correlation:.2f}</b>{measured}"
    )
