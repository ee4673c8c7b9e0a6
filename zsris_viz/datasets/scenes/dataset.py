"""The drawn benchmark: images, masks and expressions made on demand from (split, index)."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import numpy as np

from ...errors import InvalidInputError, InvalidTypeError
from ...masks import Masks
from ..types import Expression, Reference, Sample
from .captions import caption
from .cores import KINDS, STYLES, cores
from .facts import Judge, same_noun
from .grammar import LEAST_VISIBLE, SceneExpression, expressions
from .layout import SceneLayout, sample_layout
from .render import MIN_SIDE, render
from .sprites import sprite_of
from .words import NOUNS, PEOPLE

#: Part of every seed: a change of the world or its grammar raises it, so that results of two worlds cannot be mixed up.
VERSION = 1

SPLITS: dict[str, int] = {"train": 20000, "val": 500, "testA": 500, "testB": 500, "test": 500}

#: How often each style comes up in "mixed".
_STYLE_SHARES = {"refcoco": 0.40, "refcoco+": 0.27, "refcocog": 0.33}
#: How often each kind is looked for. Kinds that few objects allow are looked for more often than they shall come up.
_KIND_WEIGHTS: dict[str, dict[str, float]] = {
    "refcoco": {"noun": 0.22, "colour": 0.22, "size": 0.14, "position": 0.24, "relation": 0.06, "ordinal": 0.12},
    "refcoco+": {"noun": 0.30, "colour": 0.32, "size": 0.22, "relation": 0.16},
    "refcocog": {"noun": 0.22, "colour": 0.22, "size": 0.14, "position": 0.18, "relation": 0.14, "ordinal": 0.10},
}
_CACHED = 8
_OTHER_THINGS = tuple(noun for noun in NOUNS if noun not in PEOPLE)


def scene_seed(split: str, index: int, purpose: str = "layout") -> int:
    """A seed that depends on nothing but its arguments and the version of the world; the same in every process.

    Returns:
        A whole number from 0 to 2**63 - 1.
    """
    digest = hashlib.sha256(f"scenes/{VERSION}/{split}/{index}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def visible_shares(layout: SceneLayout, side: int = 112) -> np.ndarray:
    """How much of every object is in sight.

    Args:
        layout: the scene.
        side: of the grid on which it is counted; fixed, so that the expressions do not depend on the picture's size.

    Returns:
        float (N,), 0 (hidden) to 1.
    """
    owner = np.full((side, side), -1, dtype=np.int16)
    whole = []
    for index, item in enumerate(layout.objects):
        shape = sprite_of(item, round(item.extent * side))[1][..., 0] > 0.5
        height, width = shape.shape
        top = min(max(round(item.centre[1] * side - height / 2), 0), side - height)
        left = min(max(round(item.centre[0] * side - width / 2), 0), side - width)
        owner[top : top + height, left : left + width][shape] = index
        whole.append(max(1, int(shape.sum())))
    seen = np.bincount(owner[owner >= 0], minlength=len(whole))
    return seen / np.array(whole)


class Scenes:
    """Drawn scenes with unambiguous referring expressions; the same (split, index) is the same scene everywhere.

    Args:
        split: "train" (20000 scenes), "val", "test", "testA" (people are referred to), "testB" (other things are; 500 each).
        limit: use only the first `limit` scenes.
        size: height and width of the images in pixels, at least 16. Expressions do not depend on it.
        style: "mixed", or "refcoco", "refcoco+" or "refcocog" for expressions in the manner of one benchmark.

    Raises:
        InvalidInputError: an unknown split or style, a limit below 1, or a size below 16.
        InvalidTypeError: an index that is no whole number.
    """

    name = "scenes"
    split_by = "mini"

    def __init__(self, split: str = "val", *, limit: int | None = None, size: int = 224, style: str = "mixed") -> None:
        if split not in SPLITS:
            raise InvalidInputError(f"split {split!r} is unknown; scenes has {', '.join(SPLITS)}: Scenes('val')")
        if style != "mixed" and style not in STYLES:
            raise InvalidInputError(f"style {style!r} is unknown; styles are mixed, {', '.join(STYLES)}")
        if isinstance(size, bool) or not isinstance(size, int) or size < MIN_SIDE:
            raise InvalidInputError(
                f"size {size!r} was given; pixels, a whole number from {MIN_SIDE}, are accepted: Scenes({split!r}, size=224)"
            )
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            raise InvalidInputError(f"limit {limit!r} was given; a whole number from 1, or None for all, is accepted")
        self.split = split
        self.size = size
        self.style = style
        self._length = min(limit or SPLITS[split], SPLITS[split])
        self._kept: OrderedDict[int, Sample] = OrderedDict()

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Sample:
        index = self._checked(index)
        if index not in self._kept:
            self._kept[index] = self._make(index)
            while len(self._kept) > _CACHED:
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        return self._kept[index]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_kept": OrderedDict()}

    def __repr__(self) -> str:
        return f"Scenes({self.split!r}, style={self.style!r}, size={self.size}): {len(self)} scenes"

    def _checked(self, index: int) -> int:
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise InvalidTypeError(
                f"index {index!r} is a {type(index).__name__}; a whole number is accepted: dataset[0]"
            )
        index = int(index)
        if not -len(self) <= index < len(self):
            raise SceneIndexError(f"scene {index} was asked for; {self.split} has scenes 0 to {len(self) - 1}")
        return index % len(self)

    def layout(self, index: int) -> SceneLayout:
        """What stands where in a scene, without drawing it."""
        index = self._checked(index)
        wanted = {"testA": PEOPLE, "testB": _OTHER_THINGS}.get(self.split)
        seed = scene_seed(self.split, index)
        # In a third of the scenes nearly all objects are of one noun: only there can they be counted off.
        crowded = np.random.default_rng(seed).random() < 0.35
        return sample_layout(
            seed, least=4 if crowded else 2, most=6, same_noun=0.85 if crowded else 0.45, target_nouns=wanted
        )

    def spoken(self, index: int) -> list[tuple[int, tuple[SceneExpression, ...]]]:
        """The objects of a scene that are referred to, with their expressions and gold trees, without drawing it.

        Returns:
            1 to 3 pairs of an object's index in the layout and its 1 to 3 expressions.
        """
        index = self._checked(index)
        layout = self.layout(index)
        for attempt in range(20):
            found = self._speak(
                layout, np.random.default_rng(scene_seed(self.split, index, f"expressions/{self.style}/{attempt}"))
            )
            if found:
                return found
        return []

    def _speak(self, layout: SceneLayout, rng: np.random.Generator) -> list[tuple[int, tuple[SceneExpression, ...]]]:
        visible = visible_shares(layout)
        judge = Judge(layout)
        people = {"testA": True, "testB": False}.get(self.split)
        open_targets = [
            target
            for target, item in enumerate(layout.objects)
            if visible[target] >= LEAST_VISIBLE and (people is None or item.is_person == people)
        ]
        said: dict[int, list[SceneExpression]] = {}
        for _ in range(1 + int(rng.integers(3))):
            targets = [target for target in open_targets if target not in said]
            style = self._draw_style(rng)
            choice = self._draw_target(judge, targets, style, rng)
            if choice is None:
                continue
            target, kind = choice
            kinds = [kind, *(self._draw_kind(rng, style) for _ in range(int(rng.integers(3))))]
            said[target] = []
            for position, wanted in enumerate(kinds):
                spoken_style = style if position == 0 else self._draw_style(rng)
                made = expressions(
                    layout, target, style=spoken_style, rng=rng, visible=visible.tolist(), kinds=(wanted,), judge=judge
                )
                said[target] += [one for one in made if all(one.text != other.text for other in said[target])]
            if not said[target]:
                del said[target]
        return [(target, tuple(found)) for target, found in said.items()]

    def _draw_style(self, rng: np.random.Generator) -> str:
        if self.style != "mixed":
            return self.style
        return str(_weighted(rng, _STYLE_SHARES))

    def _draw_kind(self, rng: np.random.Generator, style: str) -> str:
        return _weighted(rng, _KIND_WEIGHTS[style])

    def _draw_target(
        self, judge: Judge, targets: list[int], style: str, rng: np.random.Generator
    ) -> tuple[int, str] | None:
        """An object for which the kind that is drawn is possible, and that kind; another kind if none allows it."""
        possible = {target: cores(judge, target, style) for target in targets}
        weights = {
            kind: weight
            for kind, weight in _KIND_WEIGHTS[style].items()
            if any(kind in found for found in possible.values())
        }
        if not weights:
            return None
        kind = _weighted(rng, weights)
        fitting = [target for target, found in possible.items() if kind in found]
        return fitting[int(rng.integers(len(fitting)))], kind

    def _make(self, index: int) -> Sample:
        layout = self.layout(index)
        picture, masks = render(layout, self.size)
        image_id = f"scenes-{self.split}-{index:06d}"
        references = []
        for target, spoken in self.spoken(index):
            ref_id = f"{image_id}-{target}"
            references.append(
                Reference(
                    ref_id=ref_id,
                    expressions=tuple(as_expression(one, f"{ref_id}-{number}") for number, one in enumerate(spoken)),
                    mask=masks[target],
                    category=layout.objects[target].noun,
                    distractors=len(same_noun(layout, target)),
                )
            )
        rng = np.random.default_rng(scene_seed(self.split, index, "captions"))
        captions = [caption(layout, rng, grouped=grouped).text for grouped in (False, True)]
        return Sample(
            image_id,
            references,
            picture,
            instances=lambda: Masks.from_arrays(masks),
            size=(self.size, self.size),
            captions=captions,
        )


class SceneIndexError(InvalidInputError, IndexError):
    """An index beyond the last scene; also an IndexError, so that a loop over a dataset ends."""


def _weighted(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """A key, drawn by its weight."""
    left = float(rng.random()) * sum(weights.values())
    for key, weight in weights.items():
        left -= weight
        if left < 0:
            return key
    return key


def as_expression(spoken: SceneExpression, sentence_id: str) -> Expression:
    """The dataset's plain record of an expression of the grammar."""
    return Expression(
        text=spoken.text,
        sentence_id=sentence_id,
        kind=spoken.kind,
        noun_phrase=spoken.noun_phrase,
        head=spoken.head,
        context_tokens=spoken.context_tokens,
        direction=spoken.direction,
        relation=spoken.relation,
        relation_object=spoken.relation_object,
    )


__all__ = ["KINDS", "SPLITS", "STYLES", "Scenes", "as_expression", "scene_seed", "visible_shares"]
