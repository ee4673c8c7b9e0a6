"""What all explorers share: a box that shows itself, a line for messages, and a static twin."""

from __future__ import annotations

import html
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets

from zsris_viz.errors import ZsrisError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE = {"description_width": "initial"}
MEAN = -1  # in place of a head; a dropdown takes None for "nothing chosen"


class Explorer(ipywidgets.VBox):
    """A box of controls and pictures over a state. The last value of a cell, or `display(explorer)`, shows it.

    A change that the state refuses is told in the message line, and the old pictures stay. Methods and attributes that
    notebooks use: `state`, `static()`, `close()`.
    """

    def __init__(self, state: Any, rows: Sequence[ipywidgets.Widget]) -> None:
        self.state = state
        self.message = ipywidgets.HTML()
        self.message.add_class("zsris-message")
        self._turning = False
        super().__init__([*rows, self.message])
        self.add_class("zsris-explorer")

    def __repr__(self) -> str:
        return f"{type(self).__name__}: a widget that needs its kernel; run its cell, or draw it with .static()"

    @abstractmethod
    def redraw(self) -> None:
        """Bring every picture and text in line with the state."""

    @abstractmethod
    def static(self, data: Any = None) -> Figure:
        """The same state as a matplotlib figure: for papers, and for readers without a kernel.

        Args:
            data: what the image is from, told below the figure beside the model: what `load_dataset` gives, or a text.

        Raises:
            UnavailableError: after `close`, or when the model's weights are gone.
        """

    def attempt(self, change: Callable[[], Any], *, busy: str = "") -> bool:
        """Change the state and redraw; True if that went well. Errors are told in the message line.

        Args:
            busy: what to say while it takes its time.
        """
        if self._turning:  # a control that is set by the code, not by the user
            return False
        self.say(busy)
        try:
            change()
            self.redraw()
        except ZsrisError as error:
            self.say(str(error), problem=True)
            return False
        except Exception as error:  # a callback's traceback would go to a log that nobody reads
            self.say(f"{type(error).__name__}: {error}", problem=True)
            return False
        self.say("")
        return True

    def say(self, text: str, *, problem: bool = False) -> None:
        """Write plain text into the message line; an empty one clears it."""
        colour = "#B00020" if problem else "inherit"
        self.message.value = f'<span style="color:{colour}">{html.escape(text)}</span>' if text else ""

    def put(self, values: Mapping[ipywidgets.Widget, Any]) -> None:
        """Set controls to values without being told of it as if the user had."""
        self._turning = True
        try:
            for control, value in values.items():
                if control.value != value:
                    control.value = value
        finally:
            self._turning = False

    def close(self) -> None:
        """Take the widget off the page and let go of model, image and features."""
        if hasattr(self, "state"):  # not if it was never finished
            self.state.close()
        super().close()


def observe(control: ipywidgets.Widget, heard: Callable[[Any], object]) -> None:
    """Call `heard(new value)` whenever a control's value changes."""
    control.observe(lambda change: heard(change["new"]), names="value")


def text_box(value: str, description: str = "expression", width: str = "420px") -> ipywidgets.Text:
    """A box whose value counts when Enter is pressed or the box is left."""
    return ipywidgets.Text(value, description=description, continuous_update=False, layout={"width": width}, style=WIDE)


def slider(description: str, value: int, first: int, last: int, width: str = "360px") -> ipywidgets.IntSlider:
    """Whole numbers, told while they move."""
    return ipywidgets.IntSlider(
        value, first, last, description=description, continuous_update=True, layout={"width": width}, style=WIDE
    )


def dropdown(description: str, options: Any, value: Any, width: str = "auto") -> ipywidgets.Dropdown:
    """One of several: a mapping or pairs of text and value, or plain values."""
    pairs = [(text, key) for key, text in options.items()] if isinstance(options, Mapping) else list(options)
    return ipywidgets.Dropdown(options=pairs, value=value, description=description, layout={"width": width}, style=WIDE)


def row(*parts: ipywidgets.Widget, align: str = "center") -> ipywidgets.HBox:
    """Side by side, on more lines where the page is narrow; pictures are aligned at their tops: "flex-start"."""
    return ipywidgets.HBox(list(parts), layout={"flex_flow": "row wrap", "align_items": align, "grid_gap": "4px 16px"})


def button(text: str, pressed: Callable[[], Any]) -> ipywidgets.Button:
    """As wide as its text."""
    made = ipywidgets.Button(description=text, layout={"width": "auto"})
    made.on_click(lambda _: pressed())
    return made


def heads(count: int) -> list[tuple[str, int]]:
    """Attention heads for a dropdown: `MEAN`, then each."""
    return [("mean of heads", MEAN), *((f"head {number}", number) for number in range(count))]
