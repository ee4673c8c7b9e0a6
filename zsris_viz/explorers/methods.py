"""MethodExplorer: what a method chooses for an expression, and what each score is made of."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets

from zsris_viz.explorers.base import Explorer, button, dropdown, observe, row, text_box
from zsris_viz.explorers.clickable import Clickable
from zsris_viz.explorers.method_state import MethodState, Place, methods_for
from zsris_viz.explorers.raster import Canvas, markup, number
from zsris_viz.figures.layout import CHOSEN, TRUTH, colours
from zsris_viz.images import ImageSource
from zsris_viz.methods.base import Ranking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOP = 10  # places in the table


class MethodExplorer(Explorer):
    """An expression, a method and a source of proposals; the ranking with part scores, and masks on the image.

    A click on a line of the table, or on the image, shows or hides that mask (of several under the mouse, the
    smallest). With a single proposal it is chosen whatever the expression.

    Args:
        image, expression, clip, method, preset, proposals, truth, parser: see
            :class:`~zsris_viz.explorers.method_state.MethodState`.

    Raises:
        InvalidInputError, InvalidTypeError, UnavailableError: as MethodState.

    Example::

        MethodExplorer("photo.jpg", "the dog on the left", clip="openai/clip-vit-base-patch16")
    """

    def __init__(
        self,
        image: ImageSource,
        expression: str,
        clip: Any = "miniature",
        *,
        method: str = "global-local",
        preset: str = "default",
        proposals: Any = "felzenszwalb",
        truth: Any = None,
        parser: Any = None,
    ) -> None:
        state = MethodState(
            image, expression, clip, method=method, preset=preset, proposals=proposals, truth=truth, parser=parser
        )
        self.canvas = Canvas(state.scene.image)
        self.expression = text_box(expression)
        self.method = dropdown("method", [(name, name) for name in methods_for(state.clip)], method)
        self.preset = dropdown("preset", [(name, name) for name in state.presets], preset)
        self.proposals = dropdown("proposals", [(name, name) for name in state.sources], state.source)
        self.told = ipywidgets.HTML()
        self.picture, self.table = Clickable(self._pointed), Clickable(self._listed)
        sets = {
            "chosen": lambda: state.ranking.order[:1],
            "best five": lambda: state.ranking.order[:5],
            "all": lambda: range(len(state.scene)),
            "none": tuple,
        }
        buttons = [button(name, partial(self._show, masks)) for name, masks in sets.items()]
        for part, name in ((self.told, "told"), (self.picture, "image"), (self.table, "table")):
            part.add_class(f"zsris-{name}")
        super().__init__(
            state,
            [
                row(self.expression, self.method, self.preset, self.proposals),
                self.told,
                row(ipywidgets.VBox([self.picture, row(*buttons)]), self.table, align="flex-start"),
            ],
        )
        self.redraw()
        busy = "computing ..."
        observe(self.expression, lambda new: self.attempt(lambda: state.set(expression=new), busy=busy))
        observe(self.method, lambda new: self.attempt(lambda: state.set(method=new), busy=busy))
        observe(self.preset, lambda new: self.attempt(lambda: state.set(preset=new), busy=busy))
        observe(self.proposals, lambda new: self.attempt(lambda: state.set(source=new), busy=busy))

    def _show(self, masks: Callable[[], Any]) -> None:
        self.attempt(lambda: self.state.show(masks()))

    def _pointed(self, key: str, x: float, y: float) -> None:
        mask = self.state.mask_at(x, y)
        if mask is None:
            self.say("No proposal lies there.")
        else:
            self.attempt(lambda: self.state.toggle(mask))

    def _listed(self, key: str, x: float, y: float) -> None:
        self.attempt(lambda: self.state.toggle(int(key)))

    def attempt(self, change: Any, *, busy: str = "") -> bool:
        """See `Explorer.attempt`; after a refused change the controls go back to what is shown."""
        done = super().attempt(change, busy=busy)
        if not done and not self._turning:
            self._match_controls()
        return done

    def _match_controls(self) -> None:
        state = self.state
        self._turning = True
        if list(self.preset.options) != (presets := [(name, name) for name in state.presets]):
            self.preset.options = presets
        self._turning = False
        self.put({self.method: state.method, self.preset: state.preset, self.proposals: state.source})

    def redraw(self) -> None:
        """See `Explorer.redraw`."""
        state, canvas = self.state, self.canvas
        self._match_controls()
        shades = colours(max(1, len(state.scene)))
        picture = canvas.plain()
        for index in sorted(state.shown, key=lambda index: -int(state.scene.masks.areas[index])):
            colour = CHOSEN if index == state.ranking.chosen else shades[index]
            picture = canvas.outline(
                canvas.tint(picture, state.scene.masks[index], colour), state.scene.masks[index], colour
            )
        if state.ranking.chosen is None:
            mask = state.ranking.mask
            picture = canvas.outline(canvas.tint(picture, mask, CHOSEN), mask, CHOSEN)
        if state.truth is not None:
            picture = canvas.outline(picture, state.truth, TRUTH, dashed=True)
        self.picture.markup = markup(picture, f"{len(state.shown)} of {len(state.scene)} masks shown", key="image")
        places = state.places(TOP)
        self.told.value = told(places, state.ranking)
        self.table.markup = _table(places, state, shades)

    def static(self, data: Any = None) -> Figure:
        """See `Explorer.static`: the image with the masks that are shown, and the ranking with its part scores."""
        from zsris_viz.explorers.method_figure import method_figure

        return method_figure(self.state, data)


def told(places: list[Place], ranking: Ranking) -> str:
    """Return the choice in one line of HTML; without one, the proposal that comes first."""
    best, count = places[0], len(ranking.scores)
    if ranking.chosen is None:
        first = f"mask <b>{best.mask}</b> of {count}, score {number(best.score)}"
        return f"{ranking.describe()}; the first proposal: {first}"
    iou = "" if best.iou is None else f", IoU <b>{best.iou:.3f}</b>"
    return f"chosen: mask <b>{best.mask}</b> of {count}, score <b>{number(best.score)}</b>{iou}"


def _table(places: list[Place], state: MethodState, shades: list[str]) -> str:
    """The best places as an HTML table, a clickable line for each."""
    parts = list(places[0].parts)
    heads = ["", "", "mask", "score", *parts, *(["IoU"] if places[0].iou is not None else [])]
    lines = ["<tr>" + "".join(f'<th style="text-align:right;padding:1px 6px">{html.escape(h)}</th>' for h in heads)]
    for one in places:
        colour = CHOSEN if one.mask == state.ranking.chosen else shades[one.mask]
        mark = f'<span style="color:{colour}">{"■" if one.mask in state.shown else "□"}</span>'
        values = [number(one.score) if math.isfinite(one.score) else "empty"]
        values += [number(v) if math.isfinite(v := one.parts[name]) else "-" for name in parts]
        values += [f"{one.iou:.2f}"] if one.iou is not None else []
        cells = [mark, f"{one.place}.", str(one.mask), *values]
        filled = "".join(f'<td style="text-align:right;padding:1px 6px">{cell}</td>' for cell in cells)
        lines.append(f'<tr data-key="{one.mask}" title="show or hide mask {one.mask}">{filled}</tr>')
    return f'<table style="border-collapse:collapse">{"</tr>".join(lines)}</table>'
