"""The wordings of each fact, as words with their dependency arcs; the grammar decides which facts are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from zsris_viz.miniature.world.layout import SceneObject
from zsris_viz.miniature.world.semantics import Colour, Form, Relation, Size
from zsris_viz.miniature.world.trees import (
    Word,
    adjective,
    adverb,
    comparative,
    determiner,
    noun,
    preposition,
    superlative,
    verb,
)
from zsris_viz.miniature.world.words import ANIMALS, PEOPLE, SIZES, VEHICLES

T = TypeVar("T")

_RANK_WORDS = {1: ("first", "1st"), 2: ("second", "2nd"), 3: ("third", "3rd"), 4: ("fourth", "4th")}
_PICTURE = ("picture", "photo", "image")
_VOWELS = "aeiou"


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Return one of the options, drawn uniformly."""
    return options[int(rng.integers(len(options)))]


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Return True with the given probability."""
    return bool(rng.random() < probability)


def with_article(head: Word, article: str) -> Word:
    """Put "the", "a" or nothing ("") before all words to the left of a noun; "a" becomes "an" before a vowel."""
    if article == "a":
        following = head
        while following.left:
            following = following.left[0]
        article = "an" if following.text[0] in _VOWELS else "a"
    if article:
        head.left.insert(0, determiner(article))
    return head


# --- places in the picture -----------------------------------------------------------------------------------------


def _of_picture(rng: np.random.Generator) -> Word:
    return preposition("of", with_article(noun(pick(rng, _PICTURE), "pobj"), "the"))


def in_picture(rng: np.random.Generator) -> Word:
    """Return words such as "in the picture"."""
    return preposition("in", with_article(noun(pick(rng, _PICTURE), "pobj"), "the"))


def half_phrase(direction: str, rng: np.random.Generator, *, long: bool) -> Word:
    """Return words such as "on left", "at the top", "on the left side of the picture"."""
    article = "the" if long or chance(rng, 0.5) else ""
    if direction == "middle":
        word = noun(pick(rng, ("middle", "center")), "pobj")
        phrase = preposition("in", with_article(word, article))
        if long:
            word.after(_of_picture(rng))
        return phrase
    vertical = direction in ("top", "bottom")
    if chance(rng, 0.55 if vertical else 0.4):
        word = noun(direction, "pobj")
        phrase = preposition("at" if vertical else "on", with_article(word, article))
    else:
        word = noun("half" if chance(rng, 0.3) else "side", "pobj").before(adjective(direction, cue=True))
        if vertical:
            word.text = pick(rng, ("part", "half"))
        phrase = preposition("on" if word.text == "side" else "in", with_article(word, article))
    if long:
        word.after(_of_picture(rng))
    return phrase


def corner_phrase(vertical: str, horizontal: str, rng: np.random.Generator, *, long: bool) -> Word:
    """Return words such as "in top left", "in the bottom right corner of the image"."""
    up = pick(rng, ("upper", "top") if vertical == "top" else ("lower", "bottom"))
    article = "the" if long or chance(rng, 0.5) else ""
    if long or chance(rng, 0.5):
        word = noun("corner", "pobj").before(adjective(up, cue=True), adjective(horizontal, cue=True))
    else:
        word = noun(horizontal, "pobj").before(adjective(up, cue=True))
    phrase = preposition("in" if word.text == "corner" else pick(rng, ("in", "at", "on")), with_article(word, article))
    if long:
        word.after(_of_picture(rng))
    return phrase


def bare_place(direction: str) -> Word:
    """Return words such as "(cat) left", "(cup) bottom right", "(bird) far left" without a preposition."""
    *before, last = direction.split()
    word = noun(last, "npadvmod")
    word.cue = True
    for text in before:
        word.before(adverb(text) if text == "far" else adjective(text, cue=True))
    return word


def far_phrase(direction: str, rng: np.random.Generator, *, long: bool) -> Word:
    """Return words such as "on far left", "on the far left of the picture"."""
    word = noun(direction, "pobj").before(adjective("far"))
    phrase = preposition("on", with_article(word, "the" if long or chance(rng, 0.4) else ""))
    if long:
        word.after(_of_picture(rng))
    return phrase


# --- rows, sizes, colours ------------------------------------------------------------------------------------------


def rank_word(rank: int, rng: np.random.Generator, *, long: bool) -> str:
    """Return words such as "second" or, in short styles, "2nd"."""
    return _RANK_WORDS[rank][0] if long else pick(rng, _RANK_WORDS[rank])


def from_phrase(side: str, rng: np.random.Generator, *, long: bool) -> Word:
    """Return words such as "from left", "from the right side of the picture"."""
    article = "the" if long or chance(rng, 0.5) else ""
    if long and chance(rng, 0.2):
        word = noun("side", "pobj").before(adjective(side, cue=True)).after(_of_picture(rng))
    else:
        word = noun(side, "pobj")
    phrase = preposition("from", with_article(word, article))
    return verb("counting", "VBG", "acl", [phrase]) if long and chance(rng, 0.25) else phrase


def extreme_word(size: str, rng: np.random.Generator, *, of_two: bool) -> Word:
    """Return words such as "biggest", or "bigger" where there are two."""
    if of_two and chance(rng, 0.5):
        return comparative(pick(rng, ("bigger", "larger")) if size == "big" else "smaller")
    return superlative(pick(rng, ("biggest", "largest")) if size == "big" else "smallest")


def clothes_phrase(item: SceneObject, rng: np.random.Generator, *, long: bool, plain: bool) -> Word:
    """Return words such as "in red", "in a blue shirt", "wearing a pink coat", "(guy) red shirt".

    Args:
        item: A person.
        rng: Source of randomness.
        long: Whether articles are used.
        plain: Whether the form without a preposition, "(guy) red shirt", is excluded.
    """
    assert item.clothes is not None
    colour_alone = chance(rng, 0.25 if long else 0.4)
    if not colour_alone and not long and not plain and chance(rng, 0.3):
        return noun(item.clothes, "appos").before(adjective(item.colour))
    worn = noun(item.colour, "pobj") if colour_alone else noun(item.clothes, "pobj").before(adjective(item.colour))
    if not colour_alone:
        with_article(worn, "a" if long or chance(rng, 0.5) else "")
    draw = float(rng.random())
    if draw < 0.5:
        return preposition("in", worn)
    if draw < 0.65:
        return verb("dressed", "VBN", "acl", [preposition("in", worn)])
    if draw < 0.75 and not colour_alone:
        return preposition("with", worn)
    worn.dep = "dobj"
    return verb("wearing", "VBG", "acl", [worn])


# --- other objects -------------------------------------------------------------------------------------------------


def described(form: Form | None, name: str, article: str) -> Word:
    """Return the noun phrase of a form with sizes and colours only; None is "the other" object of the noun `name`."""
    if form is None:
        return with_article(noun(name, "pobj").before(adjective("other")), article and "the")
    word = noun(form.name, "pobj")
    for kind in (Size, Colour):
        for fact in form.facts:
            if isinstance(fact, kind):
                word.before(adjective(fact.value))
    return with_article(word, article)


def relation_phrase(fact: Relation, obj: Word, rng: np.random.Generator) -> Word:
    """Return words such as "next to OBJ", "left of OBJ", "on the right side of OBJ", "above OBJ", "bigger than OBJ"."""
    if fact.name in ("bigger", "smaller"):
        word = comparative(pick(rng, ("bigger", "larger")) if fact.name == "bigger" else "smaller")
        return word.after(preposition("than", obj))
    if fact.name == "near":
        chosen = pick(rng, ("next to", "near", "beside", "by"))
        if chosen == "next to":
            return adverb("next", cue=True).after(preposition("to", obj))
        return preposition(chosen, obj)
    if fact.name in ("above", "below"):
        return preposition(pick(rng, ("above", "over") if fact.name == "above" else ("below", "under", "beneath")), obj)
    draw = float(rng.random())
    of = preposition("of", obj)
    if draw < 0.4:
        return adverb(fact.name, cue=True).after(of)
    if draw < 0.8:
        return preposition("to", with_article(noun(fact.name, "pobj"), "the").after(of))
    return preposition("on", with_article(noun("side", "pobj").before(adjective(fact.name, cue=True)), "the").after(of))


def closest_phrase(obj: Word, rng: np.random.Generator) -> Word:
    """Return words such as "closest to OBJ"."""
    return superlative(pick(rng, ("closest", "nearest"))).after(preposition("to", obj))


# --- clauses -------------------------------------------------------------------------------------------------------


def posture(name: str, rng: np.random.Generator) -> tuple[str, str]:
    """Return a participle that suits a noun, and its tag."""
    if name in PEOPLE:
        return "standing", "VBG"
    if name in ANIMALS:
        return (pick(rng, ("sitting", "standing")), "VBG") if name in ("cat", "dog") else ("seen", "VBN")
    if name in VEHICLES and name != "boat" and chance(rng, 0.5):
        return "parked", "VBN"
    return pick(rng, ("placed", "located", "shown")), "VBN"


def participle(name: str, place: Word, rng: np.random.Generator) -> Word:
    """Return words such as "standing PLACE", "parked PLACE"."""
    text, tag = posture(name, rng)
    return verb(text, tag, "acl", [place])


def relative_clause(name: str, complement: Word, rng: np.random.Generator, *, moving: bool = False) -> Word:
    """Return words such as "that is COMPLEMENT", "who is standing PLACE".

    Args:
        name: The plain noun of the object; people are "who".
        complement: An adjective, preposition or adverb with its dependents.
        rng: Source of randomness.
        moving: Put a participle between "is" and a place.
    """
    person = name in PEOPLE
    # "That" would be taken to speak of the shirt in "the boy with a yellow shirt that is standing on the left".
    subject = "who" if person else pick(rng, ("that", "which"))
    relative = Word(subject, "WP" if subject == "who" else "WDT", "PRON", "nsubj")
    if moving:
        text, tag = posture(name, rng)
        passive = tag == "VBN"
        relative.dep = "nsubjpass" if passive else "nsubj"
        be = verb("is", "VBZ", "auxpass" if passive else "aux")
        return verb(text, tag, "relcl", [complement]).before(relative, be)
    complement.dep = "acomp" if complement.pos == "ADJ" else complement.dep
    return verb("is", "VBZ", "relcl", [complement]).before(relative)


def wearing_clause(item: SceneObject, rng: np.random.Generator) -> Word:
    """Return words such as "who is wearing a red coat"."""
    worn = with_article(noun(item.clothes or "shirt", "dobj").before(adjective(item.colour)), "a")
    subject = Word("who", "WP", "PRON", "nsubj")
    return verb("wearing", "VBG", "relcl", [worn]).before(subject, verb("is", "VBZ", "aux"))


def joined(first: Word, second: Word) -> Word:
    """Return words such as "FIRST and SECOND" of two places."""
    second.dep = "conj"
    return first.after(Word("and", "CC", "CCONJ", "cc"), second)


def size_word(size: str, rng: np.random.Generator) -> str:
    """Return words such as "small" or "little", "big" or "large"."""
    return pick(rng, SIZES[size])
