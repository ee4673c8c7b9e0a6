"""CLIP towers behind one interface, every layer in reach.

``load_clip(name)`` is the way in; :class:`Clip` is what it returns and :class:`Trace` what a traced run leaves behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsris_viz.models.base import Clip
    from zsris_viz.models.blip import BlipModel, load_blip
    from zsris_viz.models.loading import load_clip
    from zsris_viz.models.preprocessing import PRESETS, Preprocess, get_preprocess
    from zsris_viz.models.resnet import ResNetClip
    from zsris_viz.models.resnet_modules import RNModel, save_clip_rn
    from zsris_viz.models.tokenizer import ClipTokenizer, TextTokens
    from zsris_viz.models.trace import ClipCounter, Trace
    from zsris_viz.models.vit import VitClip

_HOMES = {
    "base": ("Clip",),
    "blip": ("BlipModel", "load_blip"),
    "loading": ("load_clip",),
    "preprocessing": ("PRESETS", "Preprocess", "get_preprocess"),
    "resnet": ("ResNetClip",),
    "resnet_modules": ("RNModel", "save_clip_rn"),
    "tokenizer": ("ClipTokenizer", "TextTokens"),
    "trace": ("ClipCounter", "Trace"),
    "vit": ("VitClip",),
}
__all__ = [
    "PRESETS",
    "BlipModel",
    "Clip",
    "ClipCounter",
    "ClipTokenizer",
    "Preprocess",
    "RNModel",
    "ResNetClip",
    "TextTokens",
    "Trace",
    "VitClip",
    "get_preprocess",
    "load_blip",
    "load_clip",
    "save_clip_rn",
]


def __getattr__(name: str) -> Any:
    """Load the submodule that holds ``name`` on first use: importing the package stays quick."""
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"zsris_viz.models.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
