"""RISCLIP (Kim et al., NAACL 2024), which trains CLIP's image-text alignment for referring image segmentation.

Each part has a module: `config`, `adapters` (Cross-modal Feature Extraction, CFE), `exploitation` (Shared-space
Knowledge Exploitation, SKE), `decoder`, `losses`, `model`, `train` and `checkpoint`. The module `method` makes a
trained model available in the registry, next to the zero-shot methods.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsris_viz.methods.risclip.checkpoint import load_model, save_model, tower_hash
    from zsris_viz.methods.risclip.config import Architecture, Data, Steps, Training, read_training
    from zsris_viz.methods.risclip.method import RisClip
    from zsris_viz.methods.risclip.model import Grounding, RisClipModel
    from zsris_viz.methods.risclip.train import Trained, train_risclip

_HOMES = {
    "Architecture": "config",
    "Data": "config",
    "Grounding": "model",
    "RisClip": "method",
    "RisClipModel": "model",
    "Steps": "config",
    "Trained": "train",
    "Training": "config",
    "load_model": "checkpoint",
    "read_training": "config",
    "save_model": "checkpoint",
    "tower_hash": "checkpoint",
    "train_risclip": "train",
}
__all__ = [
    "Architecture",
    "Data",
    "Grounding",
    "RisClip",
    "RisClipModel",
    "Steps",
    "Trained",
    "Training",
    "load_model",
    "read_training",
    "save_model",
    "tower_hash",
    "train_risclip",
]


def __getattr__(name: str) -> Any:
    """Import the submodule that defines `name` on first use.

    Args:
        name: Name of a public object of the package.

    Returns:
        The object.

    Raises:
        AttributeError: The package has no public object of this name.
    """
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
