"""Dependency trees for expressions that the grammar makes, in the label scheme of spaCy's `en_core_web_*` models.

A :class:`Word` holds its dependents to the left and to the right in text order; :func:`flatten` lays the
words out in a row and gives every one its head. Such trees are projective by construction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

#: Labels under which spaCy's English `noun_chunks` takes a noun for the head of a base noun phrase.
_CHUNK_LABELS = frozenset(("oprd", "nsubj", "dobj", "nsubjpass", "pcomp", "pobj", "dative", "appos", "attr", "ROOT"))
_CHUNK_POS = frozenset(("NOUN", "PROPN", "PRON"))


@dataclass
class Word:
    """A word with its dependents in a dependency tree.

    Attributes:
        text: The word as written.
        tag: Penn Treebank tag ("NN", "JJ", "IN", ...).
        pos: Universal part of speech ("NOUN", "ADJ", "ADP", ...).
        dep: Label of the arc from its head; "ROOT" for the root of a tree.
        left: Dependents before the word, in the order of the text.
        right: Dependents after the word, in the order of the text.
        cue: Whether the word is a context token: a preposition, direction or comparative, or a noun to which one leads.
    """

    text: str
    tag: str
    pos: str
    dep: str
    left: list[Word] = field(default_factory=list)
    right: list[Word] = field(default_factory=list)
    cue: bool = False

    def before(self, *words: Word) -> Word:
        """Add dependents to the left, after those already there, and return the word itself."""
        self.left.extend(words)
        return self

    def after(self, *words: Word) -> Word:
        """Add dependents to the right, after those already there, and return the word itself."""
        self.right.extend(words)
        return self


@dataclass(frozen=True)
class GoldTree:
    """A dependency tree of n words, stored as one sequence for each property of the words.

    Attributes:
        words: The n words.
        tags: Penn Treebank tag of every word.
        pos: Universal part of speech of every word.
        deps: Dependency label of every word.
        heads: Index of the head of every word; the root is its own head, as in spaCy's `Doc(heads=...)`.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    pos: tuple[str, ...]
    heads: tuple[int, ...]
    deps: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the words, joined by blanks."""
        return " ".join(self.words)

    @property
    def root(self) -> int:
        """Return the index of the root."""
        return self.deps.index("ROOT")

    def subtree(self, index: int) -> tuple[int, int]:
        """Return the first and one past the last index of the subtree of `index`."""
        inside = [i for i in range(len(self.words)) if self._hangs_below(i, index)]
        return inside[0], inside[-1] + 1

    def _hangs_below(self, index: int, top: int) -> bool:
        while index != top:
            if self.heads[index] == index:
                return False
            index = self.heads[index]
        return True

    def left_edges(self) -> list[int]:
        """Return for every word the index of the leftmost word of its subtree."""
        edges = list(range(len(self.words)))
        for index in range(len(self.words)):
            top = index
            while self.heads[top] != top:
                top = self.heads[top]
                edges[top] = min(edges[top], index)
        return edges

    def noun_chunks(self) -> list[tuple[int, int]]:
        """Return spans (start, end) of base noun phrases, by the rule of spaCy's English `Doc.noun_chunks`."""
        chunks: list[tuple[int, int]] = []
        last = -1
        edges = self.left_edges()
        for index, pos in enumerate(self.pos):
            if pos not in _CHUNK_POS or edges[index] <= last:
                continue
            head = index
            while self.deps[head] == "conj" and self.heads[head] < head:
                head = self.heads[head]
            if self.deps[head] in _CHUNK_LABELS:
                last = index
                chunks.append((edges[index], index + 1))
        return chunks

    def phrase(self, span: tuple[int, int]) -> str:
        """Return the words of a span, joined by blanks."""
        return " ".join(self.words[span[0] : span[1]])


def flatten(root: Word) -> tuple[GoldTree, tuple[bool, ...]]:
    """Convert a tree to a sequence of words.

    Returns:
        The tree, and for every word whether it is a context token.
    """
    row: list[Word] = []
    heads: dict[int, Word] = {}

    def visit(word: Word, head: Word) -> None:
        for child in word.left:
            visit(child, word)
        heads[len(row)] = head
        row.append(word)
        for child in word.right:
            visit(child, word)

    visit(root, root)
    place = {id(word): index for index, word in enumerate(row)}
    tree = GoldTree(
        words=tuple(word.text for word in row),
        tags=tuple(word.tag for word in row),
        pos=tuple(word.pos for word in row),
        heads=tuple(place[id(heads[index])] for index in range(len(row))),
        deps=tuple(word.dep for word in row),
    )
    return tree, tuple(word.cue for word in row)


# --- words of each kind --------------------------------------------------------------------------------------------


def determiner(text: str) -> Word:
    """Return an article."""
    return Word(text, "DT", "DET", "det")


def adjective(text: str, dep: str = "amod", *, cue: bool = False) -> Word:
    """Return a plain adjective before its noun."""
    return Word(text, "JJ", "ADJ", dep, cue=cue)


def comparative(text: str, dep: str = "amod") -> Word:
    """Return words such as "bigger", "smaller": a context token."""
    return Word(text, "JJR", "ADJ", dep, cue=True)


def superlative(text: str, dep: str = "amod") -> Word:
    """Return words such as "biggest", "closest"."""
    return Word(text, "JJS", "ADJ", dep)


def noun(text: str, dep: str, *, plural: bool = False) -> Word:
    """Return a common noun."""
    return Word(text, "NNS" if plural else "NN", "NOUN", dep)


def adverb(text: str, dep: str = "advmod", *, cue: bool = False) -> Word:
    """Return words such as "far left"."""
    return Word(text, "RB", "ADV", dep, cue=cue)


def preposition(text: str, obj: Word) -> Word:
    """Return a preposition with its object; both are context tokens."""
    obj.dep = "pobj"
    obj.cue = True
    return Word(text, "IN", "ADP", "prep", right=[obj], cue=True)


def verb(text: str, tag: str, dep: str, after: Iterable[Word] = ()) -> Word:
    """Return a verb form; "is" is an auxiliary by part of speech, as in the `en_core_web_*` models."""
    pos = "AUX" if text in ("is", "are") else "VERB"
    return Word(text, tag, pos, dep, right=list(after))
