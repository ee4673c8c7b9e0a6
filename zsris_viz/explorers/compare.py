"""CompareExplorer: two expressions under one method, or two methods for one expression, and their difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from zsris_viz.explorers.base import Explorer, dropdown, observe, text_box
from zsris_viz.explorers.compare_state import CompareState, Side
from zsris_viz.explorers.method_state import methods_for
from zsris_viz.explorers.state import Scene
from zsris_viz.figures.panels import Cursor, Maps, Note, PanelView, PicturePanel, Region
from zsris_viz.models.base import ImageTextModel

REACH = 3.0  # standard deviations at both ends of the scale, whatever is compared
LONGEST_MAP = 96  # cells of the longest side of the map of differences in the page


class CompareExplorer(Explorer):
    """Show two choices side by side and the map of their difference.

    Scores of each side are standardised over the proposals, painted on the masks and subtracted: red where the first
    side ranks a place higher, blue where the second does. The scale always ends at three standard deviations.

    Args:
        image: Anything :func:`zsris_viz.images.open_image` takes.
        expression: The first text.
        other_expression: The second text; None for the first.
        clip: A model, or its name for `load_clip`.
        method: The first method.
        other_method: The second method; None for the first.
        proposals: A name for `load_proposals`, a Proposer, or masks.
        truth: (H, W) bool, the ground truth; None if it is not known.
        parser: For expressions; by default the package's own.
        dataset: Name of the dataset whose settings the methods get (see
            :mod:`zsris_viz.methods.dataset_settings`), such as "scenes"; None for the methods' own.

    Raises:
        InvalidInputError: An empty expression, an unknown name, or no proposal.
        UnavailableError: A method that cannot use the model, or a model without its weights.

    Example::

        CompareExplorer(sample.image, "the left cat", "the right cat", proposals=sample.instances)
        CompareExplorer(sample.image, "the left cat", method="cropping", other_method="global-local")
    """

    name = "compare"
    restorable = ("other_expression", "method", "other_method")
    state: CompareState

    def __init__(
        self,
        image: Scene,
        expression: str,
        other_expression: str | None = None,
        clip: str | ImageTextModel = "miniature",
        *,
        method: str = "global-local",
        other_method: str | None = None,
        proposals: Any = "felzenszwalb",
        truth: Any = None,
        parser: Any = None,
        dataset: str | None = None,
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
            dataset=dataset,
        )
        names = [(name, name) for name in methods_for(state.clip)]
        sides = (state.first, state.second)
        self.expressions = [text_box(side.expression, letter) for letter, side in zip("AB", sides, strict=True)]
        self.expression = self.expressions[0]
        self.methods = [
            dropdown(f"method {letter}", names, side.method) for letter, side in zip("AB", sides, strict=True)
        ]
        controls = [part for pair in zip(self.expressions, self.methods, strict=True) for part in pair]
        super().__init__(state, controls)
        self.redraw()
        for place in (0, 1):
            observe(self.expressions[place], partial(self._change, place, "expression"))
            observe(self.methods[place], partial(self._change, place, "method"))

    def _change(self, place: int, setting: str, new: str) -> None:
        name = ("first", "second")[place]
        side: Side = getattr(self.state, name)
        if getattr(side, setting) == new:
            self.board.show_message("")
            return

        self.attempt(lambda: self.state.set(**{name: replace(side, **{setting: new})}), busy="computing")

    def set_expression(self, text: str) -> None:
        """See `Explorer.set_expression`; where both sides had the same expression, both get the new one."""
        first, second = self.state.first, self.state.second
        if text == first.expression:
            return
        changes = {"first": replace(first, expression=text)}
        if second.expression == first.expression:
            changes["second"] = replace(second, expression=text)
        self.attempt(lambda: self.state.set(**changes), busy="computing")
        for box, side in zip(self.expressions, ("first", "second"), strict=True):
            if side in changes:
                box.value = text

    def update_controls(self) -> None:
        """See `Explorer.update_controls`."""
        for place, side in enumerate((self.state.first, self.state.second)):
            self.methods[place].value = side.method

    def update_texts(self) -> None:
        """See `Explorer.update_texts`."""
        for place, side in enumerate((self.state.first, self.state.second)):
            self.expressions[place].value = side.expression

    def cursor(self) -> Cursor:
        """See `Explorer.cursor`."""
        return {}

    def apply_cursor(self, changed: Mapping[str, Any]) -> None:
        """See `Explorer.apply_cursor`; nothing is moved here."""

    def view(self) -> PanelView:
        """See `Explorer.view`."""
        state = self.state
        chosen_masks = [ranking.mask if bool(ranking.mask.any()) else None for ranking in state.rankings]
        truth = () if state.truth is None else (Region("truth", 0, "truth"),)
        pictures = []
        for place, (side, ranking, chosen_mask) in enumerate(
            zip((state.first, state.second), state.rankings, chosen_masks, strict=True)
        ):
            label = "" if ranking.chosen is None else str(ranking.chosen)
            choice = () if chosen_mask is None else (Region("AB"[place], 0, "choice", label),)
            pictures.append(PicturePanel(f"{'AB'[place]}: {side.method}", regions=truth + choice))
        difference = state.difference()
        step = max(1, max(difference.shape) // LONGEST_MAP)
        same = state.first.expression == state.second.expression
        return PanelView(
            title=state.first.expression if same else f"{state.first.expression}” and “{state.second.expression}",
            image=state.scene.image,
            rows=(
                (Note((agreement_in_words(state),)),),
                (*pictures, PicturePanel("A minus B (ends of the scale: 3 or more)", "difference", truth)),
            ),
            maps={
                "difference": Maps(
                    difference[step // 2 :: step, step // 2 :: step].clip(-REACH, REACH),
                    (),
                    "standard deviations",
                    (-REACH, REACH),
                    diverging=True,
                )
            },
            masks={
                "truth": [] if state.truth is None else [state.truth],
                **{letter: [] if mask is None else [mask] for letter, mask in zip("AB", chosen_masks, strict=True)},
            },
        )

    def settings(self) -> dict[str, Any]:
        """See `Explorer.settings`."""
        first, second = self.state.first, self.state.second
        return {
            "expression": first.expression,
            "other_expression": second.expression,
            "method": first.method,
            "other_method": second.method,
            "dataset": self.state.dataset,
        }

    def masks(self) -> dict[str, Any]:
        """See `Explorer.masks`."""
        return {"truth": self.state.truth, "proposals": self.state.scene.masks}


def agreement_in_words(state: CompareState) -> str:
    """Return a description of what both sides have in common."""
    same, correlation = state.agreement()
    ious = [] if state.truth is None else [f"{state.iou(ranking.mask) or 0.0:.3f}" for ranking in state.rankings]
    measured = f"; IoU {' and '.join(ious)}" if ious else ""
    choice = "The same choice" if same else "Different choices"
    return f"{choice}; rank correlation of all scores {correlation:.2f}{measured}."
