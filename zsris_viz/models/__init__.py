"""Image-text models behind two contracts: `ImageTextModel` embeds, `LayeredModel` also gives access to its layers.

`load_clip(name)` loads one; a traced run returns a `Trace`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsris_viz.models.base import ImageTextModel
    from zsris_viz.models.blip import BlipModel, load_blip
    from zsris_viz.models.layered import LayeredModel, require_layers
    from zsris_viz.models.loading import load_clip
    from zsris_viz.models.open_clip_hub import OpenClipModel, load_open_clip
    from zsris_viz.models.preprocessing import PRESETS, Preprocess, get_preprocess
    from zsris_viz.models.resnet import ResNetClip
    from zsris_viz.models.resnet_modules import RNModel, save_clip_rn
    from zsris_viz.models.siglip import Siglip, load_siglip
    from zsris_viz.models.tokenizer import ClipTokenizer, TextTokens
    from zsris_viz.models.trace import ClipCounter, Trace
    from zsris_viz.models.vit import VitClip

_HOMES = {
    "base": ("ImageTextModel",),
    "blip": ("BlipModel", "load_blip"),
    "layered": ("LayeredModel", "require_layers"),
    "loading": ("load_clip",),
    "open_clip_hub": ("OpenClipModel", "load_open_clip"),
    "preprocessing": ("PRESETS", "Preprocess", "get_preprocess"),
    "resnet": ("ResNetClip",),
    "resnet_modules": ("RNModel", "save_clip_rn"),
    "siglip": ("Siglip", "load_siglip"),
    "tokenizer": ("ClipTokenizer", "TextTokens"),
    "trace": ("ClipCounter", "Trace"),
    "vit": ("VitClip",),
}
__all__ = [
    "PRESETS",
    "BlipModel",
    "ClipCounter",
    "ClipTokenizer",
    "ImageTextModel",
    "LayeredModel",
    "OpenClipModel",
    "Preprocess",
    "RNModel",
    "ResNetClip",
    "Siglip",
    "TextTokens",
    "Trace",
    "VitClip",
    "get_preprocess",
    "load_blip",
    "load_clip",
    "load_open_clip",
    "load_siglip",
    "require_layers",
    "save_clip_rn",
]


def __getattr__(name: str) -> Any:
    """Load the module that holds `name` on first use, so that importing the package stays quick."""
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"zsris_viz.models.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
