"""Random noun phrases, and words that may follow a noun, for :mod:`zsris_viz.miniature.training.fragments`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zsris_viz.miniature.training import fragment_vocabulary as words
from zsris_viz.miniature.world.phrases import chance, pick, with_article
from zsris_viz.miniature.world.trees import Word as Node
from zsris_viz.miniature.world.trees import adjective, adverb, comparative, noun, superlative, verb

SIDES = ("left", "right")
HALVES = ("top", "bottom", "upper", "lower")
_PARTS = ("side", "half", "corner", "edge", "end")


class FragmentParts:
    """Makes parts at random, all with gold arcs.

    Args:
        seed: the same seed gives the same parts.
        open_nouns: further singular nouns, taken for one thing in five.
    """

    def __init__(self, seed: int, open_nouns: Sequence[str] = ()) -> None:
        self.rng = np.random.default_rng(seed)
        self.open_nouns = tuple(open_nouns)

    def pick(self, options: Sequence[str]) -> str:
        """Return one of the options."""
        return pick(self.rng, options)

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return chance(self.rng, probability)

    # --- noun phrases
    # -------------------------------------------------------------------------------------------------------

    def object_noun(self, dep: str = "ROOT", *, person: bool | None = None) -> Node:
        """Return a bare noun."""
        if person is None:
            person = self.chance(0.4)
        if person:
            return noun(self.pick(words.PEOPLE), dep)
        if self.chance(0.12):
            return noun(self.pick(words.PLURALS), dep, plural=True)
        if self.open_nouns and self.chance(0.2):
            return noun(self.pick(self.open_nouns), dep)
        return noun(self.pick(self.pick_group()), dep)

    def pick_group(self) -> tuple[str, ...]:
        """Return one of the lists of nouns."""
        return pick(self.rng, (words.ANIMALS, words.VEHICLES, words.FOOD, words.THINGS, words.THINGS, words.PARTS))

    def appearance(self) -> Node:
        """Return an adjective before a noun, sometimes with its own adverb: "half eaten", "light blue"."""
        draw = float(self.rng.random())
        if draw < 0.5:
            colour = adjective(self.pick(words.COLOURS))
            return colour.before(adjective(self.pick(("light", "dark", "bright")))) if self.chance(0.12) else colour
        if draw < 0.62:
            return Node(self.pick(words.PRENOMINAL_PARTICIPLES), "VBN", "VERB", "amod").before(
                adverb(self.pick(words.DEGREES))
            )
        return adjective(self.pick(words.APPEARANCE))

    def phrase(
        self, dep: str = "ROOT", *, person: bool | None = None, rich: float = 0.5, article: float = 0.35
    ) -> Node:
        """Return a noun with the words that may stand before it."""
        head = self.object_noun(dep, person=person)
        if self.chance(0.1) and dep == "ROOT":
            head = noun(self.pick(("one", "one", "ones")), dep)
        if self.chance(rich * 0.2):
            head.before(self.predict())
        if self.chance(rich):
            head.before(self.appearance())
        if self.chance(rich * 0.2):
            head.before(self.appearance())
        if self.chance(0.05):
            colours = adjective(self.pick(words.COLOURS))
            other = adjective(self.pick(words.COLOURS), "conj")
            head.before(colours.after(Node("and", "CC", "CCONJ", "cc"), other))
        if self.chance(0.14):
            head.before(noun(self.pick(words.COMPOUNDS), "compound"))
        return self.articled(head, article)

    def articled(self, head: Node, share: float) -> Node:
        """Return the phrase, sometimes with an article, a possessive or a number."""
        if not self.chance(share):
            if self.chance(0.06):
                head.left.insert(0, Node(self.pick(("two", "three", "2", "one")), "CD", "NUM", "nummod"))
            return head
        if self.chance(0.1):
            if self.chance(0.5):
                head.left.insert(0, Node(self.pick(("his", "her", "their", "its")), "PRP$", "PRON", "poss"))
            else:
                head.left.insert(
                    0, Node(self.pick(("that", "this", "another", "no", "all", "just")), "DT", "DET", "det")
                )
            return head
        return with_article(head, self.pick(("the", "the", "a")))

    def predict(self) -> Node:
        """Return a rank, a superlative or a place: "second", "biggest", "taller", "left", "far left", "front"."""
        draw = float(self.rng.random())
        if draw < 0.2:
            return adjective(self.pick(words.ORDINALS))
        if draw < 0.38:
            return superlative(self.pick(words.SUPERLATIVES))
        if draw < 0.48:
            return comparative(self.pick(words.COMPARATIVES))
        if draw < 0.6:
            return adjective(self.pick(("front", "back", "middle", "center", "rear", "central")))
        if draw < 0.75:
            side = adjective(self.pick((*SIDES, *HALVES)))
            return side.before(adverb(self.pick(("far", "very", "most")))) if self.chance(0.6) else side
        return adjective(self.pick((*SIDES, *SIDES, *HALVES, "leftmost", "rightmost", "topmost")))

    # --- what follows a noun
    # ------------------------------------------------------------------------------------------------

    def prep(self, text: str, obj: Node, dep: str = "prep") -> Node:
        """Return a preposition with its object."""
        obj.dep = "pobj"
        return Node(text, "IN", "ADP", dep, right=[obj])

    def worn(self, dep: str, article: float = 0.3) -> Node:
        """Return a piece of clothing, mostly with its colour."""
        piece = self.pick(words.CLOTHES)
        plural = piece.endswith("s") and piece not in ("dress", "glass")
        head = noun(piece, dep, plural=plural)
        for _ in range(1 + int(self.chance(0.2))):
            if self.chance(0.8):
                head.before(adjective(self.pick(words.COLOURS)) if self.chance(0.7) else self.appearance())
        return head if plural else self.articled(head, article)

    def bare_place(self) -> Node:
        """Return a place without preposition: "(man) left", "(cup) bottom right", "(girl) far left"."""
        word = noun(self.pick((*SIDES, *SIDES, "top", "bottom", "middle", "center", "front", "back")), "npadvmod")
        if self.chance(0.25) and word.text in SIDES:
            word.before(adjective(self.pick(HALVES)))
        elif self.chance(0.2):
            word.before(adverb("far"))
        elif self.chance(0.2):
            return noun(self.pick(_PARTS), "npadvmod").before(adjective(self.pick((*SIDES, "top", "bottom"))))
        return word

    def place(self) -> Node:
        """Return a place: "on left", "in the back", "at the top right corner", "on the far left side"."""
        draw = float(self.rng.random())
        if draw < 0.5:
            word = noun(self.pick((*SIDES, *SIDES, "top", "bottom", "end", "side")), "pobj")
            if word.text in SIDES and self.chance(0.3):
                word.before(adjective(self.pick(("far", "back", "front", *HALVES))))
            text = self.pick(("on", "on", "at", "to", "in"))
        elif draw < 0.7:
            word = noun(self.pick(_PARTS), "pobj").before(adjective(self.pick((*SIDES, *HALVES, "far", "back"))))
            if self.chance(0.2):
                word.before(adjective(self.pick(SIDES)))
            text = self.pick(("on", "in", "at"))
        else:
            word = noun(self.pick(words.PLACES), "pobj")
            text = self.pick(("in", "in", "on", "at"))
        self.articled(word, 0.5) if self.chance(0.9) else with_article(word, "the")
        if self.chance(0.08):
            word.after(
                self.prep(
                    "of",
                    with_article(
                        noun(self.pick(("picture", "photo", "screen", "frame", "table", "row")), "pobj"), "the"
                    ),
                )
            )
        found = self.prep(text, word)
        return found.before(adverb(self.pick(("just", "all", "way")))) if self.chance(0.03) else found

    def clothing(self) -> Node:
        """Return clothing: "in blue", "in a red shirt", "with hat", "with his arms crossed", "wearing glasses"."""
        draw = float(self.rng.random())
        if draw < 0.2:
            return self.prep("in", noun(self.pick(words.COLOURS), "pobj"))
        if draw < 0.55:
            return self.prep(self.pick(("in", "with")), self.worn("pobj"))
        if draw < 0.8:
            garment = self.phrase("pobj", person=False, rich=0.4)
            if self.chance(0.12):
                garment.after(adverb(self.pick(("up", "down", "on", "off", "out"))))
            elif self.chance(0.12):
                garment.after(
                    verb(self.pick(("crossed", "raised", "folded", "showing", "facing", "cut")), "VBN", "acl")
                )
            return self.prep("with", garment)
        wearing = verb("wearing", "VBG", "acl", [self.worn("dobj")])
        return wearing.before(Node("not", "RB", "PART", "neg")) if self.chance(0.05) else wearing

    def relation(self) -> Node:
        """Return a relation: "behind the couch", "next to lamp", "to the left of the man", "bigger than the other"."""
        other = self.phrase("pobj", rich=0.3, article=0.6)
        if self.chance(0.1):
            other = Node(self.pick(("us", "me", "you", "him", "her", "them", "it")), "PRP", "PRON", "pobj")
        draw = float(self.rng.random())
        if draw < 0.45:
            if self.chance(0.08):
                other.after(Node("and", "CC", "CCONJ", "cc"), self.phrase("conj", rich=0.3))
                return self.prep("between", other)
            return self.prep(self.pick(words.SPATIAL), other)
        if draw < 0.6:
            return adverb(self.pick(("next", "next", "close"))).after(self.prep("to", other))
        if draw < 0.72:
            inner = noun(self.pick(("front", "back", "top")), "pobj").after(self.prep("of", other))
            return self.prep("on" if inner.text == "top" else "in", inner)
        if draw < 0.82:
            if self.chance(0.5):
                return adverb(self.pick(SIDES)).after(self.prep("of", other))
            return self.prep(
                self.pick(("to", "on")),
                with_article(noun(self.pick(SIDES), "pobj"), "the").after(self.prep("of", other)),
            )
        if draw < 0.92:
            return superlative(self.pick(("closest", "nearest", "farthest"))).after(
                self.prep(self.pick(("to", "to", "from")), other)
            )
        return comparative(self.pick(words.COMPARATIVES)).after(self.prep("than", other))

    def action(self, dep: str = "acl") -> Node:
        """Return an action: "eating pizza", "lying on the floor", "looking at camera", "parked behind the truck"."""
        draw = float(self.rng.random())
        if draw < 0.38:
            obj = self.phrase("dobj", rich=0.3)
            if self.chance(0.15):
                obj = Node(self.pick(("us", "me", "camera", "it")), "PRP", "PRON", "dobj")
                obj = noun("camera", "dobj") if obj.text == "camera" else obj
            done = verb(self.pick(words.TRANSITIVE), "VBG", dep, [obj])
            if self.chance(0.25):
                done.after(self.prep(self.pick(("in", "with", "on")), self.phrase("pobj", person=False, rich=0.2)))
        elif draw < 0.78:
            done = verb(self.pick(words.INTRANSITIVE), "VBG", dep)
            if self.chance(0.4):
                done.after(adverb(self.pick(words.PARTICLES)))
            if self.chance(0.6):
                done.after(
                    self.place()
                    if self.chance(0.3)
                    else self.prep(self.pick((*words.SPATIAL, "at", "at", "to")), self.phrase("pobj", rich=0.3))
                )
        elif draw < 0.96:
            text = self.pick(words.PARTICIPLES)
            done = verb(text, "VBN", dep)
            if self.chance(0.85):
                done.after(self.prep(self.pick((*words.SPATIAL, "with", "by", "to")), self.phrase("pobj", rich=0.3)))
        else:
            done = verb(self.pick(words.PARTICIPLES), "VBN", dep).before(Node("being", "VBG", "AUX", "auxpass"))
        return done
