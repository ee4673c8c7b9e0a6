"""The static twin of CompareExplorer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zsris_viz.explorers.static_parts import add_colour_bar, show_heat
from zsris_viz.figures.layout import CHOSEN, TRUTH, new_figure, note_source
from zsris_viz.figures.pictures import add_mask, show_image, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zsris_viz.explorers.compare import CompareState


def compare_figure(state: CompareState, data: Any = None) -> Figure:
    """Both choices, each under its expression and method, and the difference of their painted scores."""
    fig, axes = new_figure(1, 3, size=(8.4, 3.3))
    for axis, letter, side, ranking in zip(axes[0], "AB", (state.first, state.second), state.rankings, strict=False):
        show_image(axis, state.scene.image, wrapped(f'{letter}, {side.method}: "{side.expression}"', 34))
        if bool(ranking.mask.any()):
            add_mask(axis, ranking.mask, CHOSEN)
        if state.truth is not None:
            add_mask(axis, state.truth, TRUTH, fill=0, dashed=True)
    difference = state.difference()
    reach = float(np.abs(difference).max())
    limits = (-reach, reach)
    show_heat(axes[0, 2], state.scene.image, difference, limits, "A minus B, standard deviations", diverging=True)
    add_colour_bar(fig, axes[0, 2], limits, diverging=True)
    return note_source(fig, state.clip, data)
