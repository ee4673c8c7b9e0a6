"""Explorers for notebooks: an image, an expression, and everything that changes with them.

Each shows itself as the last value of a cell, and `explorer.static()` draws the same view as a figure; what it computes
is in a state without widgets. They run on ipywidgets and anywidget and need no extension of their own for JupyterLab,
Notebook 7, VS Code or Voila. Without a kernel sliders, hovering, pins and tables still answer; new expressions do not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsris_viz.explorers.attention import AttentionExplorer
    from zsris_viz.explorers.attention_state import AttentionState
    from zsris_viz.explorers.compare import CompareExplorer
    from zsris_viz.explorers.compare_state import CompareState
    from zsris_viz.explorers.examples import example_names, load_example
    from zsris_viz.explorers.layer_state import LayerState
    from zsris_viz.explorers.layers import LayerExplorer
    from zsris_viz.explorers.method_state import MethodState
    from zsris_viz.explorers.methods import MethodExplorer
    from zsris_viz.explorers.page import ExplorerPage
    from zsris_viz.explorers.take_away import image_from_text, masks_from_text

_HOMES = {
    "AttentionExplorer": "attention",
    "AttentionState": "attention_state",
    "CompareExplorer": "compare",
    "CompareState": "compare_state",
    "ExplorerPage": "page",
    "LayerExplorer": "layers",
    "LayerState": "layer_state",
    "MethodExplorer": "methods",
    "MethodState": "method_state",
    "example_names": "examples",
    "image_from_text": "take_away",
    "load_example": "examples",
    "masks_from_text": "take_away",
}
__all__ = [
    "AttentionExplorer",
    "AttentionState",
    "CompareExplorer",
    "CompareState",
    "ExplorerPage",
    "LayerExplorer",
    "LayerState",
    "MethodExplorer",
    "MethodState",
    "example_names",
    "image_from_text",
    "load_example",
    "masks_from_text",
]


def __getattr__(name: str) -> Any:
    """Load the submodule that holds `name` on first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
