"""MethodExplorer: the choice of a method for an expression, and the parts of each score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zsris_viz.explorers.base import Explorer, dropdown, observe, text_box
from zsris_viz.explorers.method_state import OWN_MASKS, MethodState, methods_for
from zsris_viz.explorers.state import Scene
from zsris_viz.figures.panels import Cursor, Note, PanelView, PicturePanel, RankingTable, Region, short_number
from zsris_viz.models.base import ImageTextModel


class MethodExplorer(Explorer):
    """Show a method's ranking of proposals for an expression with its part scores, and masks on the image.

    The mouse over a line of the table shows its mask, a click keeps it shown. A click on the image selects the smallest
    mask there, a further click at the same place the next larger one. With a single proposal, that one is chosen
    whatever the expression.

    Args:
        image: Anything :func:`zsris_viz.images.open_image` takes.
        expression: The text.
        clip: A model, or its name for `load_clip`.
        method: Name of a method that the model can serve.
        preset: One of the method's presets.
        proposals: A name for `load_proposals`, a Proposer, or masks.
        truth: (H, W) bool, the ground truth; None if it is not known.
        parser: For expressions; by default the package's own.
        dataset: Name of the dataset whose settings the methods get (see
            :mod:`zsris_viz.methods.dataset_settings`), such as "scenes"; None for the methods' own.

    Raises:
        InvalidInputError: An empty expression, an unknown name, or no proposal.
        UnavailableError: A method that cannot use the model, or a model without its weights.

    Example::

        MethodExplorer("photo.jpg", "the dog on the left", clip="openai/clip-vit-base-patch16")
    """

    name = "methods"
    restorable = ("method", "preset")
    state: MethodState

    def __init__(
        self,
        image: Scene,
        expression: str,
        clip: str | ImageTextModel = "miniature",
        *,
        method: str = "global-local",
        preset: str = "default",
        proposals: Any = "felzenszwalb",
        truth: Any = None,
        parser: Any = None,
        dataset: str | None = None,
    ) -> None:
        state = MethodState(
            image,
            expression,
            clip,
            method=method,
            preset=preset,
            proposals=proposals,
            truth=truth,
            parser=parser,
            dataset=dataset,
        )
        self.expression = text_box(expression)
        self.method = dropdown("method", pairs(methods_for(state.clip)), method)
        self.preset = dropdown("preset", pairs(state.presets), preset)
        self.proposals = dropdown("proposals", pairs(state.sources), state.source)
        super().__init__(state, [self.expression, self.method, self.preset, self.proposals])
        self.redraw()
        observe(self.expression, self.set_expression)
        observe(self.method, lambda new: self._set(method=new))
        observe(self.preset, lambda new: self._set(preset=new))
        observe(self.proposals, lambda new: self._set(source=new))

    def _set(self, **change: Any) -> None:
        ((name, value),) = change.items()
        if value is not None and getattr(self.state, name) != value:
            self.attempt(lambda: self.state.set(**change), busy="computing")

    def update_controls(self) -> None:
        """See `Explorer.update_controls`."""
        state = self.state
        if list(self.preset.options) != pairs(state.presets):
            self.preset.options = pairs(state.presets)
        self.method.value, self.preset.value, self.proposals.value = state.method, state.preset, state.source

    def cursor(self) -> Cursor:
        """See `Explorer.cursor`."""
        return {"shown": sorted(self.state.shown), "selected": None}

    def apply_cursor(self, changed: Mapping[str, Any]) -> None:
        """See `Explorer.apply_cursor`."""
        if "shown" in changed:
            self.state.show(changed["shown"])

    def view(self) -> PanelView:
        """See `Explorer.view`."""
        state = self.state
        predicted, ranking = state.predicted_mask(), state.ranking
        chosen = state.chosen
        regions = [
            Region("proposals", index, "selected", str(index), optional=True) for index in range(len(state.scene))
        ]
        if state.truth is not None:
            regions.append(Region("truth", 0, "truth"))
        if predicted is not None:
            regions.append(Region("choice", 0, "choice", "" if chosen is None else str(chosen)))
        places = state.places(len(state.scene))
        columns = ["score", *places[0].parts, *(["IoU"] if places[0].iou is not None else [])]
        values = tuple(
            (place.score, *place.parts.values(), *(() if place.iou is None else (place.iou,))) for place in places
        )
        origin = state.scene.masks.source if state.source == OWN_MASKS and state.scene.masks.source else state.source
        title = f"{ranking.method} ({state.preset}), {len(state.scene)} masks: {origin}"
        return PanelView(
            title=state.expression,
            image=state.scene.image,
            rows=(
                (Note((choice_in_words(state),)),),
                (
                    PicturePanel(title, regions=tuple(regions), choose="selected"),
                    RankingTable(tuple(columns), tuple(place.mask for place in places), values, chosen),
                ),
            ),
            masks={
                "proposals": self.cached_list("proposals", state.scene, lambda: list(state.scene.masks)),
                "truth": [] if state.truth is None else [state.truth],
                "choice": [] if predicted is None else [predicted],
            },
        )

    def settings(self) -> dict[str, Any]:
        """See `Explorer.settings`."""
        state = self.state
        named = {} if state.source == OWN_MASKS else {"proposals": state.source}
        return {
            "expression": state.expression,
            "method": state.method,
            "preset": state.preset,
            "dataset": state.dataset,
            **named,
        }

    def masks(self) -> dict[str, Any]:
        """See `Explorer.masks`."""
        proposals = {"proposals": self.state.scene.masks} if self.state.source == OWN_MASKS else {}
        return {"truth": self.state.truth, **proposals}


def pairs(names: list[str]) -> list[tuple[str, str]]:
    """Return options of a dropdown whose texts are the values."""
    return [(name, name) for name in names]


def choice_in_words(state: MethodState) -> str:
    """Return a description of the choice."""
    predicted, best = state.predicted_mask(), state.places(1)[0]
    iou = "" if predicted is None or state.truth is None else f", IoU {state.iou(predicted) or 0.0:.3f}"
    if state.chosen is None:
        return f"The method draws its own mask{iou}; the nearest proposal is mask {best.mask} of {len(state.scene)}."
    return f"Choice: mask {best.mask} of {len(state.scene)}, score {short_number(best.score)}{iou}."
