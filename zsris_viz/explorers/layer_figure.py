"""The static twin of LayerExplorer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zsris_viz.explorers.static_parts import add_colour_bar, show_heat
from zsris_viz.explorers.svg import next_step
from zsris_viz.figures.layout import CHOSEN, TRUTH, new_figure, note_source
from zsris_viz.figures.pictures import add_mask, show_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zsris_viz.explorers.layer_state import LayerState


def layer_figure(state: LayerState, limits: tuple[float, float], data: Any = None) -> Figure:
    """Ground truth, map and clusters of the layer that is set; below them IoU by layer, if there is a truth."""
    from zsris_viz.explorers.layers import CLUSTER_COLOURS, LINES, cluster_title, map_title

    view, curves, image = state.view(), state.curves(), state.scene.image
    fig, axes = new_figure(2 if curves else 1, 3, size=(8.4, 5.0 if curves else 3.0))
    show_image(axes[0, 0], image, "ground truth" if state.truth is not None else "image")
    show_heat(axes[0, 1], image, view.map, limits, map_title(state))
    add_colour_bar(fig, axes[0, 1], limits)
    show_image(axes[0, 2], image, cluster_title(view))
    for mask, colour in reversed(list(zip(view.clusters, CLUSTER_COLOURS, strict=False))):
        add_mask(axes[0, 2], mask, colour, fill=0.5, line=1.2)
    if state.truth is not None:
        add_mask(axes[0, 0], state.truth, TRUTH, dashed=True)
        for axis in axes[0, 1:]:
            add_mask(axis, state.truth, TRUTH, fill=0, line=1.2, dashed=True)
    if curves:
        highest = max(value for values in curves.values() for value in values if value is not None)
        for axis in axes[1]:
            axis.remove()
        chart = fig.add_subplot(axes[0, 0].get_gridspec()[1, :])
        for (name, values), colour in zip(curves.items(), LINES, strict=True):
            chart.plot(
                state.layers,
                [np.nan if value is None else value for value in values],
                "o-",
                color=colour,
                label=name,
                markersize=3,
            )
        chart.axvline(state.layer, color=CHOSEN, linewidth=1.2)
        chart.set(xlabel="layer", ylabel="IoU", xticks=state.layers, ylim=(0, next_step(highest)))
        chart.legend(loc="upper right", frameon=False)
    fig.suptitle(f'"{state.expression}"', x=0.01, ha="left")
    return note_source(fig, state.clip, data)
