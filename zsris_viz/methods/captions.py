"""Captions for TAS and Text-only, given by the caller or computed: one for each proposal, none of them empty."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from zsris_viz.errors import InvalidInputError, ZsrisWarning
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.methods.settings import settings

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
    known = text.extras.get("captions")
    if known is not None and len(known) != len(scene):
        raise InvalidInputError(f"{len(known)} captions were given for {len(scene)} proposals; give one for each.")
    captions = known if known is not None else caption_regions(scene, variant)
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
    return caption_image(scene) if caption is None else caption


@once_per_scene
def caption_regions(scene: SceneFeatures, variant: CaptionVariant) -> list[str]:
    """Compute a caption for each proposal with the captioner of the scene, which keeps them.

    Args:
        scene: Image and proposals.
        variant: Settings of the images for the captioner.

    Returns:
        N texts, the empty text for an empty mask. A warning is issued if others are empty.
    """
    reports: dict[str, Any] = {} if scene.progress is None else {"progress": partial(scene.report_progress, "captions")}
    captions = scene.load_captioner().caption_regions(
        scene.image, scene.masks, variant.style, square=variant.square, sigma=variant.sigma, **reports
    )
    wordless = [index for index, text in enumerate(captions) if not text.strip() and not bool(scene.empty[index])]
    if wordless:
        warnings.warn(
            f"The captions of {len(wordless)} of {len(captions)} proposals are empty (proposals "
            f"{', '.join(map(str, wordless[:10]))}). Give captions=, or another captioner.",
            ZsrisWarning,
            stacklevel=5,
        )
    return captions


@once_per_scene
def caption_image(scene: SceneFeatures) -> str:
    """Compute the caption of the whole image with the captioner of the scene, which keeps it.

    Args:
        scene: The image.

    Returns:
        The caption. A warning is issued if it is empty.
    """
    caption = scene.load_captioner().caption_images(scene.image)[0]
    if not caption.strip():
        warnings.warn(
            "The caption of the whole image is empty, so there are no negative phrases. Give image_caption= or "
            "negatives=.",
            ZsrisWarning,
            stacklevel=5,
        )
    return caption
