"""Cropping: every proposal is cut out, seen alone, and compared with the expression (also "CLIP-only" in TAS)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.crops import CropVariant
from zsris_viz.methods.texts import ExpressionParts

TEXTS = ("sentence", "noun-phrase")


@dataclass(frozen=True)
class CroppingConfig:
    """Settings of :class:`Cropping`.

    Attributes:
        fill, square, box, sigma, pipeline: as in :class:`~zsris_viz.methods.crops.CropVariant`.
        text: "sentence", the whole expression, or "noun-phrase".
        preprocess: a preset's name; None for the scene's own.
    """

    fill: str = "black"
    square: str = "squash"
    box: str = "tight"
    sigma: float = 11.6
    pipeline: str = "pixels"
    text: str = "sentence"
    preprocess: str | None = None

    def __post_init__(self) -> None:
        if self.text not in TEXTS:
            raise InvalidInputError(f"text={self.text!r} is unknown; use one of {', '.join(TEXTS)}.")
        self.crop  # noqa: B018 - a wrong crop setting is an error here, not at the first image

    @property
    def crop(self) -> CropVariant:
        """The crop's own settings."""
        return CropVariant(fill=self.fill, square=self.square, box=self.box, sigma=self.sigma, pipeline=self.pipeline)


class Cropping(RankingMethod):
    """cos(E_v(crop(I * m)), E_t(T)): Global-Local CLIP eq. 4 alone, and the CLIP score S_v of TAS.

    Presets: "default", black background, CLIP's own normalisation, the box squashed to a square; "official", as in
    GL-CLIP's code; "tas", as in TAS's code (the box padded to a square with black, then OpenAI's transform).

    Evidence: features (N, D) of the crops, text_feature (D,), boxes (N, 4), text (the string compared), crop
    (CropVariant).
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
        "official": {"fill": "imagenet-mean", "box": "freesolo", "pipeline": "normalised", "preprocess": "glclip"},
        "tas": {"fill": "black", "square": "pad", "box": "sam", "pipeline": "transform", "preprocess": "clip"},
    }

    def texts_of(self, scene: SceneFeatures, text: ExpressionParts) -> list[str]:
        """Return the strings to embed, see :meth:`~zsris_viz.methods.base.Method.texts_of`."""
        return [text.text if self.config.text == "sentence" else text.noun_phrase]

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals, see :meth:`~zsris_viz.methods.base.RankingMethod.score`."""
        from zsris_viz.methods.crops import crop_boxes

        (compared,) = self.texts_of(scene, text)
        features = scene.crop_features(self.config.crop, self.config.preprocess)
        text_feature = scene.text(compared)
        scores = scene.clip.similarity(features, text_feature[None])[:, 0]
        return scores, {
            "features": features,
            "text_feature": text_feature,
            "boxes": crop_boxes(scene.masks, self.config.box),
            "text": compared,
            "crop": self.config.crop,
        }
