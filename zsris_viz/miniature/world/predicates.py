"""The meaning of an expression: a noun and a conjunction of facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Colour:
    """The object, or what a person wears on top, has this colour."""

    value: str


@dataclass(frozen=True)
class Size:
    """The object is drawn in this size class ("small" or "big")."""

    value: str


@dataclass(frozen=True)
class Extent:
    """The object is the biggest ("big") or smallest ("small") of its noun."""

    value: str


@dataclass(frozen=True)
class Half:
    """The object is in the "left", "right", "top" or "bottom" half of the picture, or in its "middle"."""

    value: str


@dataclass(frozen=True)
class Corner:
    """The object is in the corner of a vertical and a horizontal direction."""

    vertical: str
    horizontal: str


@dataclass(frozen=True)
class Outermost:
    """The object is the outermost of its noun in a direction, and in that half; "middle": of three or five."""

    value: str


@dataclass(frozen=True)
class Ordinal:
    """The object is number `rank` (from 1) of its noun, counted from a side of the picture."""

    rank: int
    side: str


@dataclass(frozen=True)
class Relation:
    """The object has a relation to another one; `other` is None for "the other one" of its noun."""

    name: str
    other: Form | None


@dataclass(frozen=True)
class Closest:
    """Of its noun, the object is the closest to another one."""

    other: Form


Fact = Colour | Size | Extent | Half | Corner | Outermost | Ordinal | Relation | Closest


@dataclass(frozen=True)
class Form:
    """The meaning of an expression: a noun or one of its synonyms, and facts that all hold."""

    name: str
    facts: tuple[Fact, ...] = ()

    def without(self, dropped: Iterable[Fact]) -> Form:
        """Return the same form with some facts left out."""
        excluded = set(dropped)
        return Form(self.name, tuple(fact for fact in self.facts if fact not in excluded))
