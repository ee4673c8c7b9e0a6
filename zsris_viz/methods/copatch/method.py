"""CoPatch (An et al., 2025): hybrid text, patches of an early layer, clusters of their map, and a guided selection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.copatch.base_scores import visual_features
from zsris_viz.methods.copatch.candidates import Candidates, find_candidates
from zsris_viz.methods.copatch.clusters import find_clusters
from zsris_viz.methods.copatch.coherence import PROMPT, SIDES, coherence, heat_map, shaded
from zsris_viz.methods.copatch.config import AVERAGE, OFFICIAL, CoPatchConfig
from zsris_viz.methods.copatch.patches import (
    averaged_layers,
    exit_layer,
    layer_maps,
    projected_patches,
    similarity_map,
)
from zsris_viz.methods.copatch.relations import guided_scores, relation_matrix, relation_of
from zsris_viz.methods.copatch.texts import hybrid_text, strings_of
from zsris_viz.methods.texts import ExpressionParts

OTHER_PROMPT = "a photo of {}"


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
        use;
    layer; delta, where clusters were found; clusters (rows, columns) int64, numbered by peak; cluster_masks (K, H, W)
    bool and overlaps (K, N); candidates and sources (lists; source 0 is the Global-Local choice, k the k-th cluster);
    base_scores (N,) Global-Local cosines and base (N,) their softmax; relation, direction and other_phrases as
    understood, others (list) and other_scores (N,), relation_matrix (candidates, others) or None; guided and
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
        wanted = [] if config.text == "fusion" else list(strings_of(text, config.text))
        wanted += [PROMPT.format(text.noun_phrase)] if config.use_coherence else []
        return wanted + [OTHER_PROMPT.format(phrase) for phrase in self._other_phrases(text)]

    def _other_phrases(self, text: ExpressionParts) -> list[str]:
        """Noun phrases of other things, where the relation guidance will ask for them."""
        if not self.config.use_relation:
            return []
        if self.config.geometry == "masks" and relation_of(text.relation, None)[0] is None:
            return []
        if "relation_object" in text.known or text.relation_object is not None:
            return [text.relation_object] if text.relation_object else []
        return list(text.parse.other_noun_phrases)

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals, see :meth:`~zsris_viz.methods.base.RankingMethod.score`."""
        config = self.config
        text = text.spaced() if config.spaced else text
        if bool(scene.empty.all()):
            return torch.zeros(len(scene)), {}
        hybrid = hybrid_text(scene, text, config)
        visual = visual_features(scene, config)
        base_scores = F.cosine_similarity(visual, hybrid.feature[None]).cpu()
        base_scores[scene.empty] = -torch.inf
        found = {"text_feature": hybrid.feature, "sentence": hybrid.sentence, "phrase": hybrid.phrase}
        found |= {"hybrid": hybrid.kind, "visual": visual, "base_scores": base_scores}
        candidates, made = self._candidates(scene, hybrid.feature, base_scores)
        selection, terms = self._select(scene, text, candidates.proposals, base_scores, visual)
        scores = _all_scores(base_scores, candidates.proposals, selection)
        return scores, found | made | terms | {"selection": selection}

    def _candidates(
        self, scene: SceneFeatures, feature: Tensor, base_scores: Tensor
    ) -> tuple[Candidates, dict[str, Any]]:
        """Steps 2-4: from the patches to the candidates."""
        config, clip = self.config, scene.layered
        layer = exit_layer(clip, config.layer)
        patches = projected_patches(scene, negate=config.negate, preset=config.preprocess)
        grid = scene.trace(config.preprocess).grids[-1]
        layers = averaged_layers(clip) if layer == AVERAGE else [int(layer)]
        comap = similarity_map(patches, feature, grid, layers, config.normalise)
        clusters = find_clusters(
            comap,
            delta=config.delta,
            step=config.step,
            falls_first=config.falls_first,
            lowest=config.lowest,
            skip_last=config.skip_last,
        )
        candidates = find_candidates(
            int(base_scores.argmax()),
            clusters.masks(config.top_k),
            scene.masks,
            edge=config.edge,
            unique=config.unique,
            most=config.max_candidates,
        )
        return candidates, {
            "layer_maps": layer_maps(patches, feature, grid, config.normalise),
            "map": comap,
            "layer": layer,
            "delta": clusters.delta,
            "clusters": clusters.labels,
            "cluster_masks": candidates.cluster_masks,
            "overlaps": candidates.overlaps,
            "candidates": candidates.proposals,
            "sources": candidates.sources,
        }

    def _select(
        self, scene: SceneFeatures, text: ExpressionParts, candidates: list[int], base_scores: Tensor, visual: Tensor
    ) -> tuple[Tensor, dict[str, Any]]:
        """Step 5: the score of each candidate, and every term of it."""
        config = self.config
        base = self._softmax(scene, base_scores) if config.use_base else torch.ones_like(base_scores).double()
        terms: dict[str, Any] = {"base": base} if config.use_base else {}
        relation, towards_like = relation_of(text.relation, text.direction, text.noun_phrase)
        guided = base[candidates]
        made: dict[str, Any] = {}
        if config.use_relation:
            guided, made = self._guided(scene, text, candidates, base, visual, relation, towards_like)
        share = guided.softmax(dim=0) if config.sharing == "softmax" else guided / guided.sum().clamp(min=1e-300)
        terms |= made | {"guided": guided, "guided_share": share}
        if not config.use_coherence:
            return share, terms
        side = self._side(text)
        heat = shaded(heat_map(scene, text.noun_phrase, size=config.gem_size, depth=config.gem_depth), side)
        fit = coherence(heat, scene.masks, relation)
        terms |= {"heat": heat, "side": side, "coherence": fit}
        return (1 - config.weight) * share + config.weight * fit[candidates], terms

    def _guided(
        self,
        scene: SceneFeatures,
        text: ExpressionParts,
        candidates: list[int],
        base: Tensor,
        visual: Tensor,
        relation: str | None,
        towards_like: bool,
    ) -> tuple[Tensor, dict[str, Any]]:
        """Relation guidance, against the best masks of the other phrases, or the candidates themselves without any."""
        phrases = self._other_phrases(text)
        others, other_scores = candidates, base
        if phrases:
            named = scene.text_features([OTHER_PROMPT.format(phrase) for phrase in phrases]).mean(dim=0)
            scores = F.cosine_similarity(visual, named[None]).cpu()
            scores[scene.empty] = -torch.inf
            other_scores = self._softmax(scene, scores)
            others = other_scores.topk(min(self.config.others, len(scene))).indices.tolist()
        elif not towards_like:
            relation = None  # nothing to check it against
        held = (
            None
            if relation is None
            else relation_matrix(scene.masks, relation, candidates, others, self.config.geometry)
        )
        times = len(others) if self.config.geometry == "official" else 1
        return guided_scores(base, candidates, others, other_scores, held, times=times), {
            "relation": relation,
            "direction": text.direction,
            "other_phrases": phrases,
            "others": others,
            "other_scores": other_scores if phrases else None,
            "relation_matrix": held,
        }

    def _softmax(self, scene: SceneFeatures, cosines: Tensor) -> Tensor:
        """Probabilities of the proposals, (N,) float64; 0 for an empty mask."""
        temperature = scene.layered.logit_scale if self.config.temperature is None else self.config.temperature
        return (cosines.double() * temperature).softmax(dim=0)

    def _side(self, text: ExpressionParts) -> str | None:
        """The side of the picture towards which the heat map is shaded."""
        words = (text.direction or "").split()
        if not words and self.config.relation_ramp and text.relation in ("left", "right"):
            words = [text.relation]
        sides = SIDES if self.config.vertical_ramp else ("left", "right", "middle")
        return " ".join(word for word in words if word in sides) or None


def _all_scores(base_scores: Tensor, candidates: list[int], selection: Tensor) -> Tensor:
    """(N,) float32: the selection's score for candidates, and below them the others by their Global-Local scores.

    Of equal candidates the first stays first; one that is listed several times keeps its first score.
    """
    cosines = base_scores.double().clamp(min=-2)  # an empty mask is -inf
    scores = (float(selection.min()) - 1 + (cosines - cosines.max()) / 4).float()
    taken: set[float] = set()
    for place, candidate in enumerate(candidates):
        if candidate in candidates[:place]:
            continue
        score = selection[place].float().cpu()
        while float(score) in taken:
            score = torch.nextafter(score, score.new_tensor(-torch.inf))
        taken.add(float(score))
        scores[candidate] = score
    return scores
