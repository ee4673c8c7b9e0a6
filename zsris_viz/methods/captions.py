"""Captions as TAS and Text-only use them: given or computed, one for each proposal, none of them empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.settings import settings
from zsris_viz.methods.texts import ExpressionParts

#: What stands in for a caption without words: a text that is as true of every mask.
FALLBACK = "object"


@settings
class CaptionVariant:
    """What the captioner is shown of a proposal, see :func:`~zsris_viz.captioning.regions.region_images`.

    Attributes:
        style: The background: "blur", "black", or "none" for the image as it is.
        square: "pad" pads the box with black to a square; "none" leaves it as it is.
        sigma: Standard deviation of the blur in pixels of the image.
    """

    style: Literal["blur", "black", "none"] = "blur"
    square: Literal["none", "pad"] = "none"
    sigma: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 11.6


@dataclass(frozen=True)
class RegionCaptions:
    """Captions of all proposals.

    Attributes:
        texts: N texts, `FALLBACK` where a caption has no words.
        empty: Indices of proposals with pixels whose caption has no words.
    """

    texts: tuple[str, ...]
    empty: tuple[int, ...]


def region_captions(scene: SceneFeatures, text: ExpressionParts, variant: CaptionVariant) -> RegionCaptions:
    """Return the given captions, or the scene's, with `FALLBACK` in place of empty ones.

    Args:
        scene: The scene.
        text: The expression; captions may be given with it.
        variant: What the captioner is shown.

    Raises:
        InvalidInputError: Another number of captions than proposals was given.
    """
    given = text.extras.get("captions")
    if given is not None and len(given) != len(scene):
        raise InvalidInputError(f"{len(given)} captions were given for {len(scene)} proposals; give one for each.")
    captions = (
        given if given is not None else scene.region_captions(variant.style, square=variant.square, sigma=variant.sigma)
    )
    wordless = (index for index, caption in enumerate(captions) if not caption.strip())
    empty = tuple(index for index in wordless if not bool(scene.empty[index]))
    return RegionCaptions(tuple(caption if caption.strip() else FALLBACK for caption in captions), empty)


def image_caption(scene: SceneFeatures, text: ExpressionParts) -> str:
    """Return the given caption of the whole image, or the scene's."""
    caption = text.extras.get("image_caption")
    return scene.image_caption() if caption is None else caption
