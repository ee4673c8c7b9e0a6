"""Zero-shot referring image segmentation on CLIP, step by step.

``segment`` is the one-line way in; the notebooks tell the story. The names below are loaded on first use, so that
``import zsris_viz`` costs nothing.

Example::

    import zsris_viz

    zsris_viz.segment("photo.jpg", "the dog on the left").plot()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import ZsrisError

if TYPE_CHECKING:
    from zsris_viz.captioning import load_captioner
    from zsris_viz.datasets import load_dataset
    from zsris_viz.evaluation import evaluate
    from zsris_viz.images import open_image
    from zsris_viz.language import load_parser
    from zsris_viz.masks import Masks
    from zsris_viz.methods import get_method, list_methods
    from zsris_viz.methods.base import SceneFeatures
    from zsris_viz.models import load_clip
    from zsris_viz.segmentation import segment

__version__ = "0.1.0"

__all__ = [
    "Masks",
    "SceneFeatures",
    "ZsrisError",
    "__version__",
    "evaluate",
    "get_method",
    "list_methods",
    "load_captioner",
    "load_clip",
    "load_dataset",
    "load_parser",
    "open_image",
    "segment",
]

_HOMES = {
    "Masks": "zsris_viz.masks",
    "SceneFeatures": "zsris_viz.methods.base",
    "evaluate": "zsris_viz.evaluation",
    "get_method": "zsris_viz.methods",
    "list_methods": "zsris_viz.methods",
    "load_captioner": "zsris_viz.captioning",
    "load_clip": "zsris_viz.models",
    "load_dataset": "zsris_viz.datasets",
    "load_parser": "zsris_viz.language",
    "open_image": "zsris_viz.images",
    "segment": "zsris_viz.segmentation",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'zsris_viz' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
