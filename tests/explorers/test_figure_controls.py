"""A figure beside controls that redraw it."""

from __future__ import annotations

import ipywidgets
from matplotlib.figure import Figure

from zsris_viz.explorers import figure_with_controls


def test_a_changed_control_redraws_the_figure() -> None:
    drawn: list[int] = []

    def draw(width: int) -> Figure:
        drawn.append(width)
        figure = Figure((width, 1))
        figure.text(0.5, 0.5, str(width))
        return figure

    slider = ipywidgets.IntSlider(2, min=1, max=5)
    box = figure_with_controls(draw, width=slider)
    before = bytes(box.children[-1].value)
    assert slider.description == "width" and before.startswith(b"\x89PNG")
    slider.value = 4
    assert drawn == [2, 4] and bytes(box.children[-1].value) != before
