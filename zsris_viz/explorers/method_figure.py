"""The static twin of MethodExplorer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsris_viz.figures.layout import CHOSEN, TRUTH, colours, new_figure, note_source
from zsris_viz.figures.pictures import add_mask, show_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zsris_viz.explorers.method_state import MethodState

PLACES = 8


def method_figure(state: MethodState, data: Any = None) -> Figure:
    """The image with the masks that are shown; beside it the best places, the score and each part in its own panel."""
    places = state.places(PLACES)
    panels = ["score", *places[0].parts, *(["IoU"] if places[0].iou is not None else [])]
    widths = [2.2, *[1.0] * len(panels)]
    fig, axes = new_figure(1, 1 + len(panels), size=(3.0 + 1.15 * len(panels), 3.0), width_ratios=widths)
    masks, shades = state.scene.masks, colours(max(1, len(state.scene)))
    show_image(axes[0, 0], state.scene.image, f"{len(state.shown)} of {len(masks)} masks")
    for index in sorted(state.shown, key=lambda index: -int(masks.areas[index])):
        colour = CHOSEN if index == state.ranking.chosen else shades[index]
        add_mask(axes[0, 0], masks[index], colour, line=1.2, label=str(index))
    if state.ranking.chosen is None:
        add_mask(axes[0, 0], state.ranking.mask, CHOSEN, line=1.2, label=state.ranking.describe())
    if state.truth is not None:
        add_mask(axes[0, 0], state.truth, TRUTH, fill=0, line=1.2, dashed=True)
    for axis, name in zip(axes[0, 1:], panels, strict=True):
        values = [one.score if name == "score" else one.iou if name == "IoU" else one.parts[name] for one in places]
        shade = [CHOSEN if one.mask == state.ranking.chosen else "#888888" for one in places]
        axis.scatter(values, range(len(places)), c=shade, s=18)
        axis.set_ylim(len(places) - 0.5, -0.5)
        axis.set_title(name, loc="left")
        axis.set_yticks(range(len(places)), [])
        axis.tick_params(axis="x", labelrotation=45)
    axes[0, 1].set_yticks(range(len(places)), [f"{one.place}. mask {one.mask}" for one in places])
    fig.suptitle(f'{state.method} ({state.preset}), {state.source}: "{state.expression}"', x=0.01, ha="left")
    return note_source(fig, state.clip, data)
