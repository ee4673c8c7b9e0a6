"""A figure of a notebook beside controls that redraw it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_with_controls(draw: Callable[..., Figure], **controls: ipywidgets.Widget) -> ipywidgets.VBox:
    """Show a figure that is drawn again when a control changes.

    The figure is an Image widget. `ipywidgets.interact` would capture the output of the kernel instead, and an executed
    notebook can then wait forever for a message that the capture has taken.

    Args:
        draw: Function that takes the value of each control by its name and returns a figure.
        **controls: Widgets with a `value`, such as sliders.

    Returns:
        The controls with the figure below them.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> box = figure_with_controls(lambda width: Figure((width, 1)), width=ipywidgets.IntSlider(2, min=1, max=3))
        >>> len(box.children)
        2
    """
    picture = ipywidgets.Image(format="png")

    def redraw(_: object = None) -> None:
        buffer = io.BytesIO()
        figure = draw(**{name: control.value for name, control in controls.items()})
        figure.savefig(buffer, format="png", bbox_inches="tight")
        picture.value = buffer.getvalue()

    for name, control in controls.items():
        control.description = control.description or name
        control.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([*controls.values(), picture])
