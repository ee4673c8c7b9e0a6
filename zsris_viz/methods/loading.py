"""Loading of methods by name: built-in methods, those of installed packages, and those registered in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from zsris_viz.registry import Registry

if TYPE_CHECKING:
    from zsris_viz.methods.base import Method, MethodInfo

M = TypeVar("M", bound="Method")

_METHODS: Registry[type[Method]] = Registry(
    "method",
    "zsris_viz.methods",
    {
        "grad-cam": "zsris_viz.methods.grad_cam:GradCam",
        "score-map": "zsris_viz.methods.score_map:ScoreMap",
        "clip-surgery": "zsris_viz.methods.clip_surgery:ClipSurgery",
        "region-token": "zsris_viz.methods.region_token:RegionToken",
        "text-only": "zsris_viz.methods.text_only:TextOnly",
        "cropping": "zsris_viz.methods.cropping:Cropping",
        "global-local": "zsris_viz.methods.global_local:GlobalLocal",
        "tas": "zsris_viz.methods.tas:Tas",
        "copatch": "zsris_viz.methods.copatch.method:CoPatch",
        "hybridgl": "zsris_viz.methods.hybridgl:HybridGl",
        "risclip": "zsris_viz.methods.risclip.method:RisClip",
    },
)


def register_method(cls: type[M]) -> type[M]:
    """Register a method class in this process under the name in its `info`; this function is a class decorator.

    An installed package registers its methods through the entry-point group `zsris_viz.methods` instead.

    Raises:
        InvalidInputError: The name belongs to a built-in or installed method.
    """
    _METHODS.register(cls.info.name)(cls)
    return cls


def method_names() -> list[str]:
    """Return the names that `get_method` accepts, without importing a method."""
    return _METHODS.names()


def method_class(name: str) -> type[Method]:
    """Return the class of a method.

    Raises:
        InvalidInputError: The name is unknown; the message lists the known names.
        UnavailableError: The package that provides the method cannot be imported.
    """
    return _METHODS.load(name)


def get_method(name: str, preset: str = "default", **config: Any) -> Method:
    """Create a method by name from a preset and changed settings.

    Args:
        name: One of `method_names()`.
        preset: Name of a preset of the method.
        **config: Fields of the configuration, for example `alpha=0.85`, or `crop={"fill": "blur"}` for a field of a
            nested configuration.

    Returns:
        The method.

    Raises:
        InvalidInputError: The name or the preset is unknown, or a value is not accepted.
        InvalidTypeError: A setting is unknown.
    """
    return method_class(name)(preset, **config)


def list_methods() -> list[MethodInfo]:
    """Return the descriptions of all methods in the order of the tables."""
    return [cls.info for _, cls in _METHODS.items()]
