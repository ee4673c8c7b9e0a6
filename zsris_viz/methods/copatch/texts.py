"""The hybrid texts of CoPatch, which combine the sentence, the noun phrase and the context tokens with spatial cues.

The paper gives no formula. "ensemble" is the text of Global-Local CLIP, "context" extends the noun phrase by its
context tokens, "fusion" mixes the texts inside the text tower as in the authors' code, and "context-fusion" does so
with the extended noun phrase. Notebook 06 compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.copatch.config import HybridKind, HybridTextConfig
from zsris_viz.methods.copatch.text_spans import with_context
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.models.blocks import autograd_mode, feed_forward, run_block, self_attention, take_rows
from zsris_viz.models.layered import LayeredModel


@dataclass(frozen=True)
class HybridText:
    """The hybrid text of an expression.

    Attributes:
        feature: Tensor (D,) of float32, not normalised.
        sentence: The sentence.
        phrase: The noun phrase; with "context" and "context-fusion" the extended one.
        kind: The kind of hybrid text.
    """

    feature: Tensor
    sentence: str
    phrase: str
    kind: HybridKind


def strings_of(text: ExpressionParts, kind: HybridKind) -> tuple[str, str]:
    """Return the sentence and the phrase that a kind of hybrid text combines.

    Args:
        text: The expression with its parts.
        kind: The kind of hybrid text.

    Returns:
        The sentence, and the noun phrase or the extended noun phrase.
    """
    if kind in ("context", "context-fusion"):
        return text.text, with_context(text.text, text.noun_phrase, text.context_tokens or ())
    return text.text, text.noun_phrase


def is_fused(kind: HybridKind) -> bool:
    """Return whether a kind of hybrid text is mixed inside the text tower.

    Args:
        kind: The kind of hybrid text.

    Returns:
        True for "fusion" and "context-fusion".
    """
    return kind in ("fusion", "context-fusion")


def hybrid_text(
    scene: SceneFeatures, text: ExpressionParts, config: HybridTextConfig, mixing: Literal["unit", "raw"] = "unit"
) -> HybridText:
    """Compute the hybrid text of an expression.

    The feature of "ensemble" and "context" is beta E_t(T) + (1 - beta) E_t(phrase).

    Args:
        scene: The model, and features of strings that are already known.
        text: The expression with its parts.
        config: The settings.
        mixing: "unit" normalises each feature of "ensemble" and "context" before mixing; "raw" does not.

    Returns:
        The hybrid text.

    Raises:
        InvalidInputError: The text tower does not have the block of the settings.
    """
    sentence, phrase = strings_of(text, config.kind)
    if is_fused(config.kind):
        (feature,) = fuse(scene, [(sentence, phrase)], config)
    else:
        features = scene.text_features([sentence, phrase])
        features = F.normalize(features, dim=-1) if mixing == "unit" else features
        feature = config.beta * features[0] + (1 - config.beta) * features[1]
    return HybridText(feature, sentence, phrase, config.kind)


def fuse(scene: SceneFeatures, pairs: Sequence[tuple[str, str]], config: HybridTextConfig) -> list[Tensor]:
    """Return the fused features of pairs of texts; the scene keeps them, and new pairs are computed in one batch.

    Args:
        scene: The scene.
        pairs: Sentences with their phrases.
        config: The settings.

    Returns:
        Tensors (D,) of float32, not normalised, in the order of the pairs.

    Raises:
        InvalidInputError: The text tower does not have the block of the settings.
    """
    block = fusion_block(scene.layered, config.fusion_block)
    known = _fusions(scene, block, config.beta, config.causal)
    missing = [pair for pair in dict.fromkeys(pairs) if pair not in known]
    if missing:
        found = fused_features(scene.layered, missing, block, beta=config.beta, causal=config.causal)
        known.update(zip(missing, found, strict=True))
    return [known[pair] for pair in pairs]


@once_per_scene
def _fusions(scene: SceneFeatures, block: int, beta: float, causal: bool) -> dict[tuple[str, str], Tensor]:
    """Return the dictionary in which a scene keeps its fused features."""
    return {}


def fusion_block(clip: LayeredModel, block: int | None = None) -> int:
    """Return the text block, counted from 0, in which two texts are mixed.

    Args:
        clip: The model.
        block: The block; None for three quarters of the blocks.

    Returns:
        Index of the block.

    Raises:
        InvalidInputError: The text tower does not have the block.
    """
    block = 3 * clip.text_layers // 4 if block is None else block
    if not 0 <= block < clip.text_layers:
        raise InvalidInputError(
            f"fusion_block={block} does not exist; the text tower of {clip.name!r} has blocks 0 to "
            f"{clip.text_layers - 1}."
        )
    return block


def fused_feature(
    clip: LayeredModel, sentence: str, phrase: str, block: int, *, beta: float = 0.5, causal: bool = True
) -> Tensor:
    """Compute the feature of one pair of texts, a tensor (D,); see :func:`fused_features` for the arguments."""
    return fused_features(clip, [(sentence, phrase)], block, beta=beta, causal=causal)[0]


def fused_features(
    clip: LayeredModel, pairs: Sequence[tuple[str, str]], block: int, *, beta: float = 0.5, causal: bool = True
) -> Tensor:
    """Compute one feature for each pair of texts, whose self-attention outputs are mixed in one block.

    Both texts run up to block b. With their residual streams x_T and x_NP and the self-attention A of block b, the rest
    of the tower runs on (x_T + x_NP) / 2 + beta A(x_T) + (1 - beta) A(x_NP), and the feature is read at the end token
    of the phrase. Token i of the sentence is added to token i of the phrase.

    Args:
        clip: The model.
        pairs: First and second texts, E pairs.
        block: Index b of the block, counted from 0.
        beta: Weight of the first text's self-attention, 0-1.
        causal: Whether the causal mask applies in block b. Without it, as in the authors' code, the texts are padded to
            the context length and every token of that block attends to all others including the padding.

    Returns:
        Tensor (E, D) of float32, not normalised.
    """
    texts = [sentence for sentence, _ in pairs] + [phrase for _, phrase in pairs]
    tokens = clip.tokenize(texts, length=None if causal else clip.context_length)
    tower = clip.text
    clip.calls.texts += len(texts)
    with autograd_mode(False):
        hidden = tower.embed(tokens.ids)
        mask = tower.causal_mask(hidden.shape[1], hidden.device)
        for below in tower.blocks[:block]:
            hidden, _ = run_block(below, hidden, mask, attention=tower.attention)
        fusing = tower.blocks[block]
        added, _ = self_attention(fusing, hidden, mask if causal else None, attention=tower.attention)
        (sentence, phrase), (first, second) = hidden.chunk(2), added.chunk(2)
        mixed = (sentence + phrase) / 2 + beta * first + (1 - beta) * second
        mixed = mixed + feed_forward(fusing, mixed)
        for above in tower.blocks[block + 1 :]:
            mixed, _ = run_block(above, mixed, mask, attention=tower.attention)
        return tower.project(take_rows(mixed, tokens.end[len(pairs) :])[:, 0])
