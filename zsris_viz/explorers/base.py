"""The common base of all explorers: controls above a board, messages, jobs that can be cancelled, and exports."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import ipywidgets

from zsris_viz.errors import ZsrisError, ZsrisWarning
from zsris_viz.explorers.board import PanelBoard
from zsris_viz.explorers.export import FORMATS, explorer_code, figure_bytes
from zsris_viz.explorers.jobs import Cancelled, Job, run_job
from zsris_viz.explorers.state import ExplorerState
from zsris_viz.figures.panel_figures import draw_view
from zsris_viz.figures.panels import Cursor, PanelView

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zsris_viz.provenance import Named

WIDE = {"description_width": "initial"}


class Explorer(ipywidgets.VBox):
    """Controls and a board of panels over a state. The last value of a cell, or `display(explorer)`, shows it.

    A change that the state refuses is explained in the message line, and what was shown stays. Warnings of the package
    appear there too.

    Attributes:
        state: The computed results, without widgets.
        board: The panels in the page.
        image_source: The image in the result of `code`: the name of an example, or the image itself.
        on_change: Function that takes the explorer after its state has changed, or None.
        restorable: Names of the settings that a page's address may set.
    """

    name = "explorer"
    restorable: ClassVar[tuple[str, ...]] = ()
    expression: ipywidgets.Text

    def __init__(self, state: ExplorerState, controls: Sequence[ipywidgets.Widget]) -> None:
        self.state = state
        self.board = PanelBoard(self._event, self._cursor_moved)
        self.board.badge = state.badge
        self.on_change: Callable[[Explorer], None] | None = None
        self.image_source: Any = state.scene.image
        self._job: Job | None = None
        self._lists: dict[str, tuple[Any, list[Any]]] = {}
        super().__init__([row(*controls), self.board])
        self.add_class("zsris-explorer")
        self.add_class(f"zsris-{self.name}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}: a widget that needs its kernel; run its cell, or draw it with .static()"

    @abstractmethod
    def view(self) -> PanelView:
        """Describe what is shown."""

    @abstractmethod
    def cursor(self) -> Cursor:
        """Return the values of the view's axes, and what is shown and selected."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the explorer's arguments that are texts and numbers, `expression` among them."""

    @abstractmethod
    def masks(self) -> dict[str, Any]:
        """Return the explorer's arguments that are masks."""

    def code(self) -> str:
        """Return Python code that makes this explorer."""
        settings = self.settings()
        expression = str(settings.pop("expression"))
        return explorer_code(
            type(self).__name__, self.image_source, expression, self.state.clip.name, **(settings | self.masks())
        )

    def apply_cursor(self, changed: Mapping[str, Any]) -> None:
        """Update the state with the cursor's values that the reader changed."""

    def redraw(self) -> None:
        """Update controls and board to the state."""
        self._show()
        self.update_texts()

    def _show(self) -> None:
        self.board.show(self.view(), {**self.board.cursor, **self.cursor()})
        self.update_controls()

    def static(self, data: Named | str | None = None) -> Figure:
        """Draw the same view as a matplotlib figure: for papers, and for readers without a kernel.

        Args:
            data: What the image is from, named below the figure beside the model: what `load_dataset` gives, or a text.

        Returns:
            A figure.

        Raises:
            UnavailableError: After `close`, or when the model's weights are not in memory any more.
        """
        from zsris_viz.figures.layout import note_source

        fig = draw_view(self.view(), {**self.board.cursor, **self.cursor()})
        return note_source(fig, self.state.clip, data)

    def attempt(self, change: Callable[[], Any], *, busy: str = "") -> None:
        """Change the state and redraw; errors and warnings are shown in the message line.

        In a kernel the work is done by another thread, one piece at a time, so that the page can cancel it; elsewhere
        it is done at once.

        Args:
            change: Function that changes the state.
            busy: Description of the computation, shown with a count while it runs.
        """
        if self._job is not None:
            self._job.cancel()

        def work(job: Job) -> None:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    with job.counting(self.state):
                        change()
                    self._show()  # not the text boxes: the reader may have typed on
                except Cancelled:
                    self.board.show_message("The computation was cancelled.")
                    self.update_controls()
                except ZsrisError as error:
                    self.board.show_message(str(error), "error")
                    self.update_controls()
                except Exception as error:  # a callback's traceback would only go to a log
                    self.board.show_message(f"{type(error).__name__}: {error}", "error")
                    self.update_controls()
                else:
                    self.board.show_message(*message_of(caught))
                    self._changed()
                finally:
                    self.board.progress = {}
            for entry in caught:
                if not issubclass(entry.category, ZsrisWarning):
                    warnings.warn_explicit(entry.message, entry.category, entry.filename, entry.lineno)

        self._job = Job(busy, self._report)
        run_job(self._job, work)

    def update_controls(self) -> None:
        """Set the controls to what the state has: after a change, and after one that was not accepted."""

    def update_texts(self) -> None:
        """Set the text boxes to what the state has; not after a refused text, which the reader may want to correct."""
        self.expression.value = self.settings()["expression"]

    def cached_list(self, name: str, source: Any, make: Callable[[], list[Any]]) -> list[Any]:
        """Return a list made from `source`, the same one as long as the source is: its outlines are then sent once."""
        cached = self._lists.get(name)
        if cached is None or cached[0] is not source:
            cached = self._lists[name] = (source, make())
        return cached[1]

    def set_expression(self, text: str) -> None:
        """Take another expression, and pass it on when it was accepted."""
        if self.expression.value != text:  # the page's expression
            self.expression.value = text
        elif text == self.settings()["expression"]:
            self.board.show_message("")  # a refused text was corrected
        else:
            self.attempt(lambda: self.state.set(expression=text), busy="computing")

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change(self)

    def _report(self, text: str, done: int, total: int) -> None:
        self.board.progress = {"text": text, "done": done, "total": total}

    def _cursor_moved(self, changed: dict[str, Any]) -> None:
        try:
            self.apply_cursor(changed)
            self._changed()
        except ZsrisError as error:
            self.board.show_message(str(error), "error")

    def _event(self, event: str, content: Mapping[str, Any]) -> None:
        if event == "cancel" and self._job is not None:
            self._job.cancel()
        elif event == "code":
            self.board.send({"kind": "code", "text": self.code()})
        elif event == "save" and content.get("format") in FORMATS:
            kind = str(content["format"])
            self.attempt(lambda: self._send_figure(kind), busy="drawing the figure")
        else:
            self.handle_event(event, content)

    def handle_event(self, event: str, content: Mapping[str, Any]) -> None:
        """Handle an event of the board that only this explorer has."""

    def _send_figure(self, kind: str) -> None:
        data = figure_bytes(self.static(), kind)
        self.board.send({"kind": "file", "name": f"{self.name}.{kind}", "type": FORMATS[kind]}, [data])

    def close(self) -> None:
        """Remove the widget from the page and release model, image and features."""
        if hasattr(self, "state"):  # not if it was never finished
            if self._job is not None:
                self._job.cancel()
            self.state.close()
            self.board.close()
        super().close()


