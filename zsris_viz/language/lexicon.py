"""Word lists for places in a picture, relations between objects, and ranks."""

from __future__ import annotations

import re


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


#: Word -> direction. "top left" is two words; intensifiers such as "far" and "very" are left out.
DIRECTIONS: dict[str, str] = {
    **dict.fromkeys(("left", "leftmost", "lefthand", "left-hand", "lefty", "leftest", "leftside"), "left"),
    **dict.fromkeys(("right", "rightmost", "righthand", "right-hand", "righty", "rightest", "rightside"), "right"),
    **dict.fromkeys(("top", "upper", "topmost", "uppermost", "highest"), "top"),
    **dict.fromkeys(("bottom", "lower", "bottommost", "lowest", "lowermost"), "bottom"),
    **dict.fromkeys(("middle", "center", "centre", "central", "centered"), "middle"),
}
VERTICAL = ("top", "bottom")
HORIZONTAL = ("left", "right")

#: Nouns for a part of the picture: "left side", "top right corner".
REGIONS = frozenset(
    _split("""
    side half corner part edge end section area portion quadrant third hand row column
""")
)
#: Nouns for the whole picture: "the left of the picture" is a direction, not a relation to another object.
PICTURES = frozenset(
    _split("""
    picture photo image pic photograph screen frame painting shot view scene page
""")
)
#: Nouns that name a place and not an object; they are never the other noun phrase of a relation.
PLACES = (
    frozenset(
        _split("""
    background foreground distance front back rear corner middle center centre side
""")
    )
    | REGIONS
    | PICTURES
)

#: Preposition -> relation.
PREPOSITIONS: dict[str, str] = {
    **dict.fromkeys(("above", "over", "atop"), "above"),
    **dict.fromkeys(("below", "under", "beneath", "underneath"), "below"),
    **dict.fromkeys(("in", "inside", "within", "into"), "inside"),
    **dict.fromkeys(("near", "beside", "by", "alongside", "against", "around", "besides"), "near"),
    **dict.fromkeys(("behind",), "behind"),
    **dict.fromkeys(("between", "among", "amongst"), "between"),
    **dict.fromkeys(("on", "onto", "upon"), "on"),
}  # fmt: skip
#: Word before "to" -> relation: "next to", "closest to".
TO_RELATIONS: dict[str, str] = dict.fromkeys(
    ("next", "close", "closer", "closest", "near", "nearer", "nearest", "adjacent"), "near"
)
#: Noun between two prepositions -> relation: "in front of", "on top of", "to the left of".
OF_RELATIONS: dict[str, str] = {
    "front": "front", "back": "behind", "rear": "behind", "top": "above", "left": "left", "right": "right",
    "bottom": "below",
}  # fmt: skip
BIGGER = frozenset(
    _split("""
    bigger larger taller longer wider higher fatter thicker heavier older greater
""")
)
SMALLER = frozenset(
    _split("""
    smaller shorter thinner littler tinier lower narrower younger slimmer lesser
""")
)

COLOURS = frozenset(
    _split("""
    red blue green yellow orange purple pink black white brown gray grey tan silver gold beige maroon teal
    turquoise navy khaki cream plaid stripes camo denim color colour
""")
)
CLOTHES = frozenset(
    _split("""
    shirt t-shirt tshirt tee coat jacket sweater hoodie hat cap dress skirt shorts pants jeans tie suit vest
    uniform jersey scarf glasses sunglasses goggles helmet gloves boots shoes sneakers socks blouse robe apron
    bikini swimsuit wetsuit sweatshirt beanie hood outfit gown tank tux tuxedo overalls headband bandana clothes
    clothing gear costume stripe sleeves leggings sandals
""")
)

_ORDINAL = re.compile(r"\d+(st|nd|rd|th)$")
_ORDINALS = frozenset(
    _split("""
    first second third fourth fifth sixth seventh eighth ninth tenth last
""")
)
_SUPERLATIVES = frozenset(
    ["leftmost", "rightmost", "topmost", "bottommost", "uppermost", "innermost", "outermost", "foremost"]
)


def is_ordinal(word: str) -> bool:
    """Return whether a lower-case word is an ordinal.

    >>> is_ordinal("2nd"), is_ordinal("third"), is_ordinal("two")
    (True, True, False)
    """
    return word in _ORDINALS or _ORDINAL.match(word) is not None


def is_superlative(word: str, tag: str) -> bool:
    """Return whether a word is a superlative, either by its tag or as a word such as "leftmost"."""
    return tag in ("JJS", "RBS") or word in _SUPERLATIVES


def comparison(word: str) -> str | None:
    """Return "bigger" or "smaller" for a comparative of size, else None."""
    return "bigger" if word in BIGGER else "smaller" if word in SMALLER else None
