"""Negative phrases for TAS's N-score: what else the caption of the image names (Suo et al., 2023, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsris_viz.errors import InvalidInputError
from zsris_viz.language.spans import Token
from zsris_viz.language.tree import Tree
from zsris_viz.language.wordnet import are_synonyms, synsets

if TYPE_CHECKING:
    from zsris_viz.language.parser import Parser

NOUNS = ("head", "first")


@dataclass(frozen=True)
class Synonymy:
    """When a phrase names the referent.

    Attributes:
        min_pairs, threshold: at least so many pairs of WordNet synsets with a path similarity above the threshold; 3
            and 0.9 in TAS. With `min_pairs=1` words with one sense in common count as synonyms.
        same_word: a word is its own synonym however few senses it has. False: the authors' code, by which "apple",
            with two senses, does not name an apple.
        noun: which noun of a phrase is compared: its "head", or the "first" one (authors' code: of "wine glass",
            "wine").
    """

    min_pairs: int = 3
    threshold: float = 0.9
    same_word: bool = True
    noun: str = "head"

    def __post_init__(self) -> None:
        if self.noun not in NOUNS:
            raise InvalidInputError(f"noun={self.noun!r} is unknown; use one of {', '.join(NOUNS)}.")
        if not isinstance(self.min_pairs, int) or self.min_pairs < 1:
            raise InvalidInputError(f"min_pairs={self.min_pairs!r} was given; it is a whole number from 1 on.")
        if not 0 <= self.threshold <= 1:
            raise InvalidInputError(f"threshold={self.threshold!r} was given; it is a path similarity from 0 to 1.")

    def holds(self, a: str, b: str) -> bool:
        """Whether two nouns name the same kind of thing."""
        if self.same_word:
            return are_synonyms(a, b, min_pairs=self.min_pairs, threshold=self.threshold)
        ours = synsets(b)
        alike = sum((one.path_similarity(other) or 0.0) > self.threshold for one in synsets(a) for other in ours)
        return alike >= self.min_pairs


@dataclass(frozen=True)
class Negatives:
    """Noun phrases of a caption, told apart.

    Attributes:
        kept: those that serve as negatives, as they stand in the caption. dropped: phrase -> why it does not.
    """

    kept: tuple[str, ...]
    dropped: dict[str, str]


def mine_negatives(caption: str, referent: str, parser: Parser, rule: Synonymy | None = None) -> Negatives:
    """The noun phrases of a caption that do not name the referent.

    Args:
        caption: of the whole image; without words there are no negatives.
        referent: a noun or noun phrase; its noun by `rule.noun` is compared.
        parser: reads the caption. rule: when a phrase names the referent.

    Returns:
        With `rule.noun="head"`, the default: phrases without a noun ("it") are dropped and equal ones count once. With
        "first", the authors' code: all are kept that the rule does not drop.
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
    """The noun of a phrase that is compared, or None if it has none."""
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
