"""Captions for TAS and Text-only, given by the caller or computed: one for each proposal, none of them empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.settings import settings
from zsris_viz.methods.texts import ExpressionParts

#: Replacement of a caption without words, a text that applies equally to every mask.
FALLBACK = "object"


@settings
class CaptionVariant:
    """Settings of the image of a proposal for the captioner, see :func:`~zsris_viz.captioning.regions.region_images`.

    Attributes:
        style: Background outside the mask: "blur", "black", or "none" for the unchanged image.
        square: "pad" pads the bounding box with black to a square; "none" does not.
        sigma: Standard deviation of the blur in pixels of the image, above 0.
    """

    style: Literal["blur", "black", "none"] = "blur"
    square: Literal["none", "pad"] = "none"
    sigma: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 11.6


@dataclass(frozen=True)
class RegionCaptions:
    """Captions of all N proposals.

    Attributes:
        texts: N texts, with `FALLBACK` in place of captions without words.
        empty: Indices of the proposals that have pixels but whose caption has no words.
    """

    texts: tuple[str, ...]
    empty: tuple[int, ...]


def region_captions(scene: SceneFeatures, text: ExpressionParts, variant: CaptionVariant) -> RegionCaptions:
    """Return the captions of all proposals, with `FALLBACK` in place of empty ones.

    Args:
        scene: Image and proposals.
        text: The expression; captions that are given with it replace those of the scene.
        variant: Settings of the images for the captioner.

    Returns:
        The captions.

    Raises:
        InvalidInputError: The number of given captions differs from the number of proposals.
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
    """Return the caption of the whole image.

    Args:
        scene: The image.
        text: The expression; a caption that is given with it replaces that of the scene.

    Returns:
        The caption.
    """
    caption = text.extras.get("image_caption")
    return scene.image_caption() if caption is None else caption
