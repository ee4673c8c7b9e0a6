"""Explorers for notebooks: an image, an expression, and everything that moves when they change.

Each shows itself as the last value of a cell and has a static twin, `explorer.static()`; what it computes is in a state
without widgets. They run on ipywidgets and anywidget, without an extension of JupyterLab or Voila of our own. In a
notebook that is opened without its kernel, nothing answers to clicks; the static figure beside the widget remains.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsris_viz.explorers.attention import AttentionExplorer
    from zsris_viz.explorers.attention_state import AttentionState
    from zsris_viz.explorers.compare import CompareExplorer, CompareState
    from zsris_viz.explorers.layer_state import LayerState
    from zsris_viz.explorers.layers import LayerExplorer
    from zsris_viz.explorers.method_state import MethodState
    from zsris_viz.explorers.methods import MethodExplorer
    from zsris_viz.explorers.page import ExplorerPage

_HOMES = {
    "AttentionExplorer": "attention",
    "AttentionState": "attention_state",
    "CompareExplorer": "compare",
    "CompareState": "compare",
    "ExplorerPage": "page",
    "LayerExplorer": "layers",
    "LayerState": "layer_state",
    "MethodExplorer": "methods",
    "MethodState": "method_state",
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
]


def __getattr__(name: str) -> Any:
    """Load the submodule that holds `name` on first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
