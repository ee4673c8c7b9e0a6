"""Repair of a typical error of parsers trained on edited text: adjacent noun phrases, as in "left guy red shirt"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zsris_viz.language.spans import Token

_NOUNS = frozenset(("NOUN", "PROPN"))
_WHAT_COMES_FIRST = frozenset(("amod", "det", "poss", "nummod"))


def split_run_together(tokens: Sequence[Token]) -> tuple[Token, ...]:
    """Make the first of two adjacent noun phrases the head, and the second its apposition.

    In English, a noun modifier of a compound does not precede an adjective or article of the compound's head: "guy red
    shirt" does not denote a kind of shirt. If a tree has such a compound, the noun replaces the head and takes over the
    words before it; the former head keeps its other words.
    """
    found = list(tokens)
    for head in range(len(found)):
        children = [place for place in range(head) if found[place].head == head]
        for noun in children:
            split = found[noun].dep in ("compound", "nmod") and found[noun].pos in _NOUNS
            if split and any(place > noun and found[place].dep in _WHAT_COMES_FIRST for place in children):
                above = found[head].head
                found[noun] = replace(found[noun], dep=found[head].dep, head=noun if above == head else above)
                found[head] = replace(found[head], dep="appos", head=noun)
                for place in children:
                    if place < noun:
                        found[place] = replace(found[place], head=noun)
                break
    return tuple(found)
