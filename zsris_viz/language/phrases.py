"""Rules for the main noun phrase, the context tokens, superlatives, ordinals, and the other noun phrases."""

from __future__ import annotations

from zsris_viz.language.lexicon import DIRECTIONS, PLACES, is_ordinal, is_superlative
from zsris_viz.language.tree import NOUNS, Tree


def main_phrase(tree: Tree) -> tuple[tuple[int, int] | None, int]:
    """Return the noun phrase that names the referent, and its head word (Global-Local CLIP, section 3.3).

    It is the noun phrase that contains the root of the dependency parse. If no noun phrase contains the root, it is
    that of the first child of the root that lies in a noun phrase. Of several sentences, the first with such a phrase
    counts.

    Returns:
        ((start, end), head); (None, root) if there is no such phrase, and the whole expression is to be used.
    """
    for root in tree.roots:
        for candidate in (root, *tree.children(root)):
            phrase = tree.chunk_of(candidate)
            if phrase:
                return phrase, phrase[1] - 1
    return None, tree.roots[0]


def context_tokens(tree: Tree) -> list[int]:
    """Return the words that carry spatial cues (CoPatch).

    These are prepositions, directions, comparatives, and the objects of prepositions. "next" in "next to" and "than"
    count as prepositions; in "the left side of the picture" all words but the articles are context. Colours and
    clothes count as well if they are objects of a preposition ("in red"), because the rule ignores their meaning.
    """
    found: set[int] = set()
    for index, token in enumerate(tree.tokens):
        word = tree.word(index)
        if (
            token.dep in ("prep", "agent")
            or (token.pos == "ADP" and token.dep in ("ROOT", "conj", "pcomp", "dative", "advmod", "case"))
            or token.dep == "pobj"
            or (word in DIRECTIONS and token.pos in ("ADJ", "ADV", "NOUN", "PROPN", "VERB"))
            or (token.tag in ("JJR", "RBR") and word not in ("more", "less"))
            or (word in ("next", "close") and any(tree.word(child) == "to" for child in tree.children(index)))
            or (token.dep == "conj" and token.pos in NOUNS and _leads_to(tree, index))
        ):
            found.add(index)
    return sorted(found)


def _leads_to(tree: Tree, index: int) -> bool:
    while tree[index].dep == "conj" and tree[index].head < index:
        index = tree[index].head
    return tree[index].dep == "pobj"


def superlatives(tree: Tree) -> list[int]:
    """Return the superlatives, such as "biggest", "closest" and "leftmost"."""
    return [index for index, token in enumerate(tree.tokens) if is_superlative(tree.word(index), token.tag)]


def ordinals(tree: Tree) -> list[int]:
    """Return the ordinals, such as "second", "3rd" and "last"."""
    return [index for index in range(len(tree)) if is_ordinal(tree.word(index))]


def other_phrases(tree: Tree, main: tuple[int, int] | None) -> list[tuple[int, int]]:
    """Return the noun phrases of objects other than the referent, in order.

    Besides spaCy's noun chunks these are nouns that follow without a preposition ("guy red shirt"). Phrases that only
    name a place ("the left side", "background") and pronouns for the speaker or the referent are left out.
    """
    found: list[tuple[int, int]] = []
    for index, token in enumerate(tree.tokens):
        if token.pos not in NOUNS or (main and main[0] <= index < main[1]):
            continue
        chunk = tree.chunk_of(index)
        if chunk is None and token.dep not in ("npadvmod", "dep"):
            continue
        start, end = chunk or tree.phrase_at(index)
        if end != index + 1 or (token.pos == "PRON" and token.tag not in ("NN", "NNS")):
            continue
        if tree.word(index) in PLACES or tree.word(index) in DIRECTIONS:
            continue
        found.append((start, end))
    return found
