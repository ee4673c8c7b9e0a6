"""The truth of facts in a drawn scene, with margins: an expression uses only facts that are clearly true.

Every fact of a form is True, False or None (too close to call), so that "the left cat" is used only where it is
clear which cat is meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import hypot

from zsris_viz.miniature.world.layout import SceneLayout
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
from zsris_viz.miniature.world.words import AMBIGUOUS, NOUNS, SYNONYMS

#: Distance of a centre from the edge, as a fraction of the image side, up to which an object is clearly in that half,
#: and from which on it clearly is not.
HALF = (0.40, 0.55)
#: Gap between neighbours in a row, and between the outermost object and the next.
ROW_MARGIN = 0.10
#: Distance between two centres along the axis of "left of" or "above".
SIDE_MARGIN = 0.12
#: Half the width of the strip that is clearly the middle, and of the strip outside which nothing is.
MIDDLE = (0.12, 0.22)
#: How far from the edge a centre may be to stand in a corner.
CORNER = 0.36
#: Gap between two objects that are next to each other, and the gap from which on they are not.
NEAR = (0.07, 0.20)
#: Ratio of extents from which on one object is plainly bigger, and up to which it is plainly not.
BIGGER = (1.3, 1.05)

_MEANINGS: dict[str, tuple[str, ...]] = {noun: (noun,) for noun in NOUNS}
for _noun, _names in SYNONYMS.items():
    for _name in _names:
        _MEANINGS[_name] = (_noun, *AMBIGUOUS.get(_name, ()))

_AXIS = {"left": (0, 1), "right": (0, -1), "top": (1, 1), "bottom": (1, -1), "above": (1, 1), "below": (1, -1)}


def same_noun(layout: SceneLayout, index: int) -> list[int]:
    """Return indices of the other objects with the noun of object `index`."""
    noun = layout.objects[index].noun
    return [i for i, item in enumerate(layout.objects) if item.noun == noun and i != index]


def _threshold(value: float, yes: float, no: float) -> bool | None:
    """Return True from `yes` on, False up to `no`, None between."""
    if value >= yes:
        return True
    return False if value <= no else None


def _both(first: bool | None, second: bool | None) -> bool | None:
    if first is False or second is False:
        return False
    return True if first and second else None


def _is_rank(wanted: int, least: int, greatest: int) -> bool | None:
    """Return whether a rank known to lie between two bounds is the wanted one."""
    if not least <= wanted <= greatest:
        return False
    return True if least == greatest else None


class SceneSemantics:
    """Evaluate forms on one layout; every fact is evaluated once.

    Args:
        layout: The scene.
    """

    def __init__(self, layout: SceneLayout) -> None:
        self.layout = layout
        self._known: dict[tuple[Fact, int], bool | None] = {}
        #: Facts that distinguish an object, by its index and the kind; filled by :mod:`.distinguishing`.
        self.distinguishing: dict[tuple[int, str], list[Fact]] = {}

    def denotes(self, form: Form) -> frozenset[int]:
        """Return the objects that the form certainly fits, or none if it is unclear for some object whether it fits.

        Returns:
            Indices into `layout.objects`.
        """
        certain: set[int] = set()
        for index, item in enumerate(self.layout.objects):
            if item.noun not in _MEANINGS[form.name]:
                continue
            truth = self.fits(form.facts, index)
            if truth is None:
                return frozenset()
            if truth:
                certain.add(index)
        return frozenset(certain)

    def only(self, form: Form, target: int) -> bool:
        """Return whether the form certainly fits the target and certainly no other object."""
        return self.denotes(form) == {target}

    def fits(self, facts: Iterable[Fact], index: int) -> bool | None:
        """Return whether all facts hold of an object: True, False, or None where it is too close to call."""
        truth: bool | None = True
        for fact in facts:
            truth = _both(truth, self.holds(fact, index))
            if truth is False:
                return False
        return truth

    def holds(self, fact: Fact, index: int) -> bool | None:
        """Return whether one fact holds of an object."""
        key = (fact, index)
        if key not in self._known:
            self._known[key] = self._evaluate(fact, index)
        return self._known[key]

    def _evaluate(self, fact: Fact, index: int) -> bool | None:
        item = self.layout.objects[index]
        if isinstance(fact, Colour):
            return item.colour == fact.value
        if isinstance(fact, Size):
            return item.size == fact.value
        if isinstance(fact, Extent):
            return self._extreme_size(fact.value, index)
        if isinstance(fact, Half):
            return self._half(fact.value, index)
        if isinstance(fact, Corner):
            return self._corner(fact, index)
        if isinstance(fact, Outermost):
            return self._outermost(fact.value, index)
        if isinstance(fact, Ordinal):
            return self._ordinal(fact, index)
        if isinstance(fact, Relation):
            return self._relation(fact, index)
        return self._closest(fact, index)

    # --- places -----------------------------------------------------------------------------------------------------

    def along(self, direction: str, index: int) -> float:
        """Return distance of a centre from the edge that the direction names."""
        axis, sign = _AXIS[direction]
        place = self.layout.objects[index].centre[axis]
        return place if sign > 0 else 1 - place

    def _half(self, direction: str, index: int) -> bool | None:
        if direction == "middle":
            x, y = self.layout.objects[index].centre
            return _both(_threshold(-abs(x - 0.5), -MIDDLE[0], -MIDDLE[1]), _threshold(-abs(y - 0.5), -0.3, -0.45))
        return _threshold(-self.along(direction, index), -HALF[0], -HALF[1])

    def _corner(self, fact: Corner, index: int) -> bool | None:
        return _both(
            _threshold(-self.along(fact.vertical, index), -CORNER, -HALF[1]),
            _threshold(-self.along(fact.horizontal, index), -CORNER, -HALF[1]),
        )

    def _ranks(self, direction: str, index: int) -> tuple[int, int, int]:
        """Return least and greatest rank (from 0) of an object among its noun from a side on, and their number."""
        own = self.along(direction, index)
        others = [self.along(direction, other) for other in same_noun(self.layout, index)]
        least = sum(place <= own - ROW_MARGIN for place in others)
        return least, sum(place < own + ROW_MARGIN for place in others), len(others) + 1

    def _outermost(self, direction: str, index: int) -> bool | None:
        if direction == "middle":
            least, greatest, count = self._ranks("left", index)
            return _is_rank(count // 2, least, greatest) if count >= 3 and count % 2 else None
        truth = _is_rank(0, *self._ranks(direction, index)[:2])
        return None if truth and self.along(direction, index) > 0.45 else truth

    def _ordinal(self, fact: Ordinal, index: int) -> bool | None:
        least, greatest, count = self._ranks(fact.side, index)
        return _is_rank(fact.rank - 1, least, greatest) if count >= fact.rank else None

    # --- sizes and relations ----------------------------------------------------------------------------------------

    def _extreme_size(self, size: str, index: int) -> bool | None:
        own = self.layout.objects[index].extent
        ratios = [own / self.layout.objects[other].extent for other in same_noun(self.layout, index)]
        if size == "small":
            ratios = [1 / ratio for ratio in ratios]
        if not ratios:
            return None
        worst = min(ratios)
        if worst >= BIGGER[0]:
            return True
        return False if worst <= 1 / BIGGER[0] else None

    def _referent(self, other: Form | None, index: int) -> int | None:
        """Return the only object to which a relation of object `index` refers, or None."""
        if other is None:
            rest = same_noun(self.layout, index)
            return rest[0] if len(rest) == 1 else None
        found = self.denotes(other)
        return next(iter(found)) if len(found) == 1 else None

    def _gap(self, first: int, second: int) -> float:
        """Return distance between two centres beyond the sum of the objects' half extents."""
        a, b = self.layout.objects[first], self.layout.objects[second]
        return hypot(a.centre[0] - b.centre[0], a.centre[1] - b.centre[1]) - (a.extent + b.extent) / 2

    def _relation(self, fact: Relation, index: int) -> bool | None:
        other = self._referent(fact.other, index)
        if other is None:
            return None
        return False if other == index else self.related(fact.name, index, other)

    def related(self, name: str, index: int, other: int) -> bool | None:
        """Return whether object `index` has a relation ("left", "near", "bigger", ...) to object `other`."""
        if name == "near":
            return _threshold(-self._gap(index, other), -NEAR[0], -NEAR[1])
        if name in ("bigger", "smaller"):
            ratio = self.layout.objects[index].extent / self.layout.objects[other].extent
            return _threshold(ratio if name == "bigger" else 1 / ratio, *BIGGER)
        along = self.along(name, other) - self.along(name, index)
        a, b = self.layout.objects[index].centre, self.layout.objects[other].centre
        across = abs(a[1] - b[1]) if _AXIS[name][0] == 0 else abs(a[0] - b[0])
        if along <= 0:
            return False
        return True if along >= SIDE_MARGIN and across <= along else None

    def _closest(self, fact: Closest, index: int) -> bool | None:
        other = self._referent(fact.other, index)
        distractors = same_noun(self.layout, index)
        if other is None or other == index or other in distractors:
            return None
        own = self._gap(index, other)
        best = min((self._gap(distractor, other) for distractor in distractors), default=1.0)
        return _threshold(best - own, 0.15, -0.15)


def denotes(layout: SceneLayout, form: Form) -> frozenset[int]:
    """Return the objects of a scene that a form certainly fits.

    The result is empty if it is unclear for some object whether the form fits.

    >>> from zsris_viz.miniature.world.layout import SceneLayout
    >>> from zsris_viz.miniature.world.predicates import Form
    >>> denotes(SceneLayout((), 0, 0), Form("cat"))
    frozenset()
    """
    return SceneSemantics(layout).denotes(form)
