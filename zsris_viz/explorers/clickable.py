"""A drawing that says where it was clicked.

A plotly FigureWidget could do it too, but each one carries plotly's whole script (5 MB) into the page and into every
executed notebook. This one is two kilobytes of JavaScript, run by anywidget, so there is no extension of JupyterLab or
Voila to build or to keep in step with them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

_HERE = Path(__file__).parent
OnClick = Callable[[str, float, float], None]


class Clickable(anywidget.AnyWidget):
    """HTML or SVG in which elements with a `data-key` can be clicked, or chosen with Tab and Enter.

    Args:
        on_click: called with the element's key and the place of the click in it, x and y from 0 (left, top) to 1;
            the middle when it came from the keyboard.

    Attributes:
        markup: what is shown; setting it redraws. Texts of users must be escaped by whoever writes it.
    """

    _esm = (_HERE / "clickable.js").read_text(encoding="utf-8")
    _css = (_HERE / "clickable.css").read_text(encoding="utf-8")
    markup = traitlets.Unicode().tag(sync=True)

    def __init__(self, on_click: OnClick | None = None, **traits: Any) -> None:
        super().__init__(**traits)
        self._on_click = on_click
        self.on_msg(self._heard)

    def click(self, key: str, x: float = 0.5, y: float = 0.5) -> None:
        """What a click in the browser does."""
        self._heard(self, {"key": key, "x": x, "y": y}, [])

    def _heard(self, _: Any, content: Any, __: Any) -> None:
        if self._on_click is not None and isinstance(content, dict) and "key" in content:
            self._on_click(str(content["key"]), float(content.get("x", 0.5)), float(content.get("y", 0.5)))
