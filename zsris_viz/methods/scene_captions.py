"""Captions of a scene, computed once, with warnings where the captioner returns no words."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import ZsrisWarning
from zsris_viz.methods.scene_cache import once_per_scene

if TYPE_CHECKING:
    from zsris_viz.methods.features import SceneFeatures


@once_per_scene
def caption_regions(scene: SceneFeatures, style: str, **shown: Any) -> list[str]:
    """Return a caption for each proposal of a scene; the arguments are those of `Captioner.caption_regions`."""
    reports: dict[str, Any] = {} if scene.progress is None else {"progress": partial(scene.report_progress, "captions")}
    captions = scene.load_captioner().caption_regions(scene.image, scene.masks, style, **shown, **reports)
    wordless = [index for index, text in enumerate(captions) if not text.strip() and not bool(scene.empty[index])]
    if wordless:
        warnings.warn(
            f"The captions of {len(wordless)} of {len(captions)} proposals are empty (proposals "
            f"{', '.join(map(str, wordless[:10]))}). Give captions=, or another captioner.",
            ZsrisWarning,
            stacklevel=6,
        )
    return captions


@once_per_scene
def caption_image(scene: SceneFeatures) -> str:
    """Return the caption of the whole image of a scene."""
    caption = scene.load_captioner().caption_images(scene.image)[0]
    if not caption.strip():
        warnings.warn(
            "The caption of the whole image is empty, so there are no negative phrases. Give image_caption= or "
            "negatives=.",
            ZsrisWarning,
            stacklevel=6,
        )
    return caption
