"""CLIP towers behind one interface, every layer in reach.

``load_clip(name)`` is the way in; :class:`Clip` is what it returns and :class:`Trace` what a traced run leaves behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsris_viz.clip.base import Clip
    from zsris_viz.clip.itc import ItcClip, load_itc
    from zsris_viz.clip.loading import load_clip
    from zsris_viz.clip.preprocess import PRESETS, Preprocess, get_preprocess
    from zsris_viz.clip.resnet import RNClip
    from zsris_viz.clip.rn_model import RNModel, save_clip_rn
    from zsris_viz.clip.tokenizer import ClipTokenizer, TextTokens
    from zsris_viz.clip.trace import ClipCounter, Trace
    from zsris_viz.clip.vit import ViTClip

_HOMES = {
    "base": ("Clip",),
    "itc": ("ItcClip", "load_itc"),
    "loading": ("load_clip",),
    "preprocess": ("PRESETS", "Preprocess", "get_preprocess"),
    "resnet": ("RNClip",),
    "rn_model": ("RNModel", "save_clip_rn"),
    "tokenizer": ("ClipTokenizer", "TextTokens"),
    "trace": ("ClipCounter", "Trace"),
    "vit": ("ViTClip",),
}
__all__ = [
    "PRESETS",
    "Clip",
    "ClipCounter",
    "ClipTokenizer",
    "ItcClip",
    "Preprocess",
    "RNClip",
    "RNModel",
    "TextTokens",
    "Trace",
    "ViTClip",
    "get_preprocess",
    "load_clip",
    "load_itc",
    "save_clip_rn",
]


def __getattr__(name: str) -> Any:
    """Load the submodule that holds ``name`` on first use: importing the package stays quick."""
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"zsris_viz.clip.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
