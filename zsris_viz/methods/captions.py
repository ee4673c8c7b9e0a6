"""Captions as TAS and Text-only use them: given or computed, one for each proposal, none of them empty."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from zsris_viz.errors import InvalidInputError, ZsrisWarning
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.texts import ExpressionParts

#: What stands in for a caption without words: a text that is as true of every mask.
FALLBACK = "object"


@dataclass(frozen=True)
class RegionCaptions:
    """Captions of all proposals.

    Attributes:
        texts: N texts, `FALLBACK` where the captioner said nothing. empty: indices of those.
    """

    texts: tuple[str, ...]
    empty: tuple[int, ...]


def region_captions(
    scene: SceneFeatures, text: ExpressionParts, *, style: str, square: str, sigma: float
) -> RegionCaptions:
    """The given captions, or the scene's; "object" in place of empty ones, with one warning for a scene.

    Raises:
        InvalidInputError: another number of captions than proposals was given.
    """
    given = text.extras.get("captions")
    if given is not None and len(given) != len(scene):
        raise InvalidInputError(f"{len(given)} captions were given for {len(scene)} proposals; give one for each.")
    said = given if given is not None else scene.region_captions(style, square=square, sigma=sigma)
    empty = tuple(index for index, one in enumerate(said) if not one.strip() and not bool(scene.empty[index]))
    if empty:
        scene.cached(("empty captions", empty), lambda: _warn_of(empty, len(said)))
    return RegionCaptions(tuple(one if one.strip() else FALLBACK for one in said), empty)


def image_caption(scene: SceneFeatures, text: ExpressionParts) -> str:
    """The given caption of the whole image, or the scene's; with a warning if it has no words."""
    caption = text.extras.get("image_caption")
    if caption is None:
        caption = scene.image_caption()
    if not caption.strip():
        scene.cached("empty image caption", _warn_of_none)
    return caption


def _warn_of(empty: tuple[int, ...], count: int) -> bool:
    warnings.warn(
        f"The captions of {len(empty)} of {count} proposals are empty; {FALLBACK!r} stands in for them "
        f"(proposals {', '.join(map(str, empty[:10]))}). Give captions=, or another captioner.",
        ZsrisWarning,
        stacklevel=6,
    )
    return True


def _warn_of_none() -> bool:
    warnings.warn(
        "The caption of the whole image is empty, so there are no negative phrases. Give image_caption= or negatives=.",
        ZsrisWarning,
        stacklevel=6,
    )
    return True
