"""The widget that shows a view in the page: panels drawn by JavaScript from data that is sent once."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from PIL import Image

from zsris_viz.figures.layout import DIVERGING, SEQUENTIAL
from zsris_viz.figures.outlines import as_mask, label_place, svg_path
from zsris_viz.figures.panels import LineChart, Maps, PanelView, finite_range
from zsris_viz.figures.roles import ROLES

SCRIPTS = Path(__file__).parent / "page_script"
LONGEST = 1024  # pixels of the longest side of an image in the page
PNG_PIXELS = 300_000  # images up to this size are sent without loss

Listener = Callable[[str, Mapping[str, Any]], None]


def script() -> str:
    """Return the JavaScript of the board: its parts one after the other, so that no bundler is needed."""
    names = ("maps", "pictures", "grid", "charts", "tables", "board")
    return "\n".join((SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in names)


class PanelBoard(anywidget.AnyWidget):
    """Show a view in the page.

    Sliders, the mouse over a map, pins and the table are answered in the page; Python is told where the cursor stays.

    Args:
        on_event: Called with the name of an event ("token", "save", "code", "cancel") and what came with it.
        on_cursor: Called with the cursor's values that the reader changed.

    Attributes:
        view: The panels as plain values for the page.
        cursor: A value for each axis, `shown` (numbers of masks), `selected`, `truth` and `pins`.
        message: {"text", "kind"}, where the kind is "", "warning" or "error".
        progress: {"text", "done", "total"}; empty when nothing is computed.
        badge: A warning that stays beside every result.
    """

    _esm = script()
    _css = (SCRIPTS / "board.css").read_text(encoding="utf-8")
    view = traitlets.Dict().tag(sync=True)
    cursor = traitlets.Dict().tag(sync=True)
    message = traitlets.Dict().tag(sync=True)
    progress = traitlets.Dict().tag(sync=True)
    badge = traitlets.Unicode().tag(sync=True)

    def __init__(
        self, on_event: Listener | None = None, on_cursor: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        super().__init__()
        self._on_event, self._on_cursor = on_event, on_cursor
        self._showing = False
        self._shapes: dict[str, tuple[Any, list[dict[str, Any]]]] = {}
        self._picture: tuple[Any, dict[str, Any]] = (None, {})
        self.on_msg(self._receive)
        self.observe(self._moved, names="cursor")

    def show(self, view: PanelView, cursor: Mapping[str, Any]) -> None:
        """Send a view and its cursor to the page; images and outlines that it already has are not made again."""
        if self._picture[0] is not view.image:
            self._picture = (view.image, image_for_page(view.image))
        content = {
            "image": self._picture[1],
            "rows": [[plain_panel(panel) for panel in row] for row in view.rows],
            "axes": {name: asdict(axis) for name, axis in view.axes.items()},
            "maps": {name: maps_for_page(maps) for name, maps in view.maps.items()},
            "regions": {name: self._regions(name, masks) for name, masks in view.masks.items()},
            "roles": {name: asdict(role) for name, role in ROLES.items()},
            "scales": {"sequential": colour_bytes(SEQUENTIAL), "diverging": colour_bytes(DIVERGING)},
        }
        self._showing = True
        try:
            with self.hold_sync():
                self.cursor = dict(cursor)
                self.view = content
        finally:
            self._showing = False

    def _regions(self, name: str, masks: Sequence[Any]) -> list[dict[str, Any]]:
        cached = self._shapes.get(name)
        if cached is None or cached[0] is not masks:
            cached = (masks, [region_for_page(mask) for mask in masks])
            self._shapes[name] = cached
        return cached[1]

    def show_message(self, text: str, kind: str = "") -> None:
        """Write into the message line; an empty text clears it."""
        self.message = {"text": text, "kind": kind}

    def send_event(self, event: str, **values: Any) -> None:
        """Do what an event of the page does."""
        self._receive(self, {"event": event, **values}, [])

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        if self._on_event is not None and isinstance(content, dict) and isinstance(content.get("event"), str):
            self._on_event(content["event"], content)

    def _moved(self, change: Any) -> None:
        if self._showing or self._on_cursor is None:
            return
        old = change["old"] if isinstance(change["old"], dict) else {}
        changed = {name: value for name, value in change["new"].items() if old.get(name) != value}
        if changed:
            self._on_cursor(changed)


def image_for_page(image: Image.Image) -> dict[str, Any]:
    """Return an image as a data address of at most `LONGEST` pixels a side, with the size that masks refer to."""
    small = image.copy()
    small.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    buffer, kind = io.BytesIO(), "png" if small.width * small.height <= PNG_PIXELS else "jpeg"
    small.save(buffer, kind, **({"quality": 92} if kind == "jpeg" else {}))
    data = base64.b64encode(buffer.getvalue()).decode()
    return {"url": f"data:image/{kind};base64,{data}", "width": image.width, "height": image.height}


def maps_for_page(maps: Maps) -> dict[str, Any]:
    """Return maps as one byte a value, each map with its own smallest and largest value.

    The error is at most half of 1/255 of a map's range.
    """
    flat = np.nan_to_num(maps.values.astype(np.float32)).reshape(-1, maps.values.shape[-2] * maps.values.shape[-1])
    low, high = flat.min(axis=1), flat.max(axis=1)
    span = np.where(high > low, high - low, 1.0)
    values = np.round((flat - low[:, None]) / span[:, None] * 255).astype(np.uint8)
    return {
        "values": values.tobytes(),
        "low": low.astype("<f4").tobytes(),
        "high": high.astype("<f4").tobytes(),
        "shape": list(maps.values.shape),
        "axes": list(maps.axes),
        "unit": maps.unit,
        "limits": None if maps.limits is None else list(maps.limits),
        "range": list(maps.limits or finite_range(flat)),
        "diverging": maps.diverging,
    }


def region_for_page(mask: Any) -> dict[str, Any]:
    """Return a mask as an SVG path, the place of its label, and its area in pixels."""
    x, y = label_place(mask)
    return {"path": svg_path(mask), "x": x, "y": y, "area": int(np.count_nonzero(as_mask(mask)))}


def plain_panel(panel: Any) -> dict[str, Any]:
    """Return a panel as JSON; numbers that are not finite become null."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        if isinstance(value, float):
            return value if np.isfinite(value) else None
        return value

    content = plain(asdict(panel))
    if isinstance(panel, LineChart):
        content["top"] = panel.top
    return content


@cache
def colour_bytes(name: str) -> bytes:
    """Return the 256 colours of a matplotlib scale, three bytes each."""
    import matplotlib

    return (matplotlib.colormaps[name](np.arange(256))[:, :3] * 255).round().astype(np.uint8).tobytes()
