"""AttentionExplorer: which words the text tower reads, what is lost without them, and where the image tower looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np

from zsris_viz.explorers import svg as drawings
from zsris_viz.explorers.attention_state import AttentionState, Choice
from zsris_viz.explorers.base import MEAN, Explorer, button, dropdown, heads, observe, row, slider, text_box
from zsris_viz.explorers.clickable import Clickable
from zsris_viz.explorers.raster import Canvas, colour_bar, markup
from zsris_viz.explorers.state import ends
from zsris_viz.figures.layout import CHOSEN, TRUTH
from zsris_viz.images import ImageSource
from zsris_viz.methods.base import Method

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SHOWN = 12  # proposals in the chart of scores
BEFORE = "#666666"
GROUP_COLOURS = {"noun phrase": "#009E73", "context": "#CC79A7", "other": "#BBBBBB"}


class AttentionExplorer(Explorer):
    """Text tokens by layer and head, tokens masked by a click, scores that follow; and the image's own attention.

    Above: attention from the end token, where CLIP reads the text, to every token. A click on a column masks that
    token; another gives it back. The dots below show every proposal's score before and after, and the picture both
    choices. Right: attention between patches; a click on the image asks the patch under it, the button asks CLS.

    With a single proposal the score moves, but the choice cannot. An RN has text attention; in place of the image's it
    says why there is none.

    Args:
        image, expression, clip, proposals, method, truth, layer, image_layer, query, parser: see
            :class:`~zsris_viz.explorers.attention_state.AttentionState`.

    Raises:
        InvalidInputError, InvalidTypeError, UnavailableError: as AttentionState.

    Example::

        AttentionExplorer(sample.image, "the left cat", proposals=sample.instances, truth=reference.mask)
    """

    def __init__(
        self,
        image: ImageSource,
        expression: str,
        clip: Any = "miniature",
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
        self.canvas = Canvas(state.scene.image)
        self.expression = text_box(expression)
        self.layer = slider("text layer", state.layer, 1, state.layered.text_layers)
        self.tokens = Clickable(self._token)
        self.scores = Clickable()
        self.told = ipywidgets.HTML()
        self.picture = Clickable()
        self.image_layer = slider("image layer", state.image_layer, 1, state.layered.num_layers)
        self.image_head = dropdown("", heads(state.layered.heads), MEAN)
        self.looks = Clickable(self._patch)
        for part, name in ((self.tokens, "tokens"), (self.scores, "scores"), (self.told, "told")):
            part.add_class(f"zsris-{name}")
        self.looks.add_class("zsris-looks")
        super().__init__(
            state,
            [
                row(
                    self.expression,
                    self.layer,
                    button("mask the context", self._mask_context),
                    button("give all back", self._give_back),
                ),
                self.tokens,
                self.told,
                row(self.picture, self.scores, align="flex-start"),
                row(self.image_layer, self.image_head, button("ask CLS", self._ask_cls)),
                self.looks,
            ],
        )
        self.redraw()
        observe(self.expression, lambda new: self.attempt(lambda: state.set(expression=new)))
        observe(self.layer, lambda new: self.attempt(lambda: state.set(layer=new)))
        observe(self.image_layer, lambda new: self.attempt(lambda: state.set(image_layer=new)))
        observe(self.image_head, lambda new: self.attempt(lambda: state.set(image_head=None if new == MEAN else new)))

    def _mask_context(self) -> None:
        places = [place for place, group in enumerate(self.state.groups) if group == "context"]
        if places:
            self.attempt(lambda: self.state.set(masked=places))
        else:
            self.say("The parser finds no context token in this expression: no word that says where.")

    def _give_back(self) -> None:
        self.attempt(lambda: self.state.set(masked=()))

    def _ask_cls(self) -> None:
        self.attempt(lambda: self.state.set(query=None))

    def _token(self, key: str, x: float, y: float) -> None:
        self.attempt(lambda: self.state.toggle(int(key.split(",")[1])))

    def _patch(self, key: str, x: float, y: float) -> None:
        rows, columns = self.state.clip.grid
        place = (min(rows - 1, int(y * rows)), min(columns - 1, int(x * columns)))
        self.attempt(lambda: self.state.set(query=place))

    def redraw(self) -> None:
        """See `Explorer.redraw`."""
        state = self.state
        head = MEAN if state.image_head is None else state.image_head
        self.put({self.layer: state.layer, self.image_layer: state.image_layer, self.image_head: head})
        weights = state.text_attention()
        names = state.tokens
        self.tokens.markup = (
            f"<div>attention from the end token, text layer {state.layer}; click a token to mask it. {_legend()}</div>"
            + drawings.shades(
                ["mean", *(f"head {number}" for number in range(len(weights) - 1))],
                names,
                weights.tolist(),
                limits=(0.0, float(weights.max())),
                struck=sorted(state.masked),
                fixed=(0, len(names) - 1),
                bars=[GROUP_COLOURS.get(group) for group in state.groups],
                cell=(58, 18),
            )
        )
        choice = state.choice()
        self.told.value = told(state, choice)
        self.picture.markup = markup(self._choices(choice), picture_title(state))
        shown = most_moved(choice)
        self.scores.markup = drawings.movement(
            [f"mask {index}" for index in shown],
            choice.before[shown].tolist(),
            choice.after[shown].tolist(),
            chosen=(shown.index(choice.chosen_before), shown.index(choice.chosen_after)),
            titles=("all tokens", "masked tokens hidden"),
            width=480,
        )
        self.looks.markup = self._looks()

    def _choices(self, choice: Choice) -> np.ndarray:
        state, canvas = self.state, self.canvas
        picture, masks = canvas.plain(), state.scene.masks
        if choice.chosen_after != choice.chosen_before:
            picture = canvas.outline(picture, masks[choice.chosen_before], BEFORE)
        chosen = masks[choice.chosen_after]
        picture = canvas.outline(canvas.tint(picture, chosen, CHOSEN), chosen, CHOSEN)
        return picture if state.truth is None else canvas.outline(picture, state.truth, TRUTH, dashed=True)

    def _looks(self) -> str:
        state, canvas = self.state, self.canvas
        if state.clip.kind != "vit":
            plain = markup(canvas.plain(), "image")
            return f"{plain}<i>An RN's patches do not attend to each other before the pooling.</i>"
        looks = state.image_attention()
        picture = canvas.heat(looks, limits := ends(looks))
        if state.query is not None:
            picture = canvas.frame(picture, state.query, state.clip.grid, CHOSEN)
        bar = colour_bar(limits, width=canvas.size[1])
        return markup(picture, looks_title(state), key="image", below=bar)

    def static(self, data: Any = None) -> Figure:
        """See `Explorer.static`: text attention and scores above, choices and image attention below."""
        from zsris_viz.explorers.attention_figure import attention_figure

        return attention_figure(self.state, data)


def most_moved(choice: Choice, count: int = MOST_SHOWN) -> list[int]:
    """Numbers of at most `count` proposals, in order: both choices, and the best of before and after."""
    before, after = (scores.argsort(descending=True).tolist() for scores in (choice.before, choice.after))
    turns = [index for pair in zip(before, after, strict=True) for index in pair]
    return sorted(list(dict.fromkeys([choice.chosen_before, choice.chosen_after, *turns]))[:count])


def picture_title(state: AttentionState) -> str:
    """One line above the choices."""
    return "chosen" + (" (grey: with all tokens)" if state.masked else "")


def looks_title(state: AttentionState) -> str:
    """One line above the image's attention."""
    asked = "CLS" if state.query is None else f"patch {state.query[0]}, {state.query[1]}"
    head = "mean of heads" if state.image_head is None else f"head {state.image_head}"
    return f"from {asked}, layer {state.image_layer}, {head}"


def _legend() -> str:
    return " ".join(f'<span style="color:{colour}">■</span> {group}' for group, colour in GROUP_COLOURS.items())


def told(state: AttentionState, choice: Choice) -> str:
    """What masking did, as HTML."""
    best, other = choice.chosen_before, choice.chosen_after
    moved = "stays" if best == other else f"moves to mask <b>{other}</b>"
    change = float(choice.after[best] - choice.before[best])
    iou = ""
    if choice.iou_before is not None and choice.iou_after is not None:
        iou = f"; IoU {choice.iou_before:.3f} → <b>{choice.iou_after:.3f}</b>"
    if not state.masked:
        return f"chosen: mask <b>{best}</b>, score {float(choice.before[best]):.4f}" + iou.split(" →")[0]
    return f"mask {best}: score changes by <b>{change:+.4f}</b>; the choice {moved}{iou}"
