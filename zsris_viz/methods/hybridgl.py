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
from zsris_viz.methods.guidance.config import GuidanceConfig
from zsris_viz.methods.guidance.selection import all_scores, guidance_texts, select
from zsris_viz.methods.hybrid_features import Fusion, hybrid_features
from zsris_viz.methods.settings import settings
from zsris_viz.methods.texts import ExpressionParts

BLUR = 2.6  # pixels, what OpenCV derives from a kernel of 15 x 15


@settings
class HybridGlConfig:
    """Settings of :class:`HybridGl`.

    Attributes:
        fusion: How the local and the global stream are fused, see
            :func:`~zsris_viz.methods.hybrid_features.hybrid_features`: "g2l", "l2g" or "both"; "token-masking",
            "attention-masking" and "crop" are the features of one image alone, for the ablation.
        fused_blocks: The number of last blocks in which the streams are fused.
        local_image: The image of the local stream: the background is a plain colour.
        global_image: The image of the global stream: the background is blurred.
        keep_one: A mask that vanishes on the token grid keeps its largest cell.
        beta: Weight of the sentence in the text feature, 0-1; the noun phrase has the rest.
        mixing: "unit" normalises both texts before mixing; "raw" mixes what comes out of the tower.
        top_k: How many of the best proposals are candidates of the guided selection.
        guidance: The selection among the candidates.
        spaced: Where the noun phrase is parsed, write the sentence in lower case with its words as the parser splits
            them (the authors' code).
        preprocess: Name of a preprocessing preset; None for the scene's own.
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
    """Hybrid features against sentence and noun phrase; the best proposals are guided by relations and a heat map.

    1. Every proposal is shown twice: locally on a plain background and globally on a blurred one. Both images pass the
       same ViT, and its last blocks fuse them (G2L: the global stream into the local one).
    2. Text: beta E_t(T) + (1 - beta) E_t(noun phrase). The score is the cosine.
    3. Among the best three: 0.4 r + 0.6 c, with the relation term r and the spatial coherence c of
       :mod:`zsris_viz.methods.guidance`.

    The score of a candidate is what the selection gives it. All other proposals come below, in the order of their
    cosines.

    Presets: "default", CLIP's own preprocessing, masks compared by centroid and area; "official", the authors' public
    code: ImageNet normalisation, the local image filled with CLIP's mean after normalisation, boxes compared, softmax
    of the relation term. Its proposals are those of SAM ViT-H with 8 points a side.

    Evidence: features (N, D), text_feature (D,), sentence, noun_phrase; base_scores (N,) cosines; candidates (list);
    selection (candidates,); and what :func:`~zsris_viz.methods.guidance.selection.select` adds.
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
        """Return the hybrid feature of every proposal, (N, D) fp32, not normalised; computed once for each image."""
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
