"""The facts that distinguish an object from others of its noun, by kind: the main fact of an expression."""

from __future__ import annotations

from collections.abc import Sequence

from zsris_viz.miniature.world.predicates import (
    Closest,
    Colour,
    Corner,
    Extent,
    Fact,
    Form,
    Half,
    Ordinal,
    Outermost,
    Relation,
    Size,
)
from zsris_viz.miniature.world.semantics import SceneSemantics, same_noun

#: Least share of an object that must be in sight for it to be referred to.
LEAST_VISIBLE = 0.4

KINDS = ("noun", "colour", "size", "position", "relation", "ordinal")
STYLES = ("refcoco", "refcoco+", "refcocog")

_SIDES = ("left", "right", "top", "bottom")
#: Relations without a word for a direction, which is what RefCOCO+ allows.
_PLACELESS = ("near", "bigger", "smaller")
_OPPOSITES = (("left", "right"), ("above", "below"))


def is_position(fact: Fact) -> bool:
    """Return whether a fact is expressed with a word for a direction."""
    if isinstance(fact, Relation):
        return fact.name not in _PLACELESS
    return isinstance(fact, Half | Corner | Outermost | Ordinal)


def allowed(fact: Fact, style: str) -> bool:
    """Return whether a style may express a fact: RefCOCO+ has no directions."""
    return style != "refcoco+" or not is_position(fact)


def plain_form(semantics: SceneSemantics, index: int) -> Form | None:
    """Return the shortest form, of noun, colour and size only, that fits one object alone; None if there is none.

    A person's colour is not used, since "the man in red" would need a phrase within the phrase.
    """
    item = semantics.layout.objects[index]
    tries: list[tuple[Fact, ...]] = [
        (),
        (Colour(item.colour),),
        (Size(item.size),),
        (Size(item.size), Colour(item.colour)),
    ]
    if item.is_person:
        tries = [(), (Size(item.size),)]
    for facts in tries:
        form = Form(item.noun, facts)
        if semantics.only(form, index):
            return form
    return None


def relations_of(semantics: SceneSemantics, target: int) -> list[Relation | Closest]:
    """Return every relation to another object that certainly holds of the target, even if it holds of others too."""
    found: list[Relation | Closest] = []
    noun = semantics.layout.objects[target].noun
    distractors = same_noun(semantics.layout, target)
    for other, item in enumerate(semantics.layout.objects):
        if other == target:
            continue
        if item.noun == noun:
            form = None
            if len(distractors) != 1:
                continue
        else:
            form = plain_form(semantics, other)
            if form is None:
                continue
        for name in ("left", "right", "above", "below", "near", "bigger", "smaller"):
            if form is None and name == "near":
                continue
            fact = Relation(name, form)
            if semantics.holds(fact, target):
                found.append(fact)
        if form is not None and distractors and semantics.holds(Closest(form), target):
            found.append(Closest(form))
    return found


def _tries(semantics: SceneSemantics, target: int, kind: str) -> list[Fact]:
    """Return the facts of a kind that may distinguish an object from others of its noun."""
    item = semantics.layout.objects[target]
    if kind == "colour":
        return [Colour(item.colour)]
    if kind == "size":
        return [Size(item.size), Extent(item.size)]
    if kind == "relation":
        return list(relations_of(semantics, target))
    if kind == "position":
        around = (*_SIDES, "middle")
        corners = [Corner(vertical, horizontal) for vertical in ("top", "bottom") for horizontal in ("left", "right")]
        return [*(Outermost(side) for side in around), *(Half(side) for side in around), *corners]
    count = len(same_noun(semantics.layout, target)) + 1
    return [Ordinal(rank, side) for side in _SIDES for rank in range(1, min(4, count) + 1)] if count >= 3 else []


def _compute_distinguishing(semantics: SceneSemantics, target: int, kind: str) -> list[Fact]:
    """Return the facts of a kind that, each alone with the noun, fit the target and nothing else; found once."""
    key = (target, kind)
    if key not in semantics.distinguishing:
        noun = semantics.layout.objects[target].noun
        semantics.distinguishing[key] = [
            fact
            for fact in _tries(semantics, target, kind)
            if semantics.holds(fact, target) and semantics.only(Form(noun, (fact,)), target)
        ]
    return semantics.distinguishing[key]


def distinguishing_facts(
    semantics: SceneSemantics, target: int, kind: str, style: str, *, visible: Sequence[float] | None = None
) -> list[Fact | None]:
    """Return the facts of a kind of which each alone, with the noun, fits the target and nothing else.

    Args:
        semantics: Truth of facts in the scene.
        target: Index of the object.
        kind: One of `KINDS`.
        style: One of `STYLES`.
        visible: For every object the visible share, 0-1; None if all are fully visible. Objects that are hidden by more
            than 60 % are not described, and others of their noun are not counted.

    Returns:
        Facts to choose from; [None] for a noun that needs no fact; empty if no fact of the kind is sufficient.
    """
    if visible is not None and visible[target] < LEAST_VISIBLE:
        return []
    distractors = same_noun(semantics.layout, target)
    if kind == "noun" or not distractors:
        return [None] if kind == "noun" and not distractors else []
    if (
        kind == "ordinal"
        and visible is not None
        and any(visible[distractor] < LEAST_VISIBLE for distractor in distractors)
    ):
        return []
    if style == "refcoco+" and kind in ("position", "ordinal"):
        return []
    return [fact for fact in _compute_distinguishing(semantics, target, kind) if allowed(fact, style)]


def extras(semantics: SceneSemantics, target: int, main_fact: Fact | None, style: str) -> list[Fact]:
    """Return facts that may be added to the main fact: they hold of the target and do not distinguish it.

    Returns:
        Facts that may be used alone or together: any choice of them fits another object of the same noun as well.
    """
    item = semantics.layout.objects[target]
    distractors = same_noun(semantics.layout, target)
    candidates: list[Fact] = [Colour(item.colour), Size(item.size)]
    if style == "refcocog":
        candidates += relations_of(semantics, target)
    if style != "refcoco+":
        candidates += [
            fact for fact in (Half("left"), Half("right"), Half("top"), Half("bottom")) if semantics.holds(fact, target)
        ]
    if isinstance(main_fact, Size | Extent):
        candidates = [
            fact for fact in candidates if not (isinstance(fact, Relation) and fact.name in ("bigger", "smaller"))
        ]
    candidates = [fact for fact in candidates if fact != main_fact and allowed(fact, style)]
    if not distractors:
        return candidates
    best: list[Fact] = []
    for distractor in distractors:
        shared = [fact for fact in candidates if semantics.holds(fact, distractor)]
        if len(shared) > len(best):
            best = shared
    return best
