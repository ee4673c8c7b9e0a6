"""Words of an expression with the characters they cover, and contiguous spans of such words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Token:
    """A word of a parsed expression.

    Attributes:
        text: The word as it is written.
        lemma: Dictionary form in lower case.
        pos: Universal part of speech, such as "NOUN".
        tag: Penn Treebank tag, such as "NNS".
        dep: Label of the arc from the word's governor, such as "nsubj" or "prep".
        head: Index of the governor; the word's own index for a root.
        start_char: First character of the expression that the word covers.
        end_char: One past the last character that the word covers.
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
    """A contiguous part of an expression.

    Attributes:
        text: The part as it is written in the expression.
        start: First token.
        end: One past the last token.
        start_char: First character.
        end_char: One past the last character.
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
        """Return `{"text", "tokens": [start, end], "characters": [start, end]}` as plain values for JSON."""
        return {"text": self.text, "tokens": [self.start, self.end], "characters": [self.start_char, self.end_char]}


def span_of(text: str, tokens: Sequence[Token], start: int, end: int) -> Span:
    """Return the span of the tokens `start` to `end` (exclusive) of `text`."""
    first, last = tokens[start].start_char, tokens[end - 1].end_char
    return Span(text[first:last], start, end, first, last)
