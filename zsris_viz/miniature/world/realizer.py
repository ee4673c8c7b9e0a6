"""Wording of the facts of one expression: the words before the noun, those after it, and their order."""

from __future__ import annotations

import numpy as np

from zsris_viz.miniature.world.phrases import (
    bare_place,
    chance,
    closest_phrase,
    clothes_phrase,
    corner_phrase,
    described,
    extreme_word,
    far_phrase,
    from_phrase,
    half_phrase,
    in_picture,
    joined,
    participle,
    pick,
    rank_word,
    relation_phrase,
    relative_clause,
    size_word,
    wearing_clause,
    with_article,
)
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
from zsris_viz.miniature.world.trees import Word, adjective, noun
from zsris_viz.miniature.world.words import DIRECTIONS

#: Order of what stands before a noun: number in a row, place, size, colour, and what people wear.
_ORDINAL, _PLACE, _SIZE, _COLOUR, _CLOTHES = range(5)

#: Distance of a centre from the edge up to which it stands on the "far" left.
_FAR = 0.3


class ExpressionBuilder:
    """Build an expression from facts.

    Args:
        semantics: Truth of facts in the scene.
        target: Index of the object.
        name: The noun or synonym to use.
        style: "refcoco", "refcoco+" or "refcocog".
        rng: Source of randomness.
    """

    def __init__(self, semantics: SceneSemantics, target: int, name: str, style: str, rng: np.random.Generator) -> None:
        self._semantics = semantics
        self._target = target
        self._item = semantics.layout.objects[target]
        self._name = name
        self._rng = rng
        self._style = style
        self._long = style == "refcocog"
        self._before: list[tuple[int, Word]] = []
        self._after: list[Word] = []
        self._places: list[Word] = []
        self._clause: Word | None = None
        self._definite = False
        self._ordinal = False
        #: The noun phrase of the other object, once a relation has been added.
        self.relation_object: str | None = None

    def add_fact(self, fact: Fact) -> bool:
        """Add a fact to the expression; return False if it does not fit what is already there."""
        if isinstance(fact, Colour):
            return self._add_colour(fact)
        if isinstance(fact, Size):
            return self._add_size(fact)
        if isinstance(fact, Extent):
            self._definite = True
            of_two = len(same_noun(self._semantics.layout, self._target)) == 1
            self._before.append((_SIZE, extreme_word(fact.value, self._rng, of_two=of_two)))
            return True
        if isinstance(fact, Ordinal):
            self._add_ordinal(fact)
            return True
        if isinstance(fact, Relation | Closest):
            return self._add_relation(fact)
        return self._add_place(fact)

    def _bare(self) -> bool:
        """Return whether nothing follows the noun yet, so that words without a preposition cannot be misread."""
        return not (self._after or self._places or self._clause)

    def _add_colour(self, fact: Colour) -> bool:
        rng = self._rng
        if self._item.is_person:
            if self._long and chance(rng, 0.25):
                self._clause = wearing_clause(self._item, rng)
            elif self._style == "refcoco" and not self._ordinal and chance(rng, 0.08):
                worn = noun(str(self._item.clothes), "compound").before(adjective(fact.value))
                self._before.append((_CLOTHES, worn))
            else:
                self._after.append(clothes_phrase(self._item, rng, long=self._long, plain=not self._bare()))
        elif self._ordinal or (self._long and chance(rng, 0.12)):
            # "the second red dog" would count red dogs only, so here the colour comes after the noun.
            if not self._long:
                return False
            self._clause = relative_clause(self._item.noun, adjective(fact.value), rng)
        else:
            self._before.append((_COLOUR, adjective(fact.value)))
        return True

    def _add_size(self, fact: Size) -> bool:
        word = adjective(size_word(fact.value, self._rng))
        if any(order == _SIZE for order, _ in self._before):
            return False
        if self._ordinal or (self._long and not self._clause and chance(self._rng, 0.12)):
            if self._clause or not self._long:
                return False
            self._clause = relative_clause(self._item.noun, word, self._rng)
        else:
            self._before.append((_SIZE, word))
        return True

    def _add_ordinal(self, fact: Ordinal) -> None:
        self._definite = self._ordinal = True
        self._before.append((_ORDINAL, adjective(rank_word(fact.rank, self._rng, long=self._long))))
        self._after.append(from_phrase(fact.side, self._rng, long=self._long))

    def _add_place(self, fact: Half | Corner | Outermost) -> bool:
        rng = self._rng
        if self._clause and not self._item.is_person:
            return False
        if self._ordinal or self._places or any(order == _PLACE for order, _ in self._before):
            return False
        self._definite = True
        if isinstance(fact, Half):
            if not self._long and self._bare() and fact.value in ("left", "right") and chance(rng, 0.2):
                self._places.append(bare_place(fact.value))
            else:
                self._places.append(half_phrase(fact.value, rng, long=self._long))
        elif isinstance(fact, Corner):
            self._add_corner(fact)
        elif self._long or chance(rng, 0.15):
            far = fact.value in ("left", "right") and self._semantics.along(fact.value, self._target) < _FAR
            if far and not self._long and self._bare() and chance(rng, 0.5):
                self._places.append(bare_place(f"far {fact.value}"))
            elif far:
                self._places.append(far_phrase(fact.value, rng, long=self._long))
            elif self._long and fact.value == "middle":
                self._places.append(half_phrase(fact.value, rng, long=True))
            else:
                self._add_outermost(fact.value)
        else:
            self._add_outermost(fact.value)
        return True

    def _add_outermost(self, direction: str) -> None:
        """Add "left" or "leftmost" before the noun; only "leftmost" if others of the noun are on the left too."""
        words = DIRECTIONS[direction]
        few = len(same_noun(self._semantics.layout, self._target)) < 2
        if (
            direction != "middle"
            and not few
            and not self._semantics.only(Form(self._item.noun, (Half(direction),)), self._target)
        ):
            word = words[-1]
        else:
            word = words[0] if chance(self._rng, 0.5) else pick(self._rng, words)
        self._before.append((_PLACE, adjective(word, cue=True)))

    def _add_corner(self, fact: Corner) -> None:
        rng = self._rng
        draw = float(rng.random())
        up = pick(rng, ("top", "upper") if fact.vertical == "top" else ("bottom", "lower"))
        if self._long or draw < 0.3:
            self._places.append(corner_phrase(fact.vertical, fact.horizontal, rng, long=self._long))
        elif draw < 0.55 and self._bare():
            self._places.append(bare_place(f"{up} {fact.horizontal}"))
        else:
            self._before += [(_PLACE, adjective(up, cue=True)), (_PLACE, adjective(fact.horizontal, cue=True))]

    def _add_relation(self, fact: Relation | Closest) -> bool:
        rng = self._rng
        if (self._ordinal and not self._long) or len(self._places) > 1:
            return False
        # After another object a clause would be taken to speak of that one: "under the other flower that is large".
        if self._clause or (self._places and self._places[0].tag not in ("IN", "RB", "JJR", "JJS")):
            return False
        form = None if fact.other is None else self._detailed(fact.other)
        obj = described(form, self._name, self._article_for(fact.other))
        phrase_words = _words(obj)
        phrase = closest_phrase(obj, rng) if isinstance(fact, Closest) else relation_phrase(fact, obj, rng)
        self._definite = self._definite or isinstance(fact, Closest)
        if self._long or (not isinstance(fact, Closest) and fact.name not in ("bigger", "smaller")):
            self._places.append(phrase)
        else:
            self._after.append(phrase)
        if self.relation_object is None:
            self.relation_object = phrase_words
        return True

    def _article_for(self, other: Form | None) -> str:
        if self._long:
            return "the" if other is None or chance(self._rng, 0.6) else "a"
        return "the" if chance(self._rng, 0.4) else ""

    def _detailed(self, other: Form) -> Form:
        """Return the other object's form, in the long style often with more of its size and colour."""
        found = self._semantics.denotes(other)
        item = self._semantics.layout.objects[next(iter(found))]
        facts = list(other.facts)
        for fact in (Size(item.size), Colour(item.colour)):
            seldom = isinstance(fact, Colour) and item.is_person
            if self._long and not seldom and fact not in facts and chance(self._rng, 0.4):
                facts.append(fact)
        return Form(other.name, tuple(facts))

    # --- putting it together ----------------------------------------------------------------------------------------

    def build(self) -> Word:
        """Return the root of the finished expression."""
        head = noun(self._name, "ROOT")
        for _, word in sorted(self._before, key=lambda entry: entry[0]):
            head.before(word)
        head.after(*self._after)
        self._add_places(head)
        return with_article(head, self._article())

    def _add_places(self, head: Word) -> None:
        rng = self._rng
        name = self._item.noun
        if not self._places:
            if self._clause:
                head.after(self._clause)
            elif self._long and not head.right and chance(rng, 0.6):
                head.after(in_picture(rng))
            return
        predicate = any(word.tag in ("JJR", "JJS") for word in self._places)
        place = self._places[0]
        for second in self._places[1:]:
            place = joined(place, second)
        draw = float(rng.random())
        if self._clause:
            head.after(participle(name, place, rng) if draw < 0.4 else place, self._clause)
        elif not self._long or (draw >= 0.75 and not predicate):
            head.after(place)
        elif draw < 0.4 or predicate:
            head.after(relative_clause(name, place, rng) if not predicate or draw < 0.7 else place)
        else:
            head.after(relative_clause(name, place, rng, moving=True) if draw < 0.55 else participle(name, place, rng))

    def _article(self) -> str:
        if self._long:
            return "the" if self._definite or chance(self._rng, 0.5) else "a"
        return "the" if chance(self._rng, 0.25 if self._style == "refcoco" else 0.4) else ""


def _words(word: Word) -> str:
    """Return the words of a phrase in a row."""
    return " ".join([*(_words(child) for child in word.left), word.text, *(_words(child) for child in word.right)])
