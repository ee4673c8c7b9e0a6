"""Loading of sources of proposals by name: those of this package, of plug-ins, and of scripts that register one."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.registry import Registry

if TYPE_CHECKING:
    import torch

    from zsris_viz.proposals.base import Proposer

#: Every source by name; plug-ins use the entry-point group `zsris_viz.proposals`.
PROPOSERS: Registry[type[Proposer]] = Registry(
    "source of proposals",
    "zsris_viz.proposals",
    {
        "ground-truth": "zsris_viz.proposals.base:GroundTruth",
        "felzenszwalb": "zsris_viz.proposals.felzenszwalb:Felzenszwalb",
        "sam": "zsris_viz.proposals.sam:Sam",
        "sam-vit-h": "zsris_viz.proposals.sam:Sam",
        "sam-vit-l": "zsris_viz.proposals.sam:Sam",
        "sam-vit-b": "zsris_viz.proposals.sam:Sam",
        "sam2": "zsris_viz.proposals.sam2:Sam2",
        "mask2former": "zsris_viz.proposals.mask2former:Mask2Former",
        "mask2former-panoptic": "zsris_viz.proposals.mask2former:Mask2Former",
        "precomputed": "zsris_viz.proposals.precomputed:Precomputed",
        "none": "zsris_viz.proposals.base:NoProposals",
    },
)
#: The settings that a name stands for.
SETTINGS: dict[str, dict[str, Any]] = {
    "sam-vit-h": {"checkpoint": "sam-vit-h"},
    "sam-vit-l": {"checkpoint": "sam-vit-l"},
    "sam-vit-b": {"checkpoint": "sam-vit-b"},
    "mask2former-panoptic": {"model": "facebook/mask2former-swin-large-coco-panoptic", "mode": "panoptic"},
}
FILTER_SUFFIX = "+filter"


def proposal_names() -> list[str]:
    """Return the names that `load_proposals` accepts, without importing a source."""
    return PROPOSERS.names()


def register_proposer(name: str) -> Callable[[type[Proposer]], type[Proposer]]:
    """Return a decorator that registers a subclass of `Proposer` under `name` in this process.

    Args:
        name: The name for `load_proposals`, which no other source has.

    Raises:
        InvalidInputError: The name is already in use.
    """
    return PROPOSERS.register(name)


def load_proposals(
    name: str | Proposer,
    *,
    cache: bool | str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    data_root: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> Proposer:
    """Return a source of proposals by name; a loaded source is returned unchanged.

    Args:
        name: One of :func:`proposal_names`, or a Proposer. "sam" is the built-in miniature, which was trained on drawn
            scenes only; "sam-vit-h" a published checkpoint; "sam:FILE" a checkpoint of your own; "sam2:ID" and
            "mask2former:ID" a model of the Hugging Face Hub or a folder; "precomputed:FILE" masks from a file. The
            suffix "+filter" adds the overlap filter of TAS with its defaults (:class:`~.filtered.Filtered`).
        cache: Whether masks are cached on disk, or the folder of the cache. By default only those of sources that run a
            model, in the folder :func:`zsris_viz.io.cache.cache_folder` (variable ZSRIS_CACHE, "off" for never).
        device: Device of a source that runs a model; ignored by the others.
        data_root: Folder into which `zsris data fetch` downloaded a checkpoint such as "sam-vit-h".
        **settings: Settings of the source, for example `max_masks=50`.

    Returns:
        The source, with the cache and the filter around it.

    Raises:
        InvalidInputError: The name or a value is unknown.
        InvalidTypeError: A setting is unknown, or there are settings for a loaded source.
        UnavailableError: A model or file is not available.
        CorruptFileError: A model or file is damaged.

    Example:
        >>> load_proposals("felzenszwalb", max_masks=20).settings["max_masks"]
        20
    """
    from zsris_viz.proposals.base import Proposer

    if isinstance(name, Proposer):
        if settings or cache is not None:
            refused = ", ".join([*settings, *(["cache"] if cache is not None else [])])
            raise InvalidTypeError(f"{name!r} is already loaded; give {refused} when it is made.")
        return name
    if not isinstance(name, str):
        raise InvalidTypeError(f"Proposals were given as {type(name).__name__}; give a name or a Proposer.")
    source, colon, argument = name.removesuffix(FILTER_SUFFIX).partition(":")
    if source not in PROPOSERS:
        raise InvalidInputError(
            f"proposals {name!r} are unknown; use one of {', '.join(proposal_names())}, sam:FILE, sam2:ID, "
            f"mask2former:ID or precomputed:FILE; each also with the suffix {FILTER_SUFFIX}."
        )
    cls = PROPOSERS.load(source)
    if colon and (cls.argument is None or not argument):
        accepted = f"{source}:{cls.argument.upper()}" if cls.argument else source
        raise InvalidInputError(f"proposals {name!r} are unknown; {accepted} is accepted.")
    options = {**SETTINGS.get(source, {}), **settings}
    if colon and cls.argument is not None:
        options[cls.argument] = argument
    if source == "precomputed" and "file" not in options:
        raise InvalidInputError("precomputed proposals come from a file: give precomputed:FILE, or file=...")
    if cls.runs_model:
        options["device"] = device
    if cls.reads_data_root:
        options["data_root"] = data_root
    try:
        inspect.signature(cls).bind(**options)
    except TypeError as error:
        raise InvalidTypeError(f"proposals {source!r} do not accept {', '.join(settings)}: {error}.") from error
    return _wrap(cls(**options), cls.runs_model if cache is None else cache, name.endswith(FILTER_SUFFIX))


def _wrap(proposer: Proposer, cache: bool | str | os.PathLike[str], filtered: bool) -> Proposer:
    """Return the source with the cache, and with the filter if `filtered` is true."""
    if cache is not False:
        from zsris_viz.proposals.cache import CachedProposals

        proposer = CachedProposals(proposer, None if cache is True else cache)
    if filtered:
        from zsris_viz.proposals.filtered import Filtered

        proposer = Filtered(proposer)
    return proposer
