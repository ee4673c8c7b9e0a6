"""Every word of the drawn world: what is drawn, how it is named, and which words are synonyms.

The grammar, the captions on which the miniature models are trained, and their tokenizer take all their words from
this module, so that the miniature CLIP knows every word of the benchmark.
"""

from __future__ import annotations

PEOPLE = ("man", "woman", "boy", "girl")
ANIMALS = ("cat", "dog", "bird", "fish")
VEHICLES = ("car", "bus", "truck", "boat")
FOOD = ("apple", "banana")
VESSELS = ("cup", "mug", "bottle")
FURNITURE = ("chair", "table", "lamp")
OUTDOOR = ("tree", "flower", "house")
TOYS = ("ball", "book", "umbrella")

NOUNS: tuple[str, ...] = (*PEOPLE, *ANIMALS, *VEHICLES, *FOOD, *VESSELS, *FURNITURE, *OUTDOOR, *TOYS)

#: Other words for the same noun; WordNet holds each pair close. Only unambiguous within the world.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "man": ("guy",),
    "woman": ("lady",),
    "boy": ("kid",),
    "car": ("auto",),
    "boat": ("ship",),
    "dog": ("puppy",),
    "cat": ("kitten",),
}

#: A reader may take "kid" for a girl, so an expression uses it only if no girl is visible.
AMBIGUOUS: dict[str, tuple[str, ...]] = {"kid": ("girl",)}

PLURALS: dict[str, str] = {
    "man": "men", "woman": "women", "fish": "fish", "bus": "buses",
}  # fmt: skip

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 39, 40),
    "orange": (255, 140, 20),
    "yellow": (250, 220, 40),
    "green": (50, 160, 60),
    "blue": (40, 90, 210),
    "purple": (135, 65, 175),
    "pink": (245, 135, 190),
    "black": (40, 40, 45),
}

CLOTHES = ("shirt", "coat")

#: Words for the two sizes in which everything is drawn.
SIZES: dict[str, tuple[str, ...]] = {"small": ("small", "little"), "big": ("big", "large")}

#: Words for the four halves of the picture. The first is the name that `direction` carries.
DIRECTIONS: dict[str, tuple[str, ...]] = {
    "left": ("left", "leftmost"),
    "right": ("right", "rightmost"),
    "top": ("top", "upper", "topmost"),
    "bottom": ("bottom", "lower", "bottommost"),
    "middle": ("middle", "center", "central"),
}

#: Relations between two objects by their centres and sizes: name, then its wordings.
RELATIONS: dict[str, tuple[str, ...]] = {
    "left": ("left of", "to the left of", "on the left side of"),
    "right": ("right of", "to the right of", "on the right side of"),
    "above": ("above", "over"),
    "below": ("below", "under", "beneath"),
    "bigger": ("bigger than", "larger than"),
    "smaller": ("smaller than",),
    "near": ("next to", "near", "beside", "by"),
}

ORDINALS = ("first", "second", "third", "fourth", "1st", "2nd", "3rd", "4th")
SUPERLATIVES = ("biggest", "largest", "smallest")

#: A word added here is new to the shipped miniatures: their tokenizer spells it until they are trained again.
_FUNCTION_TEXT = """
    a an the of in on at with and to from is are that which who it there than side corner half part picture photo
    image one two three four five six other only wearing dressed standing sitting lying placed shown seen located
    most color colored size sized clothes person people thing object objects closest nearest farthest between behind
    front far very not no both couple group scene drawing background foreground hand while has looks he she its his
    her also facing edge down up high low tiny huge tall short this some row line counting but parked
"""
FUNCTION_WORDS = tuple(_FUNCTION_TEXT.split())


def plural(noun: str) -> str:
    """Return the plural of a noun of this world.

    >>> plural("woman"), plural("cat")
    ('women', 'cats')
    """
    if noun in PLURALS:
        return PLURALS[noun]
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def names_of(noun: str) -> tuple[str, ...]:
    """Return the noun and its synonyms, the plain name first."""
    return (noun, *SYNONYMS.get(noun, ()))


def vocabulary() -> tuple[str, ...]:
    """Return every word that the grammar and the captions may use, sorted and without repeats."""
    words: set[str] = set(FUNCTION_WORDS) | set(COLOURS) | set(CLOTHES) | set(ORDINALS) | set(SUPERLATIVES)
    for noun in NOUNS:
        for name in names_of(noun):
            words |= {name, plural(name)}
    for group in (SIZES, DIRECTIONS, RELATIONS):
        for phrases in group.values():
            for phrase in phrases:
                words |= set(phrase.split())
    return tuple(sorted(words))
