"""The layout of a drawn scene: objects with their colours, sizes and places, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zsris_viz.miniature.world.words import COLOURS, NOUNS, PEOPLE

#: Longest side of an object as a fraction of the image side: (least, most). The gap between them keeps "small" and
#: "big" apart.
SIZE_RANGES: dict[str, tuple[float, float]] = {"small": (0.17, 0.23), "big": (0.32, 0.42)}

#: Two objects may not share more than this fraction of the smaller one's box, so that at least half of each stays in
#: sight.
MAX_OVERLAP = 0.30


@dataclass(frozen=True)
class SceneObject:
    """An object of a scene; lengths and positions are fractions of the image side, x to the right and y downwards."""

    noun: str
    colour: str
    size: str
    centre: tuple[float, float]
    extent: float
    flipped: bool
    #: What people wear on top ("shirt" or "coat"), which carries the colour; None for things.
    clothes: str | None
    #: Seeds the small differences between two sprites of one noun (tone, trousers, hair).
    variant: int

    @property
    def is_person(self) -> bool:
        """Return whether the colour is that of clothes."""
        return self.noun in PEOPLE


@dataclass(frozen=True)
class SceneLayout:
    """The objects and the background of a scene; objects are painted in order, so later ones hide earlier ones."""

    objects: tuple[SceneObject, ...]
    background: int
    seed: int


def _boxes_overlap(a: SceneObject, b: SceneObject) -> float:
    """Return the intersection of the two square boxes as a fraction of the smaller one."""
    width = min(a.centre[0] + a.extent / 2, b.centre[0] + b.extent / 2) - max(
        a.centre[0] - a.extent / 2, b.centre[0] - b.extent / 2
    )
    height = min(a.centre[1] + a.extent / 2, b.centre[1] + b.extent / 2) - max(
        a.centre[1] - a.extent / 2, b.centre[1] - b.extent / 2
    )
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min(a.extent, b.extent) ** 2


def draw_object(
    rng: np.random.Generator,
    *,
    noun: str | None = None,
    colour: str | None = None,
    size: str | None = None,
    nouns: tuple[str, ...] = NOUNS,
) -> SceneObject:
    """Return one object at a random place, wholly inside the image; attributes that are None are drawn.

    Args:
        rng: Source of randomness.
        noun: The noun, or None to draw it.
        colour: The colour, or None to draw it.
        size: The size class, or None to draw it.
        nouns: Nouns to draw from.
    """
    noun = noun or str(rng.choice(nouns))
    size = size or str(rng.choice(tuple(SIZE_RANGES)))
    least, most = SIZE_RANGES[size]
    extent = float(rng.uniform(least, most))
    return SceneObject(
        noun=noun,
        colour=colour or str(rng.choice(tuple(COLOURS))),
        size=size,
        centre=(float(rng.uniform(extent / 2, 1 - extent / 2)), float(rng.uniform(extent / 2, 1 - extent / 2))),
        extent=extent,
        flipped=bool(rng.random() < 0.5),
        clothes=str(rng.choice(("shirt", "coat"))) if noun in PEOPLE else None,
        variant=int(rng.integers(4)),
    )


def place(candidate: SceneObject, placed: list[SceneObject]) -> bool:
    """Return whether the candidate and all objects placed so far remain mostly visible."""
    return all(_boxes_overlap(candidate, other) <= MAX_OVERLAP for other in placed)


def sample_layout(
    seed: int,
    *,
    least: int = 2,
    most: int = 6,
    same_noun: float = 0.6,
    nouns: tuple[str, ...] = NOUNS,
    target_nouns: tuple[str, ...] | None = None,
) -> SceneLayout:
    """Return a scene of `least` to `most` objects.

    Args:
        seed: The same seed gives the same scene.
        least: Smallest number of objects.
        most: Largest number of objects. If there is no room for an object after 60 tries, the scene has fewer.
        same_noun: Probability that an object takes the noun of an earlier one, so that expressions have distractors.
        nouns: Nouns of the objects.
        target_nouns: Nouns of which the first object has one (people for testA, other things for testB); None for any.
    """
    rng = np.random.default_rng(seed)
    count = int(rng.integers(least, most + 1))
    objects: list[SceneObject] = []
    for position in range(count):
        for _ in range(60):
            pool = target_nouns if position == 0 and target_nouns else nouns
            noun = colour = size = None
            if objects and rng.random() < same_noun:
                other = objects[int(rng.integers(len(objects)))]
                noun = other.noun
                # A distractor that differs in one thing only makes the expression that names this thing necessary.
                if rng.random() < 0.5:
                    colour = other.colour
                if rng.random() < 0.5:
                    size = other.size
            candidate = draw_object(rng, noun=noun, colour=colour, size=size, nouns=pool)
            if place(candidate, objects):
                objects.append(candidate)
                break
    order = rng.permutation(len(objects))
    return SceneLayout(objects=tuple(objects[i] for i in order), background=int(rng.integers(1 << 30)), seed=seed)
