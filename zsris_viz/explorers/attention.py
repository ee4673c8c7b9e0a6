"""AttentionExplorer: the attention of text and image tokens, and the effect of hidden words on the choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zsris_viz.explorers.attention_state import AttentionState, Choice
from zsris_viz.explorers.base import Explorer, button, dropdown, observe, text_box
from zsris_viz.explorers.state import Scene
from zsris_viz.figures.panels import (
    Axis,
    Cursor,
    MapGrid,
    Maps,
    Note,
    PairChart,
    PanelView,
    PicturePanel,
    Region,
    Slider,
    TokenTable,
)
from zsris_viz.figures.roles import ROLES
from zsris_viz.methods.base import Method
from zsris_viz.models.base import ImageTextModel

MOST_SHOWN = 12  # proposals in the chart of scores
MEAN = -1  # the mean of all heads, in place of a head
CLS = -1  # the class token, in place of a patch


class AttentionExplorer(Explorer):
    """Show the attention between text tokens and between patches by layer and head, and scores with hidden tokens.

    The mouse over a token or a patch shows what it attends to; a click on a token hides it from the text tower. The
    dots show every proposal's score before and after, and the picture both choices. A click on the image keeps the
    patch under the mouse, and the small maps show its attention in every layer and head.

    Args:
        image: Anything :func:`zsris_viz.images.open_image` takes.
        expression: The text.
        clip: A model, or its name for `load_clip`.
        proposals: A name for `load_proposals`, a Proposer, or masks.
        method: A method with a feature for every proposal: "global-local", "cropping", "region-token", or a Method.
        truth: (H, W) bool, the ground truth; None if it is not known.
        layer: Text layer that is shown first, 1 to the last (default).
        image_layer: The same in the image tower.
        query: (row, column) of the patch whose attention is shown first; None for CLS.
        parser: For expressions; by default the package's own.

    Raises:
        InvalidInputError: An empty expression, no proposal, or a layer that does not exist.
        UnavailableError: A model without its weights.

    Example::

        AttentionExplorer(sample.image, "the left cat", proposals=sample.instances, truth=reference.mask)
    """

    name = "attention"
    restorable = ("layer", "image_layer", "query")
    state: AttentionState

    def __init__(
        self,
        image: Scene,
        expression: str,
        clip: str | ImageTextModel = "miniature",
        *,
        proposals: Any = "felzenszwalb",
        method: str | Method = "global-local",
        truth: Any = None,
        layer: int | None = None,
        image_layer: int | None = None,
        query: tuple[int, int] | None = None,
        parser: Any = None,
    ) -> None:
        state = AttentionState(
            image,
            expression,
            clip,
            proposals=proposals,
            method=method,
            truth=truth,
            layer=layer,
            image_layer=image_layer,
            query=query,
            parser=parser,
        )
        self.token = -1  # whose attention the table shows; -1 for the end token
        self.expression = text_box(expression)
        self.head = dropdown(
            "image head", list(zip(head_names(state.layered.heads), range(-1, state.layered.heads), strict=True)), MEAN
        )
        self.hide_context = button("hide the context words", self._hide_context)
        self.show_all = button("show all tokens", lambda: self.attempt(lambda: state.set(masked=())))
        self.cls_button = button("attention from CLS", lambda: self._set(query=None))
        super().__init__(state, [self.expression, self.hide_context, self.show_all, self.head, self.cls_button])
        self.redraw()
        observe(self.expression, self.set_expression)
        observe(self.head, lambda new: self._set(image_head=None if new == MEAN else new))

    def _set(self, **change: Any) -> None:
        ((name, value),) = change.items()
        if getattr(self.state, name) != value:
            self.attempt(lambda: self.state.set(**change))

    def _hide_context(self) -> None:
        places = [place for place, group in enumerate(self.state.groups) if group == "context"]
        if places:
            self.attempt(lambda: self.state.set(masked=places), busy="computing")
        else:
            self.board.show_message("The parser finds no context word in this expression.")

    def handle_event(self, event: str, content: Mapping[str, Any]) -> None:
        """See `Explorer.handle_event`: a click on a token hides it, or shows it again."""
        if event == "token":
            self.attempt(lambda: self.state.toggle(int(content["place"])), busy="computing")

    def update_controls(self) -> None:
        """See `Explorer.update_controls`."""
        self.head.value = MEAN if self.state.image_head is None else self.state.image_head

    def cursor(self) -> Cursor:
        """See `Explorer.cursor`."""
        state, last = self.state, len(self.state.tokens) - 1
        columns = state.layered.grid[1]
        query = CLS if state.query is None else state.query[0] * columns + state.query[1]
        head = MEAN if state.image_head is None else state.image_head
        token = self.token if 0 <= self.token <= last else last
        return {
            "text_layer": state.layer,
            "token": token,
            "image_layer": state.image_layer,
            "query": query,
            "head": head,
        }

    def apply_cursor(self, changed: Mapping[str, Any]) -> None:
        """See `Explorer.apply_cursor`."""
        if "token" in changed:
            self.token = int(changed["token"])
        if "text_layer" in changed:
            self.state.set(layer=changed["text_layer"])
        if "image_layer" in changed:
            self.state.set(image_layer=changed["image_layer"])
        if "query" in changed:
            columns = self.state.layered.grid[1]
            number = int(changed["query"])
            self._set(query=None if number == CLS else divmod(number, columns))

    def view(self) -> PanelView:
        """See `Explorer.view`."""
        state = self.state
        choice, names = state.choice(), state.tokens
        heads = head_names(state.layered.heads)
        text_heads = state.text_attentions().shape[2] - 1
        axes = {
            "text_layer": Axis("text layer", 1, tuple(map(str, range(1, state.layered.text_layers + 1)))),
            "token": Axis("token", 0, tuple(names)),
        }
        maps = {"text": Maps(state.text_attentions().numpy(), ("text_layer", "token"), "attention weight")}
        pictures: tuple[Any, ...] = (self._choices(choice),)
        below: tuple[Any, ...] = (Note((f"{state.clip.name} has no attention between patches before its pooling.",)),)
        if state.has_patches:
            rows, columns = state.layered.grid
            patches = [f"patch {row}, {column}" for row in range(rows) for column in range(columns)]
            axes |= {
                "image_layer": Axis("image layer", 1, tuple(map(str, range(1, state.layered.num_layers + 1)))),
                "query": Axis("query", CLS, ("CLS", *patches)),
                "head": Axis("head", MEAN, tuple(heads)),
            }
            maps["image"] = Maps(state.patch_attentions().numpy(), ("image_layer", "query"), "attention weight")
            heads_maps = state.head_attentions().numpy()
            limits = (0.0, float(np.quantile(heads_maps, 0.99)))  # else one patch leaves all others dark
            maps["heads"] = Maps(heads_maps, ("image_layer", "head"), "attention weight, 99 % of all", limits)
            title = "attention from {query}, layer {image_layer}, {head}"
            pictures += (PicturePanel(title, "image", hover="query"),)
            below = (Slider("image_layer"),)
            pictures += (MapGrid("attention in every layer and head", "heads", "head", "image_layer"),)
        return PanelView(
            title=state.expression,
            image=state.scene.image,
            rows=(
                (Slider("text_layer"), Note((change_in_words(state, choice),))),
                (
                    TokenTable(
                        "attention from “{token}”, text layer {text_layer}",
                        tuple(names),
                        tuple(group if group in ROLES else "" for group in state.groups),
                        "text",
                        tuple(head_names(text_heads)),
                        "token",
                        tuple(sorted(state.masked)),
                        (0, len(names) - 1),
                    ),
                    self._scores(choice),
                ),
                below,
                pictures,
            ),
            axes=axes,
            maps=maps,
            masks={
                "proposals": self.cached_list("proposals", state.scene, lambda: list(state.scene.masks)),
                "truth": [] if state.truth is None else [state.truth],
            },
        )

    def _choices(self, choice: Choice) -> PicturePanel:
        regions = [] if self.state.truth is None else [Region("truth", 0, "truth")]
        if choice.chosen_after != choice.chosen_before:
            regions.append(Region("proposals", choice.chosen_before, "previous choice", str(choice.chosen_before)))
        regions += [
            Region("proposals", index, "selected", str(index), optional=True) for index in range(len(self.state.scene))
        ]
        regions.append(Region("proposals", choice.chosen_after, "choice", str(choice.chosen_after)))
        return PicturePanel("choice by the expression's feature", regions=tuple(regions))

    def _scores(self, choice: Choice) -> PairChart:
        shown = most_moved(choice)
        return PairChart(
            "scores (cosine similarity) before and after",
            tuple(shown),
            tuple(choice.before[shown].tolist()),
            tuple(choice.after[shown].tolist()),
            (choice.chosen_before, choice.chosen_after),
            ("all tokens", "hidden tokens left out"),
        )

    def settings(self) -> dict[str, Any]:
        """See `Explorer.settings`."""
        state = self.state
        return {
            "expression": state.expression,
            "method": state.method.name,
            "layer": state.layer,
            "image_layer": state.image_layer,
            "query": state.query,
        }

    def masks(self) -> dict[str, Any]:
        """See `Explorer.masks`."""
        return {"truth": self.state.truth, "proposals": self.state.scene.masks}


def head_names(count: int) -> list[str]:
    """Return a name for the mean of all heads, and one for each head."""
    return ["mean", *(f"head {number}" for number in range(count))]


def most_moved(choice: Choice, count: int = MOST_SHOWN) -> list[int]:
    """Return the numbers of at most `count` proposals, in order: both choices, and the best of before and after."""
    before, after = (scores.argsort(descending=True).tolist() for scores in (choice.before, choice.after))
    turns = [index for pair in zip(before, after, strict=True) for index in pair]
    return sorted(list(dict.fromkeys([choice.chosen_before, choice.chosen_after, *turns]))[:count])


def change_in_words(state: AttentionState, choice: Choice) -> str:
    """Return a description of the effect of hidden tokens on the choice."""
    best, other = choice.chosen_before, choice.chosen_after
    if not state.masked:
        iou = "" if choice.iou_before is None else f", IoU {choice.iou_before:.3f}"
        return (
            f"Choice: mask {best}, cosine similarity {float(choice.before[best]):.4f}{iou}. Click a token to hide it."
        )
    moved = "stays" if best == other else f"moves to mask {other}"
    change = float(choice.after[best] - choice.before[best])
    iou = ""
    if choice.iou_before is not None and choice.iou_after is not None:
        iou = f"; IoU {choice.iou_before:.3f} → {choice.iou_after:.3f}"
    return f"Without the hidden tokens the score of mask {best} changes by {change:+.4f}; the choice {moved}{iou}."
