"""Referring fragments as people type them, made from templates, with gold trees: "2nd from right", "guy
red shirt".

A parser that knows only edited text takes "left guy red shirt" for a clause. These templates cover the ways in which
players of a referring game leave words out; their nouns are open (:mod:`.fragment_vocabulary`, plus any
that the caller adds), so that what is learnt is the pattern. Labels and heads follow
:mod:`zsris_viz.miniature.world.trees`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from zsris_viz.miniature.training import fragment_vocabulary as words
from zsris_viz.miniature.training.fragment_grammar import HALVES, SIDES, FragmentParts
from zsris_viz.miniature.training.ud_to_clear import UdWord
from zsris_viz.miniature.world.phrases import with_article
from zsris_viz.miniature.world.trees import GoldTree, adjective, comparative, flatten, noun, superlative, verb
from zsris_viz.miniature.world.trees import Word as Node


def from_gold_tree(tree: GoldTree) -> list[UdWord]:
    """Return a gold tree as a training sentence; lemmas stay empty, which stands for "not annotated"."""
    rows = zip(tree.words, tree.pos, tree.tags, tree.heads, tree.deps, strict=True)
    return [UdWord(text, "", pos, tag, head, dep) for text, pos, tag, head, dep in rows]


class FragmentMaker(FragmentParts):
    """Makes fragments at random.

    Args:
        seed: the same seed gives the same fragments.
        open_nouns: further singular nouns, taken for one thing in five.
    """

    def __init__(self, seed: int, open_nouns: Sequence[str] = ()) -> None:
        super().__init__(seed, open_nouns)
        self._shapes: list[tuple[Callable[[], Node], float]] = [
            (self.plain, 30.0), (self.placed, 26.0), (self.doing, 16.0), (self.related, 12.0), (self.clause, 7.0),
            (self.sentence, 5.0), (self.headless, 9.0), (self.of_phrase, 6.0), (self.two_parts, 5.0),
        ]  # fmt: skip

    def __iter__(self) -> Iterator[list[UdWord]]:
        weights = np.array([weight for _, weight in self._shapes])
        while True:
            shape = self._shapes[int(self.rng.choice(len(weights), p=weights / weights.sum()))][0]
            tree, _ = flatten(shape())
            yield self._as_written(from_gold_tree(tree))

    def _as_written(self, sentence: list[UdWord]) -> list[UdWord]:
        """Now and then a typing error, a capital, or a final stop."""
        made = [
            UdWord(self._typo(word.text), word.lemma, word.pos, word.tag, word.head, word.dep, word.space)
            if len(word.text) > 3 and self.chance(0.012) else word
            for word in sentence
        ]  # fmt: skip
        for place, word in enumerate(made):
            if place and word.dep == "punct":
                before = made[place - 1]
                made[place - 1] = UdWord(
                    before.text, before.lemma, before.pos, before.tag, before.head, before.dep, False
                )
        first = made[0]
        if self.chance(0.06):
            made[0] = UdWord(
                first.text[0].upper() + first.text[1:],
                first.lemma,
                first.pos,
                first.tag,
                first.head,
                first.dep,
                first.space,
            )
        if self.chance(0.06):
            root = next(place for place, word in enumerate(made) if word.head == place)
            last = made[-1]
            made[-1] = UdWord(last.text, last.lemma, last.pos, last.tag, last.head, last.dep, False)
            made.append(UdWord(".", ".", "PUNCT", ".", root, "punct"))
        return made

    def _typo(self, text: str) -> str:
        at = int(self.rng.integers(1, len(text) - 1))
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :] if self.chance(0.6) else text[:at] + text[at + 1 :]

    def plain(self) -> Node:
        """Return a phrase such as "left zebra", "bottom right bowl", "red shirt", "biggest bear", "pink dress girl"."""
        head = self.phrase(article=0.15, rich=0.6)
        extra: list[Node] = []
        draw = float(self.rng.random())
        if draw < 0.3:
            extra = [self.predict()]
        elif draw < 0.42:
            extra = [adjective(self.pick(HALVES)), adjective(self.pick(SIDES))]
        elif draw < 0.48:
            extra = [noun(self.pick(words.CLOTHES), "compound").before(adjective(self.pick(words.COLOURS)))]
        elif draw < 0.56:
            return self.articled(noun(self.pick(words.CLOTHES), "ROOT").before(self.appearance()), 0.2)
        elif draw < 0.6:
            return self.object_noun()
        if extra:
            determiner = [word for word in head.left if word.dep in ("det", "poss", "nummod")]
            head.left = determiner + extra + [word for word in head.left if word not in determiner]
        if self.chance(0.12):
            head.after(self.bare_place())
        elif self.chance(0.2):
            head.after(self.worn("appos", article=0.0))
            if self.chance(0.2):
                head.after(self.place())
        elif self.chance(0.04):
            head.after(noun("number", "appos").after(Node(str(int(self.rng.integers(1, 99))), "CD", "NUM", "nummod")))
        return head

    def placed(self) -> Node:
        """Return a noun with one or two phrases after it: "man in blue on the right", "chair in corner"."""
        head = self.phrase(rich=0.35, article=0.3)
        modifiers = [self.place, self.clothing, self.relation]
        head.after(modifiers[int(self.rng.choice(3, p=(0.45, 0.35, 0.2)))]())
        if self.chance(0.3):
            head.after(self.place())
        elif self.chance(0.06):
            head.after(self.bare_place())
        return head

    def related(self) -> Node:
        """Return a noun with a relation, such as "cup next to the lamp"."""
        head = self.phrase(rich=0.35, article=0.45)
        relation = self.relation()
        if self.chance(0.3):
            head.after(self.action())
        return head.after(relation)

    def doing(self) -> Node:
        """Return a noun with an action, such as "kid eating pizza on left", "car parked behind the truck"."""
        head = self.phrase(rich=0.3, article=0.4)
        if self.chance(0.15):
            head.after(self.clothing())
        head.after(self.action())
        if self.chance(0.12):
            head.after(self.place())
        return head

    def clause(self) -> Node:
        """Return a noun with a relative clause, such as "the zebra that is closest", "a man who is wearing a hat"."""
        head = self.phrase(rich=0.3, article=0.85)
        draw = float(self.rng.random())
        pronoun = Node(self.pick(("who", "that", "that", "which")), "WDT", "PRON", "nsubj")
        pronoun.tag = "WP" if pronoun.text == "who" else "WDT"
        if draw < 0.4:
            done = self.action("relcl")
            passive = done.tag == "VBN" and not done.left
            pronoun.dep = "nsubjpass" if passive or done.left else "nsubj"
            be = verb("is", "VBZ", "auxpass" if passive else "aux")
            done.left = [pronoun, be, *done.left]
            return head.after(done)
        if draw < 0.7:
            complement = (
                adjective(self.pick((*words.COLOURS, *words.APPEARANCE)), "acomp")
                if self.chance(0.4)
                else self.relation()
            )
            if complement.tag in ("JJR", "JJS"):
                complement.dep = "acomp"
            return head.after(verb("is", "VBZ", "relcl", [complement]).before(pronoun))
        if draw < 0.85:
            subject = noun(self.pick(words.PARTS), "nsubjpass").before(Node("whose", "WP$", "DET", "poss"))
            done = verb(self.pick(words.PARTICIPLES), "VBN", "relcl").before(subject, verb("is", "VBZ", "auxpass"))
            return head.after(done.after(self.prep(self.pick(words.SPATIAL), self.phrase("pobj", rich=0.2))))
        text, tag = ("has", "VBZ") if self.chance(0.7) else ("have", "VBP")
        return head.after(Node(text, tag, "VERB", "relcl", [pronoun], [self.phrase("dobj", person=False, rich=0.5)]))

    def sentence(self) -> Node:
        """Return a sentence such as "there is a dog behind the tree", "the man is wearing a hat"."""
        subject = self.phrase("nsubj", rich=0.3, article=0.9)
        draw = float(self.rng.random())
        if draw < 0.25:
            subject.dep = "attr"
            expletive = Node("there", "EX", "PRON", "expl")
            return Node(
                "is",
                "VBZ",
                "VERB",
                "ROOT",
                [expletive],
                [subject.after(self.place() if self.chance(0.5) else self.relation())],
            )
        be = verb("are" if subject.tag == "NNS" else "is", "VBZ", "ROOT")
        if draw < 0.6:
            done = self.action("ROOT")
            be.dep = "auxpass" if done.tag == "VBN" else "aux"
            subject.dep = "nsubjpass" if done.tag == "VBN" else "nsubj"
            done.left = [subject, be, *done.left]
            return done
        complement = self.relation() if self.chance(0.6) else self.place()
        if complement.tag in ("JJR", "JJS"):
            complement.dep = "acomp"
        return be.before(subject).after(complement)

    def headless(self) -> Node:
        """No head noun: "2nd from right", "far left", "closest to us", "in the middle", "wearing red"."""
        draw = float(self.rng.random())
        if draw < 0.3:
            rank = adjective(self.pick(words.ORDINALS[:-1]), "ROOT")
            rank = self.articled(rank, 0.2) if self.chance(0.5) else rank
            side = noun(self.pick((*SIDES, *SIDES, "top", "bottom", "front", "back", "end")), "pobj")
            rank.after(self.prep("from", self.articled(side, 0.25)))
            return rank
        if draw < 0.55:
            place = self.bare_place()
            place.dep = "ROOT"
            return self.articled(place, 0.15)
        if draw < 0.68:
            found = self.relation()
            found.dep = "ROOT"
            return found
        if draw < 0.78:
            found = self.place()
            found.dep = "ROOT"
            return found
        if draw < 0.9:
            return self.action("ROOT")
        kind = comparative if self.chance(0.5) else superlative
        text = self.pick(words.COMPARATIVES if kind is comparative else words.SUPERLATIVES)
        several = with_article(
            noun(self.pick(words.PLURALS), "pobj", plural=True).before(Node("two", "CD", "NUM", "nummod")), "the"
        )
        return with_article(kind(text, "ROOT").after(self.prep("of", several)), "the")

    def of_phrase(self) -> Node:
        """Return a noun with "of", such as "bowl of soup bottom right", "the slice of pizza on the plate"."""
        head = self.phrase(rich=0.25, article=0.4)
        head.text, head.tag = self.pick((*words.HOLDERS, "front", "back", "top", "bottom", "front")), "NN"
        head.after(self.prep("of", self.phrase("pobj", person=False, rich=0.2, article=0.2)))
        if self.chance(0.5):
            head.after((self.place, self.relation, self.bare_place)[int(self.rng.integers(3))]())
        return head

    def two_parts(self) -> Node:
        """Two descriptions with a comma: "guy in red, left side", "left side, the tall one"."""
        head = self.placed() if self.chance(0.5) else self.plain()
        comma = Node(",", ",", "PUNCT", "punct")
        rest = (
            self.bare_place()
            if self.chance(0.5)
            else self.phrase("appos", rich=0.7)
            if self.chance(0.5)
            else self.place()
        )
        return head.after(comma, rest)
