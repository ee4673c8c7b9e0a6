"""Negative phrases for TAS's N-score: what else the caption of the image names (Suo et al., 2023, section 3.3)."""

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
    """When a phrase names the referent.

    Attributes:
        min_pairs: How many pairs of WordNet synsets have to be alike; 3 in TAS. With 1, words with one sense in common
            count as synonyms.
        threshold: Path similarity above which two synsets are alike, 0-1; 0.9 in TAS.
        same_word: A word is its own synonym however few senses it has. False: the authors' code, by which "apple",
            with two senses, does not name an apple.
        noun: Which noun of a phrase is compared: its "head", or the "first" one (authors' code: of "wine glass",
            "wine").
    """

    min_pairs: Annotated[int, Field(ge=1, strict=True)] = 3
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.9
    same_word: bool = True
    noun: Literal["head", "first"] = "head"

    def holds(self, a: str, b: str) -> bool:
        """Return whether two nouns name the same kind of thing."""
        if self.same_word:
            return are_synonyms(a, b, min_pairs=self.min_pairs, threshold=self.threshold)
        ours = synsets(b)
        alike = sum((one.path_similarity(other) or 0.0) > self.threshold for one in synsets(a) for other in ours)
        return alike >= self.min_pairs


@dataclass(frozen=True)
class Negatives:
    """Noun phrases of a caption, with and without those that name the referent.

    Attributes:
        kept: Those that serve as negatives, as they stand in the caption.
        dropped: Phrase -> why it does not serve.
    """

    kept: tuple[str, ...]
    dropped: dict[str, str]


def mine_negatives(caption: str, referent: str, parser: Parser, rule: Synonymy | None = None) -> Negatives:
    """Find the noun phrases of a caption that do not name the referent.

    Args:
        caption: Of the whole image; without words there are no negatives.
        referent: A noun or noun phrase; its noun by `rule.noun` is compared.
        parser: Parses the caption.
        rule: When a phrase names the referent; None for TAS's rule.

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
    """Return the noun of a phrase that is compared, or None if it has none."""
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
