"""The bar above the explorers' tabs: another image, examples, progress, and the state in the page's address."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anywidget
import traitlets
from PIL import Image

from zsris_viz.explorers.board import SCRIPTS
from zsris_viz.explorers.examples import Example

THUMBNAIL = 160  # pixels

Listener = Callable[[str, Mapping[str, Any], bytes | None], None]


class PageBar(anywidget.AnyWidget):
    """The widget above the tabs, for what all explorers of a page share.

    Images of more than 1024 pixels a side are made smaller in the browser, before they are sent.

    Args:
        on_event: Called with the name of an event ("ready", "upload", "example", "examples", "address", "cancel"),
            what came with it, and the bytes of an upload.
        addressed: Whether the state is written into the page's address, after "#".

    Attributes:
        examples: Name, expression and picture of each; empty until they are requested.
        message: A text.
        progress: {"text", "done", "total"}; empty when nothing is computed.
        address: The state, as the address has it.
    """

    _esm = (SCRIPTS / "bar.js").read_text(encoding="utf-8")
    _css = (SCRIPTS / "bar.css").read_text(encoding="utf-8")
    examples: traitlets.List[Any] = traitlets.List().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)
    progress = traitlets.Dict().tag(sync=True)
    address = traitlets.Unicode().tag(sync=True)
    addressed = traitlets.Bool().tag(sync=True)

    def __init__(self, on_event: Listener, *, addressed: bool = False) -> None:
        super().__init__(addressed=addressed)
        self._on_event = on_event
        self.on_msg(self._receive)

    def send_event(self, event: str, buffer: bytes | None = None, **values: Any) -> None:
        """Do what an event of the page does."""
        self._receive(self, {"event": event, **values}, [] if buffer is None else [buffer])

    def _receive(self, _: Any, content: Any, buffers: Sequence[Any]) -> None:
        if isinstance(content, dict) and isinstance(content.get("event"), str):
            self._on_event(content["event"], content, bytes(buffers[0]) if buffers else None)

    def show_examples(self, examples: Sequence[Example]) -> None:
        """Fill the gallery."""
        self.examples = [
            {"name": example.name, "expression": example.expression, "url": thumbnail(example.image)}
            for example in examples
        ]


def thumbnail(image: Image.Image) -> str:
    """Return a small JPEG of an image as a data address."""
    small, buffer = image.copy(), io.BytesIO()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.save(buffer, "jpeg", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
