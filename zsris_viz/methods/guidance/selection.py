"""Guided selection of a candidate by the base method's score, the relation to other things and a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.guidance.coherence import PROMPT, SIDES, coherence, heat_map, shaded
from zsris_viz.methods.guidance.config import GuidanceConfig
from zsris_viz.methods.guidance.relations import guided_scores, relation_matrix, relation_of

OTHER_PROMPT = "a photo of {}"


def guidance_texts(text: ExpressionParts, config: GuidanceConfig) -> list[str]:
    """Return the strings whose features the guided selection needs.

    Args:
        text: The expression with its parts.
        config: The settings.

    Returns:
        The strings.
    """
    wanted = [PROMPT.format(text.noun_phrase)] if config.use_coherence else []
    return wanted + [OTHER_PROMPT.format(phrase) for phrase in other_phrases(text, config)]


def other_phrases(text: ExpressionParts, config: GuidanceConfig) -> list[str]:
    """Return the noun phrases of other things if the relation guidance needs them.

    Args:
        text: The expression with its parts.
        config: The settings.

    Returns:
        The noun phrases; an empty list if they are not needed.
    """
    if not config.use_relation:
        return []
    if not config.authors.count_others and relation_of(text.relation, None)[0] is None:
        return []
    if "relation_object" in text.known or text.relation_object is not None:
        return [text.relation_object] if text.relation_object else []
    return list(text.parse.other_noun_phrases)


def select(
    scene: SceneFeatures,
    text: ExpressionParts,
    config: GuidanceConfig,
    candidates: list[int],
    base_scores: Tensor,
    visual: Tensor,
) -> tuple[Tensor, dict[str, Any]]:
    """Score candidates by (1 - w) r / sum(r) + w c, with the relation term r and the spatial coherence c.

    Args:
        scene: Image, proposals and a ViT.
        text: The expression with its parts.
        config: The settings, with w as `weight`.
        candidates: Indices of proposals.
        base_scores: Tensor (N,), the cosines of the base method; -inf for an empty mask.
        visual: Tensor (N, D), the features of the proposals, which are compared with the other noun phrases.

    Returns:
        Tensor (candidates,) of scores, and the evidence: `base` (N,), `relation`, `direction`, `other_phrases`,
        `others`, `other_scores`, `relation_matrix`, `guided` and `guided_share` (candidates,), `heat` (H, W), `side`,
        and `coherence` (N,). The values of a term that is switched off are absent.
    """
    probabilities = _softmax(scene, base_scores, config)
    base = probabilities if config.use_base else torch.ones_like(probabilities)
    evidence: dict[str, Any] = {"base": base} if config.use_base else {}
    relation, _ = relation_of(text.relation, text.direction, text.noun_phrase)
    guided = base[candidates]
    if config.use_relation:
        guided, found = _related(scene, text, config, candidates, base, visual, relation)
        evidence |= found
    softmax = config.authors.sharing == "softmax"
    share = guided.softmax(dim=0) if softmax else guided / guided.sum().clamp(min=1e-300)
    evidence |= {"guided": guided, "guided_share": share}
    if not config.use_coherence:
        return share, evidence
    side = _side(text, config)
    heat = shaded(heat_map(scene, text.noun_phrase, size=config.heat_size, depth=config.heat_depth), side)
    fit = coherence(heat, scene.masks, relation)
    evidence |= {"heat": heat, "side": side, "coherence": fit}
    return (1 - config.weight) * share + config.weight * fit[candidates], evidence


def all_scores(base_scores: Tensor, candidates: Sequence[int], selection: Tensor) -> Tensor:
    """Combine the scores of the candidates with lower scores for all other proposals in the order of their base scores.

    Of candidates with equal scores, the first one stays first. A candidate that is listed several times keeps its first
    score.

    Args:
        base_scores: Tensor (N,), cosines; -inf for an empty mask.
        candidates: Indices of proposals.
        selection: Tensor (candidates,), their scores.

    Returns:
        Tensor (N,) of float32.
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


def _related(
    scene: SceneFeatures,
    text: ExpressionParts,
    config: GuidanceConfig,
    candidates: list[int],
    base: Tensor,
    visual: Tensor,
    relation: str | None,
) -> tuple[Tensor, dict[str, Any]]:
    """Apply relation guidance with the best proposals for the other phrases, or else with the candidates."""
    phrases = other_phrases(text, config)
    others, other_scores = candidates, base
    if phrases:
        named = scene.text_features([OTHER_PROMPT.format(phrase) for phrase in phrases]).mean(dim=0)
        scores = F.cosine_similarity(visual, named[None]).cpu()
        scores[scene.empty] = -torch.inf
        other_scores = _softmax(scene, scores, config)
        others = other_scores.topk(min(config.others, len(scene))).indices.tolist()
    matrix = None
    if relation is not None:
        matrix = relation_matrix(scene.masks, relation, candidates, others, config.authors.geometry)
    times = len(others) if config.authors.count_others else 1
    return guided_scores(base, candidates, others, other_scores, matrix, times=times), {
        "relation": relation,
        "direction": text.direction,
        "other_phrases": phrases,
        "others": others,
        "other_scores": other_scores if phrases else None,
        "relation_matrix": matrix,
    }


def _softmax(scene: SceneFeatures, cosines: Tensor, config: GuidanceConfig) -> Tensor:
    """Return the probabilities of the proposals, (N,) of float64, 0 for an empty mask."""
    temperature = scene.layered.logit_scale if config.temperature is None else config.temperature
    return (cosines.double() * temperature).softmax(dim=0)


def _side(text: ExpressionParts, config: GuidanceConfig) -> str | None:
    """Return the side of the image towards which the heat map is shaded."""
    words = (text.direction or "").split()
    if not words and config.authors.relation_ramp and text.relation in ("left", "right"):
        words = [text.relation]
    sides = SIDES if config.vertical_ramp else ("left", "right", "middle")
    return " ".join(word for word in words if word in sides) or None
