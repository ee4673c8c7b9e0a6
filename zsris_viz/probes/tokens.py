"""The group of each token of an expression: noun phrase, context or neither."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.copatch.text_spans import find_words
from zsris_viz.models.text_tokens import TextTokens
from zsris_viz.models.trace import Trace

#: Groups of tokens. "noun phrase" excludes context tokens: it holds "the" and "cat" of "the left cat".
GROUPS = ("noun phrase", "context", "other", "start", "end")
WORDS = ("noun phrase", "context", "other")


def token_groups(
    tokens: TextTokens, noun_phrase: str | None, context_tokens: Sequence[str] | None, row: int = 0
) -> list[str]:
    """Return the group of each token of a text, start and end included, as one of :data:`GROUPS`.

    A word that belongs to both the noun phrase and the context counts as context. Parts that the text does not have are
    skipped.
    """
    text = tokens.texts[row]
    groups = ["other"] * len(tokens.pieces[row])
    for name, words in (("noun phrase", [noun_phrase or ""]), ("context", list(context_tokens or ()))):
        for place in find_words(text, words):
            for position in tokens.tokens_of(*place, row=row) if place else ():
                groups[position] = name
    groups[0], groups[int(tokens.end[row])] = "start", "end"
    return groups


def head_positions(tokens: TextTokens, head: str | None, row: int = 0) -> list[int]:
    """Return the positions of the tokens of the head noun, or an empty list if the text does not contain it."""
    places = find_words(tokens.texts[row], [head]) if head else []
    return [position for place in places if place for position in tokens.tokens_of(*place, row=row)]


def positions_of(groups: Sequence[str], *names: str) -> list[int]:
    """Return the positions of the tokens in the named groups."""
    return [position for position, group in enumerate(groups) if group in names]


def end_token_attention(trace: Trace, row: int = 0) -> Tensor:
    """Return the attention from the end token to every token of a text up to itself.

    Returns:
        (L, heads, T), with rows that sum to 1. Layer l of the tower is entry l - 1.

    Raises:
        InvalidInputError: If the trace is that of an image, or has no attentions.
    """
    tokens: Any = trace.tokens
    weights = [part for part in trace.attentions[1:] if part is not None]
    if tokens is None or not weights:
        raise InvalidInputError("a text trace with attentions is needed: clip.trace_texts(texts, attentions=True).")
    end = int(tokens.end[row])
    return torch.stack([part[row, :, end, : end + 1].float().cpu() for part in weights])
