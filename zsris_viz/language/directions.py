"""Rules for the words that state the place of the referent in the image, for the spatial rectifier of TAS."""

from __future__ import annotations

from zsris_viz.language.lexicon import DIRECTIONS, HORIZONTAL, PICTURES, REGIONS, VERTICAL
from zsris_viz.language.tree import Tree

_PLACING = frozenset(("on", "in", "at", "to", "toward", "towards", "near", "along"))
_MODIFIERS = frozenset(
    (
        "amod",
        "advmod",
        "npadvmod",
        "compound",
        "nmod",
        "prep",
        "pobj",
        "acl",
        "relcl",
        "conj",
        "appos",
        "acomp",
        "attr",
        "dep",
        "det",
        "xcomp",
    )
)


def direction_words(tree: Tree, head: int) -> list[int]:
    """Return the direction words among the modifiers of the head noun, in order.

    They stand before the noun ("top left pizza"), after it ("man far left"), or as the object of a preposition of place
    ("on the left side of the picture"), also after a participle or a clause ("sitting on the left"). A direction is
    left out if objects are counted from it ("second from left") or if it is relative to another object ("left of the
    bus", "the bus's left wheel").
    """
    return [index for index in range(len(tree)) if tree.word(index) in DIRECTIONS and _places_head(tree, index, head)]


def _places_head(tree: Tree, index: int, head: int) -> bool:
    if _towards_a_thing(tree, index):
        return False
    path = tree.path(index)
    if head in path:
        steps = path[: path.index(head)]
    elif (
        path[-1] == tree.path(head)[-1]
    ):  # "the cup is on the left": through the root, of which the head is the subject
        steps = path[:-1] if tree[path[-1]].pos in ("VERB", "AUX") else path
        if path[-1] == index:
            return False
    else:
        return False
    if index != head and index < head and tree[index].head == head and tree[index].dep == "nsubj":
        return False
    for step, below in zip(steps, [None, *steps], strict=False):
        token = tree[step]
        if token.dep not in _MODIFIERS and token.dep != "ROOT":
            return False
        prep = token.dep == "prep" or (token.pos == "ADP" and token.dep in ("ROOT", "conj"))
        if prep and tree.word(step) not in _PLACING:
            return False
        if token.dep == "pobj" and below is None:
            continue
        if (
            token.dep == "pobj" and tree.word(step) not in REGIONS and tree.word(step) not in DIRECTIONS
        ):  # "on the left track"
            return False
    return True


def _towards_a_thing(tree: Tree, index: int) -> bool:
    """Return whether "of" or "from" and another object follow, as in "left of the bus"."""
    places = [index]
    if tree.word(tree[index].head) in REGIONS and tree[index].dep in ("amod", "compound", "nmod", "advmod"):
        places.append(tree[index].head)
    for place in places:
        for child in tree.children(place):
            if child > place and tree[child].dep == "prep" and tree.word(child) in ("of", "from"):
                inner = tree.child(child, "pobj", "pcomp")
                if inner is not None and tree.word(inner) not in PICTURES:
                    return True
    return False


def direction_of(tree: Tree, words: list[int]) -> str | None:
    """Return the name of the direction words: "left", "top", "middle", or two directions such as "top left".

    The result is None without direction words. If two words belong to the same axis, the first one counts; "middle"
    counts only if there is no other direction.
    """
    named = [DIRECTIONS[tree.word(index)] for index in words]
    vertical = next((name for name in named if name in VERTICAL), None)
    horizontal = next((name for name in named if name in HORIZONTAL), None)
    both = [name for name in (vertical, horizontal) if name]
    return " ".join(both) if both else "middle" if "middle" in named else None
