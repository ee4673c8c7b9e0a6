"""Text-only: the caption of each mask is compared with the expression (baseline in Suo et al., 2023, section 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.captions import CaptionVariant, RegionCaptions, region_captions
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.settings import settings


@settings
class TextOnlyConfig:
    """Settings of :class:`TextOnly`.

    Attributes:
        caption: Settings of the images for the captioner.
    """

    caption: CaptionVariant = CaptionVariant()


class TextOnly(RankingMethod):
    """Score cos(E_t(caption of the mask), E_t(T)), the similarity of a proposal's caption and the expression.

    Presets: "default"; "official" with captions of crops padded with black to a square, as in TAS's code. Captions can
    be given: `predict(scene, text, captions=[...])`. An empty caption is replaced by "object".

    Evidence: `captions` (N texts), `empty_captions` (indices of those that were empty), `caption_features` (N, D) and
    `text_feature` (D,).
    """

    info = MethodInfo(
        name="text-only",
        title="Text-only",
        paper="Suo et al., EMNLP 2023 Findings, section 4.3 and eq. 3",
        towers=("vit", "rn"),
        summary="A captioner describes each proposal, and the two texts are compared.",
        presets=("default", "official"),
        needs=frozenset({"captions"}),
    )
    Config = TextOnlyConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"default": {}, "official": {"caption": {"square": "pad"}}}

    def texts_of(self, scene: SceneFeatures, text: ExpressionParts) -> list[str]:
        """Return the strings to embed, see :meth:`~zsris_viz.methods.base.Method.texts_of`."""
        return [text.text, *self._captions(scene, text).texts]

    def _captions(self, scene: SceneFeatures, text: ExpressionParts) -> RegionCaptions:
        return region_captions(scene, text, self.config.caption)

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals, see :meth:`~zsris_viz.methods.base.RankingMethod.score`."""
        captions = self._captions(scene, text)
        features = scene.text_features(captions.texts)
        sentence = scene.text(text.text)
        return F.cosine_similarity(features, sentence[None]), {
            "captions": captions.texts,
            "empty_captions": captions.empty,
            "caption_features": features,
            "text_feature": sentence,
        }
