"""Loading of captioners by name: the built-in captioner, published ones, and folders in the same format."""

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

#: Hugging Face id for each name; "miniature" is included in the package.
PUBLISHED = {
    "git-base": "microsoft/git-base",
    "blip-base": "Salesforce/blip-image-captioning-base",
    "blip-large": "Salesforce/blip-image-captioning-large",
    "blip2-opt-2.7b": "Salesforce/blip2-opt-2.7b",
}
MINIATURE = WEIGHTS / "git"


def captioner_names() -> list[str]:
    """Return the names that `load_captioner` accepts besides Hugging Face ids and folders."""
    return ["miniature", *PUBLISHED]


def load_captioner(name: str | os.PathLike[str] | Captioner = "miniature", **settings: Any) -> Captioner:
    """Return a captioner by name; a captioner that is already loaded is returned unchanged.

    Args:
        name: "miniature" (included in the package, trained on drawn scenes only), "git-base", "blip-base",
            "blip-large" or "blip2-opt-2.7b" (downloaded), another Hugging Face id of a GIT, BLIP or BLIP-2 model such
            as "microsoft/git-base-coco", or a folder in that format.
        **settings: Settings of the captioner: `device`, `dtype`, `eight_bit`, `max_tokens`, `beams`, `prompt`,
            `batch_size`, `cache`; see :class:`~zsris_viz.captioning.hub.HubCaptioner`.

    Returns:
        The captioner.

    Raises:
        InvalidInputError: The name is unknown, or a value is not accepted.
        InvalidTypeError: A setting is unknown, or settings are given for a loaded captioner.
        UnavailableError: The weights are not available.
        CorruptFileError: The files cannot be read, are incomplete, or contain values that are not finite.
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
    """Return the captioner of a name, which is loaded once for all scenes of a process."""
    return load_captioner(name)
