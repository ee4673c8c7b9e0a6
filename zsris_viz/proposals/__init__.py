"""Sources of class-agnostic mask proposals, by name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError, InvalidTypeError

if TYPE_CHECKING:
    from zsris_viz.proposals.base import GroundTruth, Proposer
    from zsris_viz.proposals.felzenszwalb import Felzenszwalb
    from zsris_viz.proposals.filter import OverlapFilter, filter_overlaps

# name -> (module, class); the class is imported, and a model loaded, when asked for
_SOURCES: dict[str, tuple[str, str]] = {
    "ground-truth": ("base", "GroundTruth"),
    "felzenszwalb": ("felzenszwalb", "Felzenszwalb"),
}
_HOMES = {
    "Felzenszwalb": "felzenszwalb",
    "GroundTruth": "base",
    "OverlapFilter": "filter",
    "Proposer": "base",
    "filter_overlaps": "filter",
}
__all__ = [
    "Felzenszwalb",
    "GroundTruth",
    "OverlapFilter",
    "Proposer",
    "filter_overlaps",
    "load_proposals",
    "proposal_names",
]


def proposal_names() -> list[str]:
    """Names that `load_proposals` takes; imports no source."""
    return list(_SOURCES)


def load_proposals(name: str | Proposer, **settings: Any) -> Proposer:
    """A source of proposals by name; one that is already loaded is returned as it is.

    Args:
        name: "ground-truth", "felzenszwalb", ... (:func:`proposal_names`), or a Proposer.
        **settings: of the source, for example `max_masks=50`.

    Raises:
        InvalidInputError: an unknown name or value.
        InvalidTypeError: an unknown setting, or settings for a loaded source.
    """
    from zsris_viz.proposals.base import Proposer

    if isinstance(name, Proposer):
        if settings:
            raise InvalidTypeError(f"{name!r} is already loaded; give {', '.join(settings)} when it is made.")
        return name
    if name not in _SOURCES:
        raise InvalidInputError(f"proposals {name!r} are unknown; use one of {', '.join(_SOURCES)}.")
    module, cls = _SOURCES[name]
    maker = getattr(importlib.import_module(f"{__name__}.{module}"), cls)
    try:
        return maker(**settings)
    except TypeError as error:
        if isinstance(error, InvalidTypeError) or not settings or "argument" not in str(error):
            raise
        raise InvalidTypeError(f"proposals {name!r} do not take {', '.join(settings)}: {error}.") from error


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
