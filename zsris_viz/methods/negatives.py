"""Negative phrases for TAS's N-score: the caption's noun phrases for other things (Suo et al., 2023, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zsris_viz.language.spans import Token
from zsris_viz.language.tree import Tree
from zsris_viz.language.wordnet import are_synonyms, synsets
from zsris_viz.methods.settings import settings

if TYPE_CHECKING:
    from zsris_viz.language.parser import Parser


@settings
class Synonymy:
    """Settings of the test whether a phrase names the referent.

    Attributes:
        min_pairs: Smallest number of pairs of similar WordNet synsets; 3 in TAS. With 1, words with one sense in common
            are synonyms.
        threshold: Path similarity above which two synsets are similar, 0-1; 0.9 in TAS.
        same_word: Whether a word is a synonym of itself even if it has few senses. In the authors' code it is not:
            "apple", with two senses, is no synonym of "apple".
        noun: Noun of a phrase that is compared: its "head", or the "first" noun as in the authors' code ("wine" of
            "wine glass").
    """

    min_pairs: Annotated[int, Field(ge=1, strict=True)] = 3
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.9
    same_word: bool = True
    noun: Literal["head", "first"] = "head"

    def holds(self, a: str, b: str) -> bool:
        """Return whether two nouns name the same kind of thing.

        Args:
            a: The first noun.
            b: The second noun.

        Returns:
            Whether the nouns are synonyms by these settings.
        """
        if self.same_word:
            return are_synonyms(a, b, min_pairs=self.min_pairs, threshold=self.threshold)
        others = synsets(b)
        alike = sum((sense.path_similarity(other) or 0.0) > self.threshold for sense in synsets(a) for other in others)
        return alike >= self.min_pairs


@dataclass(frozen=True)
class Negatives:
    """The noun phrases of a caption, divided into negatives and others.

    Attributes:
        kept: The negatives, as they are written in the caption.
        dropped: Each other phrase with the reason why it is not a negative.
    """

    kept: tuple[str, ...]
    dropped: dict[str, str]


def mine_negatives(caption: str, referent: str, parser: Parser, rule: Synonymy | None = None) -> Negatives:
    """Find the noun phrases of a caption that do not name the referent.

    With `rule.noun="head"`, the default, phrases without a noun ("it") are dropped, and each phrase is kept once. With
    "first", as in the authors' code, only phrases that name the referent are dropped.

    Args:
        caption: Caption of the whole image; without words there are no negatives.
        referent: Noun or noun phrase of the referent, whose noun by `rule.noun` is compared.
        parser: Parser for the caption.
        rule: The test whether a phrase names the referent; None for TAS's settings.

    Returns:
        The negatives and the dropped phrases.
    """
    rule = rule or Synonymy()
    if not caption.strip():
        return Negatives((), {})
    wanted = referent_noun(referent, parser, rule.noun)
    tree = Tree(parser.parse(caption).tokens)
    kept: list[str] = []
    dropped: dict[str, str] = {}
    for start, end in tree.chunks:
        tokens = tree.tokens[start:end]
        phrase = caption[tokens[0].start_char : tokens[-1].end_char]
        noun = _noun(tokens, rule.noun)
        if noun is None and rule.noun == "head":
            dropped[phrase] = "has no noun"
        elif noun is not None and wanted is not None and rule.holds(noun, wanted):
            dropped[phrase] = f"{noun} names {wanted}"
        elif phrase in kept and rule.noun == "head":
            dropped.setdefault(phrase, "is there already")
        else:
            kept.append(phrase)
    return Negatives(tuple(kept), dropped)


def referent_noun(referent: str, parser: Parser, noun: str) -> str | None:
    """Return the noun of a phrase that is compared.

    Args:
        referent: Noun or noun phrase.
        parser: Parser for the phrase.
        noun: "head" or "first", as in :class:`Synonymy`.

    Returns:
        The noun; a phrase of one token is returned as it is. None if a longer phrase has no noun.
    """
    tokens = parser.parse(referent).tokens
    if len(tokens) == 1:
        return tokens[0].text
    return _noun(tokens, noun, root=True)


def _noun(tokens: Sequence[Token], which: str, *, root: bool = False) -> str | None:
    nouns = [token for token in tokens if token.pos in ("NOUN", "PROPN")]
    if not nouns:
        return None
    if which == "head" and root:
        heads = [token for index, token in enumerate(tokens) if token.head == index and token in nouns]
        return (heads or nouns[-1:])[0].text
    return nouns[0 if which == "first" else -1].text
