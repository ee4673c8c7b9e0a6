"""Sources of class-agnostic mask proposals, by name."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError, InvalidTypeError

if TYPE_CHECKING:
    import torch

    from zsris_viz.proposals.base import GroundTruth, NoProposals, Proposer
    from zsris_viz.proposals.cache import CachedProposals
    from zsris_viz.proposals.felzenszwalb import Felzenszwalb
    from zsris_viz.proposals.filter import OverlapFilter, filter_overlaps
    from zsris_viz.proposals.filtered import Filtered
    from zsris_viz.proposals.mask2former import Mask2Former
    from zsris_viz.proposals.precomputed import Precomputed, save_proposals
    from zsris_viz.proposals.sam import Sam

# name -> (module, class, settings that the name stands for); the class is imported, and a model loaded, when asked for
_SOURCES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ground-truth": ("base", "GroundTruth", {}),
    "felzenszwalb": ("felzenszwalb", "Felzenszwalb", {}),
    "sam": ("sam", "Sam", {}),
    "sam-vit-h": ("sam", "Sam", {"checkpoint": "sam-vit-h"}),
    "sam-vit-l": ("sam", "Sam", {"checkpoint": "sam-vit-l"}),
    "sam-vit-b": ("sam", "Sam", {"checkpoint": "sam-vit-b"}),
    "mask2former": ("mask2former", "Mask2Former", {}),
    "precomputed": ("precomputed", "Precomputed", {}),
    "none": ("base", "NoProposals", {}),
}
# what stands behind a colon in a name, "precomputed:FILE"
_ARGUMENTS = {"sam": "checkpoint", "mask2former": "model", "precomputed": "file"}
# sources that run a model: they take a device, and their masks are kept on disk
_MODELS = ("Sam", "Mask2Former")
_FILTER = "+filter"
_HOMES = {
    "CachedProposals": "cache",
    "Felzenszwalb": "felzenszwalb",
    "Filtered": "filtered",
    "GroundTruth": "base",
    "Mask2Former": "mask2former",
    "NoProposals": "base",
    "OverlapFilter": "filter",
    "Precomputed": "precomputed",
    "Proposer": "base",
    "Sam": "sam",
    "filter_overlaps": "filter",
    "save_proposals": "precomputed",
}
__all__ = [
    "CachedProposals",
    "Felzenszwalb",
    "Filtered",
    "GroundTruth",
    "Mask2Former",
    "NoProposals",
    "OverlapFilter",
    "Precomputed",
    "Proposer",
    "Sam",
    "filter_overlaps",
    "load_proposals",
    "proposal_names",
    "save_proposals",
]


def proposal_names() -> list[str]:
    """Names that `load_proposals` takes; imports no source."""
    return list(_SOURCES)


def load_proposals(
    name: str | Proposer,
    *,
    cache: bool | str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    data_root: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> Proposer:
    """A source of proposals by name; one that is already loaded is returned as it is.

    Args:
        name: one of :func:`proposal_names`, or a Proposer. "sam" is the built-in miniature, which knows drawn scenes
            only; "sam-vit-h" a published checkpoint; "sam:FILE" one of your own; "precomputed:FILE" masks from a file;
            "mask2former:ID" a model of the Hugging Face hub or a folder. "+filter" behind any name puts the overlap
            filter of TAS behind the source, with its defaults (:class:`~.filtered.Filtered`).
        cache: keep the masks on disk: True, False, or a folder. Default: for the sources that run a model, in the
            folder that :func:`zsris_viz.io.cache.cache_folder` says (variable ZSRIS_CACHE, "off" for never).
        device: of a source that runs a model; others need none.
        data_root: where `zsris data fetch` put a checkpoint; for "sam-vit-h" and the like.
        **settings: of the source, for example `max_masks=50`.

    Raises:
        InvalidInputError: an unknown name or value.
        InvalidTypeError: an unknown setting, or settings for a loaded source.
        UnavailableError, CorruptFileError: a model or file that is not there or damaged.
    """
    from zsris_viz.proposals.base import Proposer

    if isinstance(name, Proposer):
        if settings or cache is not None:
            given = ", ".join([*settings, *(["cache"] if cache is not None else [])])
            raise InvalidTypeError(f"{name!r} is already loaded; give {given} when it is made.")
        return name
    if not isinstance(name, str):
        raise InvalidTypeError(f"Proposals were given as {type(name).__name__}; give a name or a Proposer.")
    whole, name = name, name.removesuffix(_FILTER)
    source, colon, argument = name.partition(":")
    if source not in _SOURCES or (colon and (source not in _ARGUMENTS or not argument)):
        with_argument = ", ".join(f"{one}:{what.upper()}" for one, what in _ARGUMENTS.items())
        raise InvalidInputError(
            f"proposals {whole!r} are unknown; use one of {', '.join(_SOURCES)}, or {with_argument}; "
            f"each also with {_FILTER} behind it."
        )
    module, cls, fixed = _SOURCES[source]
    chosen: dict[str, Any] = {**fixed, **({_ARGUMENTS[source]: argument} if colon else {}), **settings}
    if source == "precomputed" and "file" not in chosen:
        raise InvalidInputError("precomputed proposals come from a file: give precomputed:FILE, or file=...")
    if cls in _MODELS:
        chosen |= {"device": device} | ({"data_root": data_root} if cls == "Sam" else {})
    maker = getattr(importlib.import_module(f"{__name__}.{module}"), cls)
    try:
        made = maker(**chosen)
    except TypeError as error:
        if isinstance(error, InvalidTypeError) or not settings or "argument" not in str(error):
            raise
        raise InvalidTypeError(f"proposals {source!r} do not take {', '.join(settings)}: {error}.") from error
    return _wrapped(made, cls in _MODELS if cache is None else cache, whole.endswith(_FILTER))


def _wrapped(made: Proposer, cache: bool | str | os.PathLike[str], filtered: bool) -> Proposer:
    """The source with the cache in front of it, then the filter."""
    if cache is not False:
        from zsris_viz.proposals.cache import CachedProposals

        made = CachedProposals(made, None if cache is True else cache)
    if filtered:
        from zsris_viz.proposals.filtered import Filtered

        made = Filtered(made)
    return made


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
