"""CoPatch (An et al., 2025): hybrid text, patches of an early layer, clusters of their map, and a guided selection."""

from __future__ import annotations

from collections.abc import Mapping
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
from zsris_viz.methods.copatch.texts import hybrid_text, is_fused, strings_of
from zsris_viz.methods.guidance.selection import all_scores, guidance_texts, select
from zsris_viz.methods.texts import ExpressionParts


class CoPatch(RankingMethod):
    """The Global-Local choice, challenged by the proposals that the patches of an early layer point to.

    1. Hybrid text t. 2. Patches P of an early layer, negated, in the joint space. 3. CoMap: their similarity to t;
    patches above delta form clusters, in order of their peaks. 4. Candidates: the Global-Local choice, and for each
    of the first clusters the proposal that overlaps it best. 5. Selection among them: (1 - w) r / sum(r) + w c, with
    r the softmax of the Global-Local scores under relation guidance, and c the spatial coherence with a heat map of
    the noun phrase.

    The score of a candidate is what the selection gives it. All other proposals come below, in the order of their
    Global-Local scores.

    Presets: "default", CLIP's own preprocessing, cosines, masks compared by centroid and area; "official", the authors'
    public code (its version of 2026): see `config.OFFICIAL` and the fields of the configuration. It takes over their
    computation, not their parser: directions, relations and noun phrases come from this package's, or are given.

    An expression without context tokens has the noun phrase itself for its "context" text. With one proposal, that
    one is chosen. A constant map is one cluster of all patches.

    Evidence: layer_maps (L + 1, rows, columns), similarities to the hybrid text at every layer, and map, the one in
    use; layer; delta, where clusters were found; clusters (rows, columns) int64, numbered by peak; cluster_masks
    (K, H, W) bool and overlaps (K, N); candidates and sources (lists; source 0 is the Global-Local choice, k the k-th
    cluster); base_scores (N,) Global-Local cosines and base (N,) their softmax; relation, direction and other_phrases
    as understood, others (list) and other_scores (N,), relation_matrix (candidates, others) or None; guided and
    guided_share (candidates,), r and its share; heat (H, W) and coherence (N,); selection
    (candidates,); text_feature (D,), sentence, phrase, hybrid. What a switched-off term would have made is absent.
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
        """Find the candidates from the patches (steps 2-4)."""
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
    """Mix alpha f_G + (1 - alpha) f_L of every proposal (Global-Local CLIP, eq. 5): (N, D) fp32, not normalised."""
    base = config.base
    whole = scene.global_features(
        base.masked_blocks, keep_one=base.keep_one, antialias=base.antialias, preset=config.preprocess
    )
    parts = [whole, scene.crop_features(base.crop, config.preprocess)]
    if base.mixing == "unit":
        parts = [F.normalize(part, dim=-1) for part in parts]
    return base.alpha * parts[0] + (1 - base.alpha) * parts[1]
