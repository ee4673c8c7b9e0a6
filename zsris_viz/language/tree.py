"""A dependency tree over plain tokens, so that the rules need no spaCy and can be tested on trees written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zsris_viz.language.spans import Token

_CHUNK_LABELS = frozenset(("oprd", "nsubj", "dobj", "nsubjpass", "pcomp", "pobj", "dative", "appos", "attr", "ROOT"))
NOUNS = frozenset(("NOUN", "PROPN", "PRON"))


class Tree:
    """The dependency tree of an expression, with its base noun phrases.

    Attributes:
        tokens: The words.
        roots: Indices of the words that are their own head, one for each sentence.
        chunks: (start, end) of every base noun phrase, end exclusive, by the rule of spaCy's English `noun_chunks`: a
            noun in one of the nominal roles with all its dependents to the left.
    """

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tuple(tokens)
        self._children: list[list[int]] = [[] for _ in self.tokens]
        for index, token in enumerate(self.tokens):
            if token.head != index:
                self._children[token.head].append(index)
        self.roots = [index for index, token in enumerate(self.tokens) if token.head == index]
        self.chunks = list(self._find_chunks())

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> Token:
        return self.tokens[index]

    def word(self, index: int) -> str:
        """Return the token in lower case."""
        return self.tokens[index].text.lower()

    def children(self, index: int) -> list[int]:
        """Return the indices of the direct dependents in order."""
        return self._children[index]

    def child(self, index: int, *deps: str) -> int | None:
        """Return the first child with one of the labels `deps`, or None."""
        return next((child for child in self._children[index] if self.tokens[child].dep in deps), None)

    def left_edge(self, index: int) -> int:
        """Return the index of the first token of the subtree of `index`."""
        edge, stack = index, [index]
        while stack:
            for child in self._children[stack.pop()]:
                edge = min(edge, child)
                stack.append(child)
        return edge

    def path(self, index: int) -> list[int]:
        """Return `index`, its head, and so on up to the root."""
        found = [index]
        while self.tokens[found[-1]].head != found[-1]:
            found.append(self.tokens[found[-1]].head)
        return found

    def chunk_of(self, index: int) -> tuple[int, int] | None:
        """Return the noun phrase that contains a token, or None."""
        return next(((start, end) for start, end in self.chunks if start <= index < end), None)

    def phrase_at(self, noun: int) -> tuple[int, int]:
        """Return the noun phrase that ends with a noun.

        If no base noun phrase ends with the noun, it is the noun with its dependents to the left.
        """
        found = self.chunk_of(noun)
        return found if found and found[1] == noun + 1 else self._trimmed(self.left_edge(noun), noun + 1)

    def _trimmed(self, start: int, end: int) -> tuple[int, int]:
        while start < end - 1 and self.tokens[start].pos in ("PUNCT", "CCONJ", "SPACE"):
            start += 1
        return start, end

    def _find_chunks(self) -> Iterator[tuple[int, int]]:
        last = -1
        for index, token in enumerate(self.tokens):
            if token.pos not in NOUNS:
                continue
            start = self.left_edge(index)
            if start <= last:
                continue
            first = index
            while self.tokens[first].dep == "conj" and self.tokens[first].head < first:
                first = self.tokens[first].head
            if self.tokens[first].dep in _CHUNK_LABELS:
                last = index
                yield self._trimmed(start, index + 1)
