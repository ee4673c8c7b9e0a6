"""Captioners by name: the built-in one, published ones, and folders in the same format."""

from __future__ import annotations

import inspect
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.miniature import WEIGHTS

if TYPE_CHECKING:
    from zsris_viz.captioning.base import Captioner

#: Name -> Hugging Face id; "miniature" is in the package.
PUBLISHED = {
    "git-base": "microsoft/git-base",
    "blip-base": "Salesforce/blip-image-captioning-base",
    "blip-large": "Salesforce/blip-image-captioning-large",
    "blip2-opt-2.7b": "Salesforce/blip2-opt-2.7b",
}
MINIATURE = WEIGHTS / "git"


def captioner_names() -> list[str]:
    """Return the names that `load_captioner` accepts besides Hugging Face ids and folders; imports no model."""
    return ["miniature", *PUBLISHED]


def load_captioner(name: str | os.PathLike[str] | Captioner = "miniature", **settings: Any) -> Captioner:
    """Return a captioner by name; one that is already loaded is returned as it is.

    Args:
        name: "miniature" (built in, trained on drawn scenes only), "git-base", "blip-base", "blip-large" or
            "blip2-opt-2.7b" (downloaded), another Hugging Face id of a GIT, BLIP or BLIP-2 model such as
            "microsoft/git-base-coco", or a folder in that format.
        **settings: Settings of the captioner: `device`, `dtype`, `eight_bit`, `max_tokens`, `beams`, `prompt`,
            `batch_size`, `cache`; see :class:`~zsris_viz.captioning.hub.HubCaptioner`.

    Raises:
        InvalidInputError: An unknown name or value.
        InvalidTypeError: An unknown setting, or settings for a loaded captioner.
        UnavailableError: The weights are not there.
        CorruptFileError: The files cannot be read, are incomplete, or hold numbers that are not finite.
    """
    from zsris_viz.captioning.base import Captioner

    if isinstance(name, Captioner):
        if settings:
            raise InvalidTypeError(f"{name!r} is already loaded; give {', '.join(settings)} when it is made.")
        return name
    if not isinstance(name, str | os.PathLike):
        raise InvalidTypeError(f"load_captioner takes a name, a path or a Captioner; {type(name).__name__} was given.")
    text = os.fspath(name)
    source: str | Path
    if text == "miniature":
        if not (MINIATURE / "model.safetensors").is_file():
            raise UnavailableError(
                f"the weights of the miniature captioner are missing ({MINIATURE}). Reinstall the package, or train "
                "them again: python -m zsris_viz.miniature train git"
            )
        source = MINIATURE
    elif text in PUBLISHED:
        source = PUBLISHED[text]
    elif text.strip() and Path(text).expanduser().is_dir():
        source = Path(text).expanduser()
    elif text.count("/") == 1 and not text.startswith((".", "~", "/")):
        source = text
    else:
        raise InvalidInputError(
            f"there is no captioner {text!r}. Use {', '.join(captioner_names())}, a Hugging Face id such as "
            "'microsoft/git-base-coco', or the path of a folder."
        )
    from zsris_viz.captioning.hub import HubCaptioner

    try:
        inspect.signature(HubCaptioner).bind(text, source, **settings)
    except TypeError as error:
        raise InvalidTypeError(f"load_captioner does not take {', '.join(settings)}: {error}.") from error
    return HubCaptioner(text, source, **settings)


@lru_cache(maxsize=2)
def shared_captioner(name: str) -> Captioner:
    """Return `load_captioner(name)`, loaded once for all scenes of a process."""
    return load_captioner(name)
