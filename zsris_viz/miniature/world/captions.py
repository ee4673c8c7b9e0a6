"""Sentences on a whole drawn scene."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

import numpy as np

from zsris_viz.miniature.world.layout import SceneLayout, SceneObject
from zsris_viz.miniature.world.phrases import chance, clothes_phrase, pick, relation_phrase, size_word, with_article
from zsris_viz.miniature.world.predicates import Relation
from zsris_viz.miniature.world.semantics import SceneSemantics
from zsris_viz.miniature.world.trees import GoldTree, Word, adjective, flatten, noun
from zsris_viz.miniature.world.words import plural

_COUNTS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


@dataclass(frozen=True)
class SceneCaption:
    """A sentence that describes the whole scene, with its dependency tree.

    Attributes:
        text: Words joined by blanks.
        tree: Its dependency tree.
        noun_phrases: Its base noun phrases in order, determiners included, as spaCy's `noun_chunks` would find them.
    """

    text: str
    tree: GoldTree
    noun_phrases: tuple[str, ...]


def _named(item: SceneObject, rng: np.random.Generator, dep: str, *, colour: float = 0.8, size: float = 0.35) -> Word:
    """Return one object with an article: "a small red cup", "a man in a blue shirt"."""
    word = noun(item.noun, dep)
    if chance(rng, size):
        word.before(adjective(size_word(item.size, rng)))
    if chance(rng, colour):
        if item.is_person:
            word.after(clothes_phrase(item, rng, long=True, plain=True))
        else:
            word.before(adjective(item.colour))
    return with_article(word, "a")


def _group(items: list[SceneObject], rng: np.random.Generator, dep: str) -> Word:
    """Return several objects of one noun: "three small cats", "two red cups"."""
    word = noun(plural(items[0].noun), dep, plural=True)
    word.before(Word(_COUNTS[len(items)], "CD", "NUM", "nummod"))
    if len({item.size for item in items}) == 1 and chance(rng, 0.4):
        word.before(adjective(size_word(items[0].size, rng)))
    if len({item.colour for item in items}) == 1 and not items[0].is_person and chance(rng, 0.9):
        word.before(adjective(items[0].colour))
    return word


def _listed(phrases: list[Word]) -> Word:
    """Return words such as "a cat and a red car and two dogs"; each phrase depends on the one before it."""
    for first, second in itertools.pairwise(phrases):
        first.right += [Word("and", "CC", "CCONJ", "cc"), second]
        second.dep = "conj"
    return phrases[0]


def caption(layout: SceneLayout, rng: np.random.Generator, *, grouped: bool | None = None) -> SceneCaption:
    """Return a sentence that names all objects of a scene.

    Args:
        layout: The scene, with at least one object.
        rng: Source of randomness.
        grouped: Count objects of one noun together ("two cats"); None to draw it.

    Returns:
        The caption; if two objects of different nouns have a clear relation, it may name the relation.
    """
    items = [layout.objects[int(index)] for index in rng.permutation(len(layout.objects))]
    grouped = chance(rng, 0.4) if grouped is None else grouped
    counts = Counter(item.noun for item in items)
    phrases: list[Word] = []
    if grouped:
        for name, count in counts.items():
            same = [item for item in items if item.noun == name]
            phrases.append(_named(same[0], rng, "ROOT") if count == 1 else _group(same, rng, "ROOT"))
    else:
        pair = _related_pair(layout, rng) if chance(rng, 0.5) else None
        if pair:
            first, second, fact = pair
            head = _named(first, rng, "ROOT")
            phrases.append(head.after(relation_phrase(fact, _named(second, rng, "pobj"), rng)))
            items = [item for item in items if item is not first and item is not second]
        phrases += [_named(item, rng, "ROOT") for item in items]
    # The phrase with a relation comes last, so that what follows is not taken to belong to it.
    phrases.sort(key=lambda word: any(child.dep in ("prep", "advmod") and child.text != "in" for child in word.right))
    tree, _ = flatten(_listed(phrases))
    return SceneCaption(tree.text, tree, tuple(tree.phrase(span) for span in tree.noun_chunks()))


def _related_pair(layout: SceneLayout, rng: np.random.Generator) -> tuple[SceneObject, SceneObject, Relation] | None:
    """Return two objects of which one clearly stands beside, above or below the other."""
    semantics = SceneSemantics(layout)
    order = [int(index) for index in rng.permutation(len(layout.objects))]
    for first, second in itertools.pairwise(order):
        names = [name for name in ("left", "right", "above", "below", "near") if semantics.related(name, first, second)]
        if names:
            return layout.objects[first], layout.objects[second], Relation(pick(rng, names), None)
    return None