def message_of(caught: Sequence[warnings.WarningMessage]) -> tuple[str, str]:
    """Return the text and the kind of the message line for the package's warnings among those that were caught."""
    texts = [str(entry.message) for entry in caught if issubclass(entry.category, ZsrisWarning)]
    return " ".join(dict.fromkeys(texts)), "warning" if texts else ""


def observe(control: ipywidgets.Widget, callback: Callable[[Any], object]) -> None:
    """Call `callback(new value)` whenever a control's value changes."""
    control.observe(lambda change: callback(change["new"]), names="value")


def text_box(value: str, description: str = "expression") -> ipywidgets.Text:
    """Return a box whose value counts when Enter is pressed or the box is left."""
    return ipywidgets.Text(
        value,
        description=description,
        continuous_update=False,
        layout={"width": "420px", "max_width": "98%", "flex": "1 1 240px"},
        style=WIDE,
    )


def dropdown(description: str, options: Any, value: Any) -> ipywidgets.Dropdown:
    """Return a choice of one: a mapping of value to text, or plain values."""
    pairs = [(text, key) for key, text in options.items()] if isinstance(options, Mapping) else list(options)
    layout = {"width": "auto", "max_width": "98%", "flex": "0 1 auto"}
    return ipywidgets.Dropdown(options=pairs, value=value, description=description, layout=layout, style=WIDE)


def button(text: str, pressed: Callable[[], Any]) -> ipywidgets.Button:
    """Return a button that is as wide as its text."""
    made = ipywidgets.Button(description=text, layout={"width": "auto"})
    made.on_click(lambda _: pressed())
    return made


def row(*parts: ipywidgets.Widget) -> ipywidgets.HBox:
    """Return widgets side by side, on more lines where the page is narrow."""
    return ipywidgets.HBox(
        list(parts), layout={"flex_flow": "row wrap", "align_items": "center", "grid_gap": "2px 16px"}
    )
