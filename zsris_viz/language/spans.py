"""Words of an expression with the characters they cover, and stretches of such words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Token:
    """One word of a parsed expression.

    Attributes:
        text: as written. lemma: its dictionary form, lower case.
        pos: universal part of speech ("NOUN"); tag: Penn Treebank tag ("NNS").
        dep: label of the arc from its governor ("nsubj", "prep", ...); head: index of the governor, its own for a root.
        start_char, end_char: characters of the expression that it covers, end exclusive.
    """

    text: str
    lemma: str
    pos: str
    tag: str
    dep: str
    head: int
    start_char: int
    end_char: int


@dataclass(frozen=True)
class Span:
    """A stretch of an expression.

    Attributes:
        text: as written in the expression.
        start, end: first token and one past the last. start_char, end_char: the same in characters.
    """

    text: str
    start: int
    end: int
    start_char: int
    end_char: int

    def __str__(self) -> str:
        return self.text

    def __contains__(self, token: object) -> bool:
        return isinstance(token, int) and self.start <= token < self.end

    def to_dict(self) -> dict[str, object]:
        """``{"text", "tokens": [start, end], "characters": [start, end]}``, ready for JSON."""
        return {"text": self.text, "tokens": [self.start, self.end], "characters": [self.start_char, self.end_char]}


def span_of(text: str, tokens: Sequence[Token], start: int, end: int) -> Span:
    """The span of tokens ``start`` to ``end`` (exclusive) of ``text``."""
    first, last = tokens[start].start_char, tokens[end - 1].end_char
    return Span(text[first:last], start, end, first, last)
