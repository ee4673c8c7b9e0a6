"""CoPatch (An et al., 2025): hybrid text, clusters of an early layer's similarity map, and guided selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.copatch.candidates import Candidates, find_candidates
from zsris_viz.methods.copatch.clusters import find_clusters
from zsris_viz.methods.copatch.config import OFFICIAL, CoPatchConfig
from zsris_viz.methods.copatch.patches import (
    AVERAGE,
    averaged_layers,
    exit_layer,
    layer_maps,
    projected_patches,
    similarity_map,
)
from zsris_viz.methods.copatch.texts import fuse, hybrid_text, is_fused, strings_of
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.global_context import global_context_features
from zsris_viz.methods.guidance.selection import all_scores, guidance_texts, select


class CoPatch(RankingMethod):
    """Global-Local CLIP with additional candidates from the patches of an early layer and a guided selection.

    The method has five steps:

    - Hybrid text: the text feature t combines the sentence and the noun phrase.
    - Patches: the patches of an early layer are negated and projected to the joint space.
    - CoMap: patches whose similarity to t exceeds delta form clusters, in descending order of their peaks.
    - Candidates: the Global-Local choice and, for each of the first clusters, the proposal that overlaps it best.
    - Selection: a candidate's score is (1 - w) r / sum(r) + w c. Here r is the softmax of the Global-Local scores under
      relation guidance, and c is the spatial coherence with a heat map of the noun phrase.

    All other proposals are ranked below the candidates by their Global-Local scores. In an expression without context
    tokens, the "context" text is the noun phrase itself. If there is only one proposal, it is chosen.

    Presets: "default" uses CLIP's own preprocessing and cosines, and compares masks by centroid and area. "official"
    follows the authors' public code (its version of 2026), see `config.OFFICIAL` and the attributes of the settings. It
    reproduces their computation but not their parser: directions, relations and noun phrases come from this package's
    parser or from the caller.

    Evidence; the values of a term that is switched off are absent:

    - `sentence`, `phrase`, `hybrid`: the two texts and the kind of the hybrid text.
    - `text_feature`: (D,), the feature of the hybrid text.
    - `visual`: (N, D), the Global-Local features of the proposals.
    - `base_scores`: (N,), the Global-Local cosines.
    - `base`: (N,), their softmax.
    - `layer_maps`: (L + 1, rows, columns), the similarity to the hybrid text at every layer.
    - `map`: (rows, columns), the similarity map in use, CoMap.
    - `layer`: the layer in use, or "avg".
    - `delta`: the threshold at which the clusters were found.
    - `clusters`: (rows, columns) of int64, the numbers of the clusters in the order of their peaks.
    - `cluster_masks`: (K, H, W) of bool, the clusters on the image.
    - `overlaps`: (K, N), the IoU of clusters and proposals.
    - `candidates`: indices of the candidates.
    - `sources`: 0 for the Global-Local choice, k for the k-th cluster.
    - `relation`, `direction`, `other_phrases`: the parts of the expression that guide the selection.
    - `others`: indices of the proposals for the other things.
    - `other_scores`: (N,), their probabilities, or None without other phrases.
    - `relation_matrix`: (candidates, others), or None without a relation.
    - `guided`, `guided_share`: (candidates,), r and its share.
    - `heat`: (H, W), the shaded heat map.
    - `side`: the side of the image towards which the heat map is shaded, or None.
    - `coherence`: (N,), the spatial coherence.
    - `selection`: (candidates,), the scores of the candidates.
    """

    info = MethodInfo(
        name="copatch",
        title="CoPatch",
        paper="An et al., 2025 (arXiv 2509.23098); guidance terms of Liu and Li, CVPR 2025",
        towers=("vit",),
        summary="Clusters of an early layer's patch-text map add candidates to Global-Local's; guided selection.",
        presets=("default", "official"),
    )
    Config = CoPatchConfig
    config: CoPatchConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"default": {}, "official": OFFICIAL}

    def texts_of(self, scene: SceneFeatures, text: ExpressionParts) -> list[str]:
        """Return the strings to embed, see :meth:`~zsris_viz.methods.base.Method.texts_of`."""
        config = self.config
        text = text.spaced() if config.spaced else text
        hybrid = [] if is_fused(config.text.kind) else list(strings_of(text, config.text.kind))
        return hybrid + guidance_texts(text, config.guidance)

    def prepare_texts(self, scene: SceneFeatures, texts: Sequence[ExpressionParts]) -> None:
        """Embed the strings and the fused texts of several expressions, each kind in one batch."""
        super().prepare_texts(scene, texts)
        config = self.config
        if is_fused(config.text.kind):
            written = [text.spaced() if config.spaced else text for text in texts]
            fuse(scene, [strings_of(text, config.text.kind) for text in written], config.text)

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals, see :meth:`~zsris_viz.methods.base.RankingMethod.score`."""
        config = self.config
        text = text.spaced() if config.spaced else text
        if bool(scene.empty.all()):
            return torch.zeros(len(scene)), {}
        hybrid = hybrid_text(scene, text, config.text, config.base.mixing)
        visual = visual_features(scene, config)
        base_scores = F.cosine_similarity(visual, hybrid.feature[None]).cpu()
        base_scores[scene.empty] = -torch.inf
        evidence = {"text_feature": hybrid.feature, "sentence": hybrid.sentence, "phrase": hybrid.phrase}
        evidence |= {"hybrid": hybrid.kind, "visual": visual, "base_scores": base_scores}
        candidates, found = self._candidates(scene, hybrid.feature, base_scores)
        selection, terms = select(scene, text, config.guidance, candidates.proposals, base_scores, visual)
        scores = all_scores(base_scores, candidates.proposals, selection)
        return scores, evidence | found | terms | {"selection": selection}

    def _candidates(
        self, scene: SceneFeatures, feature: Tensor, base_scores: Tensor
    ) -> tuple[Candidates, dict[str, Any]]:
        """Find the candidates from the patches of the image."""
        config, clip = self.config, scene.layered
        layer = exit_layer(clip, config.patches.layer)
        preprocess = scene.preprocess(config.preprocess)
        patches = projected_patches(scene, negate=config.patches.negate, preset=preprocess)
        grid = scene.trace(preprocess).grids[-1]
        layers = averaged_layers(clip) if layer == AVERAGE else [int(layer)]
        comap = similarity_map(patches, feature, grid, layers, config.patches.normalise)
        clusters = find_clusters(
            comap,
            delta=config.clusters.delta,
            step=config.clusters.step,
            falls_first=config.clusters.falls_first,
            lowest=config.clusters.lowest,
            skip_last=config.clusters.skip_last,
        )
        candidates = find_candidates(
            int(base_scores.argmax()),
            clusters.masks(config.candidates.top_k),
            scene.masks,
            edge=config.candidates.edge,
            unique=config.candidates.unique,
            most=config.candidates.most,
        )
        return candidates, {
            "layer_maps": layer_maps(patches, feature, grid, config.patches.normalise),
            "map": comap,
            "layer": layer,
            "delta": clusters.delta,
            "clusters": clusters.labels,
            "cluster_masks": candidates.cluster_masks,
            "overlaps": candidates.overlaps,
            "candidates": candidates.proposals,
            "sources": candidates.sources,
        }


def visual_features(scene: SceneFeatures, config: CoPatchConfig) -> Tensor:
    """Compute the visual feature alpha f_G + (1 - alpha) f_L of every proposal (Global-Local CLIP, eq. 5).

    Args:
        scene: Image, proposals and a ViT.
        config: The settings.

    Returns:
        Tensor (N, D) of float32, not normalised.
    """
    base = config.base
    whole = global_context_features(
        scene, base.masked_blocks, keep_one=base.keep_one, antialias=base.antialias, preset=config.preprocess
    )
    parts = [whole, scene.crop_features(base.crop, config.preprocess)]
    if base.mixing == "unit":
        parts = [F.normalize(part, dim=-1) for part in parts]
    return base.alpha * parts[0] + (1 - base.alpha) * parts[1]
