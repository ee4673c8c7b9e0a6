"""Training pictures: scenes, single objects in their place, cut-out objects, and near-duplicates that differ in one
thing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from zsris_viz.miniature.training.caption_truth import MOST_OBJECTS, facts_of
from zsris_viz.miniature.world.layout import SIZE_RANGES, SceneLayout, SceneObject, draw_object, sample_layout
from zsris_viz.miniature.world.render import render_arrays
from zsris_viz.miniature.world.sprites import sprite_of
from zsris_viz.miniature.world.words import COLOURS

#: Layout seeds of training pictures start here, far from those of any split of the benchmark.
SEED_BASE = 1 << 40


def _mirrored(layout: SceneLayout, *, vertical: bool) -> SceneLayout:
    def turn(item: SceneObject) -> SceneObject:
        x, y = item.centre
        return (
            replace(item, centre=(x, 1 - y)) if vertical else replace(item, centre=(1 - x, y), flipped=not item.flipped)
        )

    return replace(layout, objects=tuple(turn(item) for item in layout.objects))


def near_duplicate(layout: SceneLayout, rng: np.random.Generator) -> SceneLayout:
    """The scene with one thing changed: mirrored, two objects swapped, or another colour, noun, size or place of one
    object."""
    kind = int(rng.integers(7))
    objects = list(layout.objects)
    index = int(rng.integers(len(objects)))
    item = objects[index]
    if kind < 2:
        return _mirrored(layout, vertical=kind == 1)
    if kind == 2 and len(objects) > 1:
        other = (index + 1) % len(objects)
        a, b = objects[index], objects[other]
        objects[index] = replace(a, centre=b.centre, extent=b.extent, size=b.size)
        objects[other] = replace(b, centre=a.centre, extent=a.extent, size=a.size)
    elif kind == 3:
        objects[index] = replace(item, colour=str(rng.choice([colour for colour in COLOURS if colour != item.colour])))
    elif kind == 4:
        objects[index] = replace(
            draw_object(rng, colour=item.colour, size=item.size), centre=item.centre, extent=item.extent
        )
    elif kind == 5:
        size = "small" if item.size == "big" else "big"
        extent = float(rng.uniform(*SIZE_RANGES[size]))
        x, y = (min(max(value, extent / 2), 1 - extent / 2) for value in item.centre)
        objects[index] = replace(item, size=size, extent=extent, centre=(x, y))
    else:
        objects[index] = replace(
            draw_object(rng, noun=item.noun, colour=item.colour, size=item.size), variant=item.variant
        )
    return replace(layout, objects=tuple(objects))


def cut_out(item: SceneObject, side: int, rng: np.random.Generator) -> np.ndarray:
    """One object cut out on a plain ground and enlarged to the whole picture, as Cropping shows it to CLIP.

    Returns:
        (side, side, 3) uint8; squashed to a square in half of the cases, else padded; the ground is black in three of
        four, and one object in four has a part hidden, as occlusion does.
    """
    small = max(8, round(item.extent * side * rng.uniform(0.8, 2.2)))
    colours, opacity = sprite_of(item, small)
    opacity = opacity.copy()
    height, width = opacity.shape[:2]
    if rng.random() < 0.25:
        cut = rng.uniform(0.15, 0.4)
        if rng.random() < 0.5:
            opacity[:, slice(0, int(width * cut)) if rng.random() < 0.5 else slice(int(width * (1 - cut)), None)] = 0
        else:
            opacity[slice(0, int(height * cut)) if rng.random() < 0.5 else slice(int(height * (1 - cut)), None)] = 0
    seen = opacity[..., 0] > 0.5
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    if len(rows) == 0:
        rows, columns, seen = np.arange(height), np.arange(width), np.ones_like(seen)
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    ground = np.zeros(3) if rng.random() < 0.75 else rng.uniform(90, 220, size=3)
    cut_picture = np.where(seen[..., None], colours, ground)[box].astype(np.uint8)
    if rng.random() < 0.5:
        longest = max(cut_picture.shape[:2])
        padded = np.tile(ground.astype(np.uint8), (longest, longest, 1))
        top, left = (longest - cut_picture.shape[0]) // 2, (longest - cut_picture.shape[1]) // 2
        padded[top : top + cut_picture.shape[0], left : left + cut_picture.shape[1]] = cut_picture
        cut_picture = padded
    return np.asarray(Image.fromarray(cut_picture).resize((side, side), Image.Resampling.BICUBIC))


class PictureStore:
    """Pairs of near-duplicate pictures with their facts, a part of them drawn anew for every batch.

    Drawing a picture costs more than training on it; each is used about `reuse` times, with other captions and other
    tokens dropped every time.

    Args:
        side: height and width of the pictures in pixels.
        capacity: pairs kept.
        reuse: how often a pair is used on average.
        seed: the same seed gives the same sequence of batches.
    """

    def __init__(self, side: int, *, capacity: int = 12_000, reuse: float = 4.0, seed: int = 0) -> None:
        self.side, self.capacity, self.reuse = side, capacity, reuse
        self._rng = np.random.default_rng(seed)
        self._pictures = np.empty((capacity, 2, side, side, 3), dtype=np.uint8)
        self._facts = np.empty((capacity, 2, MOST_OBJECTS, 7), dtype=np.float32)
        self._used = 0
        self._next = 0
        self._serial = SEED_BASE + seed * (1 << 32)

    def _draw_pair(self, singles: float, cuts: float) -> None:
        rng, slot = self._rng, self._next
        self._serial += 1
        if rng.random() < cuts:
            item = draw_object(rng)
            # The other half of a pair of cut-outs differs in the noun or in the colour.
            changed = draw_object(rng, noun=item.noun) if rng.random() < 0.5 else draw_object(rng, colour=item.colour)
            for half, thing in enumerate((item, changed)):
                self._pictures[slot, half] = cut_out(thing, self.side, rng)
                self._facts[slot, half] = facts_of(SceneLayout((thing,), 0, 0), cropped=True)
        else:
            single = rng.random() < singles
            layout = sample_layout(
                self._serial, least=1 if single else 2, most=1 if single else MOST_OBJECTS, same_noun=0.4
            )
            for half, scene in enumerate((layout, near_duplicate(layout, rng))):
                self._pictures[slot, half] = render_arrays(scene, self.side)[0]
                self._facts[slot, half] = facts_of(scene)
        self._next = (self._next + 1) % self.capacity
        self._used = min(self._used + 1, self.capacity)

    def batch(self, pictures: int, *, singles: float = 0.3, cuts: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
        """A batch of pairs.

        Args:
            pictures: how many pictures, an even number.
            singles: share of scenes with one object only.
            cuts: share of cut-out objects.

        Returns:
            pictures (B, side, side, 3) uint8 and facts (B, 4, 7) float32, the halves of a pair next to each other.
        """
        pairs = pictures // 2
        fresh = pairs if self._used < pairs * 2 else max(1, round(pairs / self.reuse))
        for _ in range(fresh):
            self._draw_pair(singles, cuts)
        chosen = self._rng.choice(self._used, size=pairs, replace=False)
        shape = (2 * pairs, self.side, self.side, 3)
        return self._pictures[chosen].reshape(shape), self._facts[chosen].reshape(2 * pairs, MOST_OBJECTS, 7)
