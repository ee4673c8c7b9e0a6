"""Context-token attention: how much the end token attends to the words that describe a place."""

from __future__ import annotations

from typing import Any

import numpy as np

from zsris_viz.probes.base import Probe
from zsris_viz.probes.inputs import ImageTexts
from zsris_viz.probes.tokens import GROUPS, WORDS, end_token_attention, token_groups

PROBE = "context-token attention"


class ContextAttention(Probe):
    """Probe of the attention from the end token to groups of tokens, by layer and head.

    Kinds: "noun phrase" (without its context words), "context", "other", "start", "end". Variants: "share" of all
    attention; "share of words", of the attention to words; "per token", that share divided by the fraction
    of the words that belong to the group, so that uniform attention gives 1. Expressions without a word of a group do
    not count for it.

    The kind "context minus noun phrase" is the difference of their attention "per token" (of the mean over heads),
    paired by expression, with the p-value of a sign-flip test over images.

    Shuffled control: the words' groups are permuted within each expression.
    """

    name = PROBE
    reads = "texts"

    def update(self, image: ImageTexts) -> None:
        """Add all expressions of one image."""
        trace = image.clip.trace_texts([part.text for part in image.parts])
        for row, part in enumerate(image.parts):
            assert trace.tokens is not None  # a trace of texts has tokens
            weights = end_token_attention(trace, row).double().numpy()
            groups: np.ndarray = np.array(token_groups(trace.tokens, part.noun_phrase, part.context_tokens, row))
            self._add(image.number, weights, groups, self.control)
            self._add_difference(image.number, weights.mean(axis=1), groups)
            if self.has_control("shuffled"):
                self._add(image.number, weights, self._shuffle_groups(groups), "shuffled")

    def _shuffle_groups(self, groups: np.ndarray) -> np.ndarray:
        words = np.isin(groups, WORDS)
        shuffled = groups.copy()
        shuffled[words] = self.rng.permutation(groups[words])
        return shuffled

    def _add(self, image: int, weights: np.ndarray, groups: np.ndarray, control: str) -> None:
        words = np.isin(groups, WORDS)
        to_words = weights[..., words].sum(axis=-1)
        for group in GROUPS:
            members = groups == group
            if not members.any():
                continue
            share = weights[..., members].sum(axis=-1)
            found = {"share": (share, np.ones_like(share))}
            if group in WORDS:
                found["share of words"] = (share, to_words)
                found["per token"] = (share, to_words * (members.sum() / words.sum()))
            for variant, (top, bottom) in found.items():
                self._add_heads(image, top, bottom, kind=group, variant=variant, control=control)

    def _add_difference(self, image: int, weights: np.ndarray, groups: np.ndarray) -> None:
        """Add the difference between a context token and a noun-phrase token; weights (L, T) are means over heads."""
        context, phrase = groups == "context", groups == "noun phrase"
        if not (context.any() and phrase.any()):
            return
        mean = weights[:, np.isin(groups, WORDS)].mean(axis=1)
        gap = (weights[:, context].mean(axis=1) - weights[:, phrase].mean(axis=1)) / mean
        key = {"kind": "context minus noun phrase", "variant": "per token", "control": self.control, "paired": True}
        self.tally.add_layers(image, gap.tolist(), list(range(1, len(gap) + 1)), probe=PROBE, **key)

    def _add_heads(self, image: int, top: np.ndarray, bottom: np.ndarray, **key: Any) -> None:
        """Add (L, heads) numbers: each head and the mean over heads."""
        for layer in range(len(top)):
            for head in range(top.shape[1]):
                ends = (float(top[layer, head]), float(bottom[layer, head]))
                self.tally.add(image, *ends, probe=PROBE, layer=layer + 1, head=head, **key)
            ends = (float(top[layer].mean()), float(bottom[layer].mean()))
            self.tally.add(image, *ends, probe=PROBE, layer=layer + 1, **key)
