"""Cropping: every proposal is cut out and its crop is compared with the expression ("CLIP-only" in TAS)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor

from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.crops import CropVariant, crop_boxes
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.settings import settings


@settings
class CroppingConfig:
    """Settings of :class:`Cropping`.

    Attributes:
        crop: Settings of the crops.
        text: Text that is compared with the crops: "sentence" for the whole expression, "noun-phrase" for its noun
            phrase.
        preprocess: Name of a preprocessing preset; None for that of the scene.
    """

    crop: CropVariant = CropVariant()
    text: Literal["sentence", "noun-phrase"] = "sentence"
    preprocess: str | None = None


class Cropping(RankingMethod):
    """Cropping, which scores a proposal by the similarity of its crop to the text, cos(E_v(crop(I * m)), E_t(T)).

    This is the local feature of Global-Local CLIP alone (eq. 4), and the CLIP score S_v of TAS.

    Presets: "default" uses a black background and CLIP's own normalisation, and resizes the box to a square. "official"
    follows GL-CLIP's code. "tas" follows TAS's code, which pads the box with black to a square and applies OpenAI's
    transform.

    Evidence: `features` (N, D) of the crops, `text_feature` (D,), `boxes` (N, 4), `text` (the string that is compared)
    and `crop` (the CropVariant).
    """

    info = MethodInfo(
        name="cropping",
        title="Cropping",
        paper="Yu et al., CVPR 2023, eq. 4; Suo et al., EMNLP 2023 Findings, eq. 2",
        towers=("vit", "rn"),
        summary="Each proposal is cut out on a plain background and compared with the expression.",
        presets=("default", "official", "tas"),
        needs=frozenset(),
    )
    Config = CroppingConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "default": {},
        "official": {
            "crop": {"fill": "imagenet-mean", "box": "freesolo", "pipeline": "normalised"},
            "preprocess": "glclip",
        },
        "tas": {"crop": {"square": "pad", "box": "sam", "pipeline": "transform"}, "preprocess": "clip"},
    }

    def texts_of(self, scene: SceneFeatures, text: ExpressionParts) -> list[str]:
        """Return the strings to embed, see :meth:`~zsris_viz.methods.base.Method.texts_of`."""
        return [text.text if self.config.text == "sentence" else text.noun_phrase]

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals, see :meth:`~zsris_viz.methods.base.RankingMethod.score`."""
        (compared,) = self.texts_of(scene, text)
        features = scene.crop_features(self.config.crop, self.config.preprocess)
        text_feature = scene.text(compared)
        scores = scene.clip.similarity(features, text_feature[None])[:, 0]
        return scores, {
            "features": features,
            "text_feature": text_feature,
            "boxes": crop_boxes(scene.masks, self.config.crop.box),
            "text": compared,
            "crop": self.config.crop,
        }
