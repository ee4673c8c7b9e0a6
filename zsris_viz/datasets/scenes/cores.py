"""Which facts tell an object from its like: the core of an expression, by the kind of what is needed."""

from __future__ import annotations

from .facts import Judge, same_noun
from .forms import Closest, Colour, Corner, Extent, Fact, Form, Half, Ordinal, Outermost, Relation, Size

KINDS = ("noun", "colour", "size", "position", "relation", "ordinal")
STYLES = ("refcoco", "refcoco+", "refcocog")

_SIDES = ("left", "right", "top", "bottom")
#: Relations without a word for a direction, which is what RefCOCO+ allows.
_PLACELESS = ("near", "bigger", "smaller")
_OPPOSITES = (("left", "right"), ("above", "below"))


def is_position(fact: Fact) -> bool:
    """Whether a fact is said with a word for a direction."""
    if isinstance(fact, Relation):
        return fact.name not in _PLACELESS
    return isinstance(fact, Half | Corner | Outermost | Ordinal)


def allowed(fact: Fact, style: str) -> bool:
    """Whether a style may say a fact: RefCOCO+ has no directions."""
    return style != "refcoco+" or not is_position(fact)


def plain_form(judge: Judge, index: int) -> Form | None:
    """The shortest form, of noun, colour and size only, that fits one object alone; None if there is none.

    A person's colour is not used, since "the man in red" would need a phrase within the phrase.
    """
    item = judge.layout.objects[index]
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
        if judge.only(form, index):
            return form
    return None


def relations_of(judge: Judge, target: int) -> list[Relation | Closest]:
    """Every relation to another object that surely holds of the target, even if it holds of its like too."""
    found: list[Relation | Closest] = []
    noun = judge.layout.objects[target].noun
    rivals = same_noun(judge.layout, target)
    for other, item in enumerate(judge.layout.objects):
        if other == target:
            continue
        if item.noun == noun:
            form = None
            if len(rivals) != 1:
                continue
        else:
            form = plain_form(judge, other)
            if form is None:
                continue
        for name in ("left", "right", "above", "below", "near", "bigger", "smaller"):
            if form is None and name in ("near",):
                continue
            fact = Relation(name, form)
            if judge.holds(fact, target):
                found.append(fact)
        if form is not None and rivals and judge.holds(Closest(form), target):
            found.append(Closest(form))
    return found


def cores(judge: Judge, target: int, style: str, *, counted: bool = True) -> dict[str, list[Fact | None]]:
    """The facts of which each alone, with the noun, fits the target and nothing else, by kind.

    Args:
        judge: of the scene.
        target: index of the object.
        style: one of `STYLES`.
        counted: whether all objects of the target's noun are in plain sight, so that they may be counted off.

    Returns:
        For every kind that is possible the facts to choose from; for "noun" [None], as no fact is needed.
    """
    item = judge.layout.objects[target]
    rivals = same_noun(judge.layout, target)
    if not rivals:
        return {"noun": [None]}
    tries: dict[str, list[Fact]] = {
        "colour": [Colour(item.colour)],
        "size": [Size(item.size), Extent(item.size)],
        "relation": list(relations_of(judge, target)),
    }
    if style != "refcoco+":
        places: list[Fact] = [Outermost(side) for side in (*_SIDES, "middle")]
        places += [Half(side) for side in (*_SIDES, "middle")]
        places += [Corner(vertical, horizontal) for vertical in ("top", "bottom") for horizontal in ("left", "right")]
        tries["position"] = places
        if len(rivals) >= 2 and counted:
            last = min(4, len(rivals) + 1)
            tries["ordinal"] = [Ordinal(rank, side) for side in _SIDES for rank in range(1, last + 1)]
    found: dict[str, list[Fact | None]] = {}
    for kind, facts in tries.items():
        fitting = [
            fact
            for fact in facts
            if allowed(fact, style) and judge.holds(fact, target) and judge.only(Form(item.noun, (fact,)), target)
        ]
        if fitting:
            found[kind] = list(fitting)
    return found


def extras(judge: Judge, target: int, core: Fact | None, style: str) -> list[Fact]:
    """Facts that may be said besides the core: they hold of the target, and would not tell it from its like.

    Returns:
        Facts that may be said alone or together: whatever is chosen of them fits another object of the noun too.
    """
    item = judge.layout.objects[target]
    rivals = same_noun(judge.layout, target)
    candidates: list[Fact] = [Colour(item.colour), Size(item.size)]
    if style == "refcocog":
        candidates += relations_of(judge, target)
    if style != "refcoco+":
        candidates += [
            fact for fact in (Half("left"), Half("right"), Half("top"), Half("bottom")) if judge.holds(fact, target)
        ]
    if isinstance(core, Size | Extent):
        candidates = [
            fact for fact in candidates if not (isinstance(fact, Relation) and fact.name in ("bigger", "smaller"))
        ]
    candidates = [fact for fact in candidates if fact != core and allowed(fact, style)]
    if not rivals:
        return candidates
    best: list[Fact] = []
    for rival in rivals:
        shared = [fact for fact in candidates if judge.holds(fact, rival)]
        if len(shared) > len(best):
            best = shared
    return best
