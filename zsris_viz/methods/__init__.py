"""Methods of zero-shot referring image segmentation: each scores the proposals of an image for an expression."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError

if TYPE_CHECKING:
    from zsris_viz.methods.base import Method, MethodInfo

# name -> (module, class); imported when asked for
_METHODS: dict[str, tuple[str, str]] = {
    "grad-cam": ("grad_cam", "GradCam"),
    "score-map": ("score_map", "ScoreMap"),
    "clip-surgery": ("clip_surgery", "ClipSurgery"),
    "region-token": ("region_token", "RegionToken"),
    "text-only": ("text_only", "TextOnly"),
    "cropping": ("cropping", "Cropping"),
    "global-local": ("global_local", "GlobalLocal"),
    "tas": ("tas", "Tas"),
    "copatch": ("copatch", "CoPatch"),
    "risclip": ("risclip.method", "RisClip"),
}
_EXPORTS = {
    "Method": "base",
    "MethodInfo": "base",
    "Ranking": "base",
    "SceneFeatures": "features",
    "TextCache": "texts",
    "CropVariant": "crops",
    "GlobalLocal": "global_local",
    "CoPatch": "copatch",
    "Cropping": "cropping",
    "Tas": "tas",
    "TextOnly": "text_only",
    "RisClip": "risclip.method",
    "GradCam": "grad_cam",
    "ScoreMap": "score_map",
    "ClipSurgery": "clip_surgery",
    "RegionToken": "region_token",
    "gem_map": "gem",
}
__all__ = ["get_method", "list_methods", "method_names", *_EXPORTS]


def method_names() -> list[str]:
    """Names that `get_method` takes; costs no import of a method."""
    return list(_METHODS)


def method_class(name: str) -> type[Method]:
    """The class behind a name. Raises InvalidInputError for an unknown one, listing what exists."""
    if name not in _METHODS:
        raise InvalidInputError(f"method {name!r} is unknown; use one of {', '.join(_METHODS)}.")
    module, cls = _METHODS[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), cls)


def get_method(name: str, preset: str = "default", **config: Any) -> Method:
    """A method by name, with settings on top of a preset: `get_method("global-local", "official", alpha=0.85)`.

    Raises:
        InvalidInputError: an unknown name, preset or value. InvalidTypeError: an unknown setting.
    """
    return method_class(name)(preset, **config)


def list_methods() -> list[MethodInfo]:
    """All methods, in the order in which the tables show them."""
    return [method_class(name).info for name in _METHODS]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
