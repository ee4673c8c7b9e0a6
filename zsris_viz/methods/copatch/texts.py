"""The three hybrid texts of CoPatch: sentence and noun phrase joined with the context tokens that carry spatial cues.

The paper gives no formula. "ensemble" is the text of Global-Local CLIP; "context" extends the noun phrase by its
context tokens; "fusion" is the authors' way through the text tower. Notebook 06 compares them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.copatch.config import CoPatchConfig
from zsris_viz.methods.copatch.text_spans import with_context
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.texts import ExpressionParts
from zsris_viz.models.blocks import autograd_mode, feed_forward, run_block, self_attention
from zsris_viz.models.layered import LayeredModel


@dataclass(frozen=True)
class HybridText:
    """A hybrid text.

    Attributes:
        feature: (D,) fp32, not normalised. sentence, phrase: the two strings that went in; for "context" the phrase is
            the extended one. kind: which hybrid.
    """

    feature: Tensor
    sentence: str
    phrase: str
    kind: str


def strings_of(text: ExpressionParts, kind: str) -> tuple[str, str]:
    """(sentence, phrase) that a kind of hybrid text mixes."""
    if kind == "context":
        return text.text, with_context(text.text, text.noun_phrase, text.context_tokens or ())
    return text.text, text.noun_phrase


def hybrid_text(scene: SceneFeatures, text: ExpressionParts, config: CoPatchConfig) -> HybridText:
    """The hybrid text of an expression; features of strings come from the scene's cache.

    "ensemble" and "context": beta E_t(T) + (1 - beta) E_t(phrase), each normalised first with `mixing="unit"`.
    """
    kind = config.text
    sentence, phrase = strings_of(text, kind)
    if kind == "fusion":
        block = fusion_block(scene.layered, config.fusion_block)
        key = ("copatch fusion", sentence, phrase, block, config.beta, config.causal)
        feature = scene.cached(
            key, lambda: fused_feature(scene.layered, sentence, phrase, block, beta=config.beta, causal=config.causal)
        )
    else:
        features = scene.text_features([sentence, phrase])
        features = F.normalize(features, dim=-1) if config.mixing == "unit" else features
        feature = config.beta * features[0] + (1 - config.beta) * features[1]
    return HybridText(feature, sentence, phrase, kind)


def fusion_block(clip: LayeredModel, block: int | None = None) -> int:
    """The text block, counted from 0, in which two texts are fused: as given, or three quarters of the way (9 of 12).

    Raises:
        InvalidInputError: a block that the text tower does not have.
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
    """Two texts as one feature: both run to a block, whose self-attention outputs are mixed there.

    With residual streams x_T and x_NP and self-attention A of block b, the rest of the tower runs on
    (x_T + x_NP) / 2 + beta A(x_T) + (1 - beta) A(x_NP), and is read at the phrase's end token. Token i of the sentence
    meets token i of the phrase.

    Args:
        causal: keep the causal mask in block b; without (the authors' code) the texts are padded to the context length
            and every token of that block sees all others, padding included.

    Returns:
        (D,) fp32, not normalised.
    """
    tokens = clip.tokenize([sentence, phrase], length=None if causal else clip.context_length)
    tower = clip.text
    clip.calls.texts += 2
    with autograd_mode(False):
        hidden = tower.embed(tokens.ids)
        mask = tower.causal_mask(hidden.shape[1], hidden.device)
        for below in tower.blocks[:block]:
            hidden, _ = run_block(below, hidden, mask, attention=tower.attention)
        fusing = tower.blocks[block]
        added, _ = self_attention(fusing, hidden, mask if causal else None, attention=tower.attention)
        mixed = hidden.mean(dim=0, keepdim=True) + beta * added[:1] + (1 - beta) * added[1:]
        mixed = mixed + feed_forward(fusing, mixed)
        for above in tower.blocks[block + 1 :]:
            mixed, _ = run_block(above, mixed, mask, attention=tower.attention)
        return tower.project(mixed[0, int(tokens.end[1])])
