"""Positions of the parts of an expression in its text."""

from __future__ import annotations

import re
from collections.abc import Sequence

Place = tuple[int, int]


def find_words(text: str, words: Sequence[str]) -> list[Place | None]:
    """Find the characters of each word in a text, without regard to case.

    Only whole words are found. Each word is searched after the previous one first, and then in the whole text.

    Args:
        text: The text.
        words: Words or phrases, in the order of the text where possible.

    Returns:
        For each word its first character and the character after its last, or None if the text does not contain it.

    >>> find_words("the left cat", ["left", "dog"])
    [(4, 8), None]
    """
    found: list[Place | None] = []
    after = 0
    for word in words:
        pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE) if word.strip() else None
        match = pattern and (pattern.search(text, after) or pattern.search(text))
        found.append(match.span() if match else None)
        after = match.end() if match else after
    return found


def with_context(text: str, noun_phrase: str, context_tokens: Sequence[str]) -> str:
    """Extend a noun phrase by the context tokens outside it, in the order of the text.

    Args:
        text: The expression.
        noun_phrase: The noun phrase.
        context_tokens: Words that carry spatial cues; a word that the text does not contain is added at the end.

    Returns:
        The extended noun phrase; without context tokens the noun phrase itself.

    >>> with_context("the small cat that is left of the bus", "the small cat", ("left", "of", "bus"))
    'the small cat left of bus'
    """
    (phrase,) = find_words(text, [noun_phrase])
    places = find_words(text, context_tokens)
    if phrase is None:
        words = [noun_phrase, *(word for word in context_tokens if word.lower() not in noun_phrase.lower().split())]
        return " ".join(words)
    start, end = phrase
    pieces = {start: noun_phrase}
    pieces |= {place[0]: text[slice(*place)] for place in places if place and not start <= place[0] < end}
    known = [pieces[place] for place in sorted(pieces)]
    return " ".join(known + [word for word, place in zip(context_tokens, places, strict=True) if place is None])
