"""Relations to other objects that identify the referent: "left of the bus", "bigger than the cup"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zsris_viz.language.lexicon import (
    CLOTHES,
    COLOURS,
    DIRECTIONS,
    OF_RELATIONS,
    PICTURES,
    PLACES,
    PREPOSITIONS,
    REGIONS,
    TO_RELATIONS,
    comparison,
)
from zsris_viz.language.tree import Tree

#: Every name that :attr:`ParsedRelation.name` can have.
RELATIONS = (
    "left",
    "right",
    "above",
    "below",
    "bigger",
    "smaller",
    "inside",
    "near",
    "behind",
    "front",
    "between",
    "on",
)


@dataclass(frozen=True)
class ParsedRelation:
    """A relation of the referent to another object.

    Attributes:
        name: One of :data:`RELATIONS`.
        start: First token of the relation's words.
        end: One past the last preposition of the relation.
        object: Token index of the noun to which the relation refers.
    """

    name: str
    start: int
    end: int
    object: int


def relations(tree: Tree, head: int) -> list[ParsedRelation]:
    """Return the relations to other objects in order, those of the head noun first.

    A relation that belongs to another object, such as "under" in "the dog on the couch under the window", follows those
    of the head noun.
    """
    found = list(_find(tree))
    return (
        sorted(found, key=lambda relation: (_nested(tree, relation, found), relation.start))
        if head is not None
        else found
    )


def _nested(tree: Tree, relation: ParsedRelation, all_found: list[ParsedRelation]) -> bool:
    path = tree.path(relation.start)
    return any(other.object in path for other in all_found if other is not relation)


def _find(tree: Tree) -> Iterator[ParsedRelation]:
    for index, token in enumerate(tree.tokens):
        if token.pos not in ("ADP", "SCONJ", "PART") and token.dep not in ("prep", "agent"):
            continue
        obj = tree.child(index, "pobj", "pcomp", "dobj")
        if obj is None or obj < index:
            continue
        found = _relation_at(tree, index, obj)
        if found:
            yield found


def _relation_at(tree: Tree, prep: int, obj: int) -> ParsedRelation | None:
    word = tree.word(prep)
    above = tree[prep].head
    if word == "than":
        return _comparison(tree, prep, obj)
    if word in ("to", "from") and tree.word(above) in TO_RELATIONS and above != prep:
        return ParsedRelation(TO_RELATIONS[tree.word(above)], above, prep + 1, obj)
    if word == "to" and prep > 0 and tree.word(prep - 1) in TO_RELATIONS:
        return ParsedRelation("near", prep - 1, prep + 1, obj)
    if word == "of" and above != prep:
        return _of(tree, prep, above, obj)
    return _plain(tree, prep, obj)


def _comparison(tree: Tree, prep: int, obj: int) -> ParsedRelation | None:
    for above in tree.path(prep)[1:3]:
        name = comparison(tree.word(above))
        if name:
            return ParsedRelation(name, min(above, prep), prep + 1, obj)
    for before in range(prep - 1, max(-1, prep - 4), -1):  # "the bigger dog than ..."
        name = comparison(tree.word(before))
        if name:
            return ParsedRelation(name, before, prep + 1, obj)
    return None


def _of(tree: Tree, prep: int, above: int, obj: int) -> ParsedRelation | None:
    """Return a relation such as "in front of", "on top of", "to the left of", "on the right side of" or "left of"."""
    word = tree.word(above)
    if tree.word(obj) in PICTURES:
        return None
    start = above
    if word in REGIONS:
        sides = [child for child in tree.children(above) if DIRECTIONS.get(tree.word(child)) in OF_RELATIONS]
        name = OF_RELATIONS[DIRECTIONS[tree.word(sides[0])]] if sides else None
        start = sides[0] if sides else above
    else:
        name = OF_RELATIONS.get(word)
    if name is None:
        return None
    outer = tree[above].head
    if tree[above].dep == "pobj":
        if tree.word(outer) not in ("in", "on", "at", "to"):
            return None
        if word == "back" and tree.word(outer) == "on":
            return None
        start = outer
    elif tree[above].dep == "ROOT" and word not in ("left", "right"):  # "front of the train" is the referent itself
        return None
    return ParsedRelation(name, start, prep + 1, obj)


def _plain(tree: Tree, prep: int, obj: int) -> ParsedRelation | None:
    name = PREPOSITIONS.get(tree.word(prep))
    word = tree.word(obj)
    if name is None or word in DIRECTIONS or word in COLOURS:
        return None
    if name in ("inside", "on"):
        if word in PLACES or (name == "inside" and word in CLOTHES) or tree[obj].pos not in ("NOUN", "PROPN", "PRON"):
            return None
        if any(tree.word(child) in PLACES and tree.word(child) != "back" for child in (obj,)):
            return None
    elif word in PLACES - REGIONS:
        return None
    return ParsedRelation(name, prep, prep + 1, obj)
