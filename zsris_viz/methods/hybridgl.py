"""HybridGL (Liu and Li, CVPR 2025): hybrid global-local features of each proposal, and spatial guidance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.crops import CropVariant
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.guidance.config import GuidanceConfig
from zsris_viz.methods.guidance.selection import all_scores, guidance_texts, select
from zsris_viz.methods.hybrid_features import Fusion, hybrid_features
from zsris_viz.methods.settings import settings

BLUR = 2.6  # pixels; OpenCV derives this value from a kernel of 15 x 15


@settings
class HybridGlConfig:
    """Settings of :class:`HybridGl`.

    Attributes:
        fusion: Fusion of the local and the global stream, "g2l", "l2g" or "both", see
            :func:`~zsris_viz.methods.hybrid_features.hybrid_features`. "token-masking", "attention-masking" and "crop"
            use the features of a single image, for ablations.
        fused_blocks: Number of last blocks in which the streams are fused.
        local_image: Settings of the image of the local stream, whose background is a plain colour by default.
        global_image: Settings of the image of the global stream, whose background is blurred by default.
        keep_one: Whether a mask that vanishes on the token grid keeps its largest cell.
        beta: Weight of the sentence in the text feature, 0-1; the noun phrase has the weight 1 - beta.
        mixing: "unit" normalises both text features before mixing; "raw" mixes them without normalisation.
        top_k: Number of the best proposals that are candidates of the guided selection.
        guidance: Settings of the selection among the candidates.
        spaced: Whether the sentence is put in lower case with one blank between the parser's tokens where the parser
            finds the noun phrase, as in the authors' code.
        preprocess: Name of a preprocessing preset; None for that of the scene.
    """

    fusion: Fusion = "g2l"
    fused_blocks: Annotated[int, Field(ge=1, strict=True)] = 3
    local_image: CropVariant = CropVariant(fill="mean", box="image")
    global_image: CropVariant = CropVariant(fill="blur", box="image", sigma=BLUR)
    keep_one: bool = True
    beta: Annotated[float, Field(ge=0, le=1)] = 0.5
    mixing: Literal["unit", "raw"] = "unit"
    top_k: Annotated[int, Field(ge=1, strict=True)] = 3
    guidance: GuidanceConfig = GuidanceConfig(weight=0.6)
    spaced: bool = False
    preprocess: str | None = None


class HybridGl(RankingMethod):
    """HybridGL, which compares hybrid features with the text and selects among the best proposals by spatial guidance.

    The method has three steps:

    1. Every proposal gives two images, a local one with a plain background and a global one with a blurred background.
       Both images pass the same ViT, whose last blocks fuse them (by default the global stream into the local one).
    2. The base score is the cosine of this feature and beta E_t(T) + (1 - beta) E_t(noun phrase).
    3. The best three proposals are scored by 0.4 r + 0.6 c, with the relation term r and the spatial coherence c of
       :mod:`zsris_viz.methods.guidance`.

    All other proposals are ranked below these candidates in the order of their cosines.

    Presets: "default" uses CLIP's own preprocessing and compares masks by centroid and area. "official" follows the
    authors' public code: ImageNet normalisation, a background of the local image that is filled with CLIP's mean after
    normalisation, relations of boxes, and the softmax of the relation term. The proposals of the authors come from SAM
    ViT-H with 8 points per side.

    Evidence: `features` (N, D), `text_feature` (D,), `sentence`, `noun_phrase`, `base_scores` (N,) with the cosines,
    `candidates` (a list of indices), `selection` (candidates,) with their scores, and the evidence of
    :func:`~zsris_viz.methods.guidance.selection.select`.
    """

    info = MethodInfo(
        name="hybridgl",
        title="HybridGL",
        paper="Liu and Li, CVPR 2025 (arXiv 2504.00356)",
        towers=("vit",),
        summary="Local and blurred global images of a proposal fused in the last blocks; spatial guidance.",
        presets=("default", "official"),
    )
    Config = HybridGlConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "default": {},
        "official": {
            "local_image": {"pipeline": "normalised"},
            "global_image": {"pipeline": "normalised"},
            "keep_one": False,
            "mixing": "raw",
            "guidance": {
                "vertical_ramp": False,
                "authors": {"geometry": "boxes", "sharing": "softmax", "count_others": True},
            },
            "spaced": True,
            "preprocess": "hybridgl",
        },
    }

    def texts_of(self, scene: SceneFeatures, text: ExpressionParts) -> list[str]:
        """Return the strings to embed, see :meth:`~zsris_viz.methods.base.Method.texts_of`."""
        text = text.spaced() if self.config.spaced else text
        return [text.text, text.noun_phrase, *guidance_texts(text, self.config.guidance)]

    def features(self, scene: SceneFeatures) -> Tensor:
        """Return the hybrid features, a tensor (N, D) of float32, not normalised; computed once for each image."""
        config = self.config
        return hybrid_features(
            scene,
            scene.preprocess(config.preprocess),
            fusion=config.fusion,
            fused_blocks=config.fused_blocks,
            local_image=config.local_image,
            global_image=config.global_image,
            keep_one=config.keep_one,
        )

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals, see :meth:`~zsris_viz.methods.base.RankingMethod.score`."""
        config = self.config
        text = text.spaced() if config.spaced else text
        if bool(scene.empty.all()):
            return torch.zeros(len(scene)), {}
        texts = scene.text_features([text.text, text.noun_phrase])
        texts = F.normalize(texts, dim=-1) if config.mixing == "unit" else texts
        text_feature = config.beta * texts[0] + (1 - config.beta) * texts[1]
        features = self.features(scene)
        base_scores = F.cosine_similarity(features, text_feature[None]).cpu()
        base_scores[scene.empty] = -torch.inf
        count = min(config.top_k, int((~scene.empty).sum()))
        candidates = base_scores.argsort(descending=True, stable=True)[:count].tolist()
        selection, evidence = select(scene, text, config.guidance, candidates, base_scores, features)
        return all_scores(base_scores, candidates, selection), {
            "features": features,
            "text_feature": text_feature,
            "sentence": text.text,
            "noun_phrase": text.noun_phrase,
            "base_scores": base_scores,
            "candidates": candidates,
            **evidence,
            "selection": selection,
        }
