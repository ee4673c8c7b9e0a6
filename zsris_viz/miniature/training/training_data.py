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
    """Return the scene with one change.

    It is mirrored, two objects are swapped, or one object has another colour, noun, size or place.
    """
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
    """Cut out an object on a plain background and enlarge it to the whole picture, as Cropping does.

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
    visible = opacity[..., 0] > 0.5
    rows, columns = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
    if len(rows) == 0:
        rows, columns, visible = np.arange(height), np.arange(width), np.ones_like(visible)
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    ground = np.zeros(3) if rng.random() < 0.75 else rng.uniform(90, 220, size=3)
    cut_picture = np.where(visible[..., None], colours, ground)[box].astype(np.uint8)
    if rng.random() < 0.5:
        longest = max(cut_picture.shape[:2])
        padded = np.tile(ground.astype(np.uint8), (longest, longest, 1))
        top, left = (longest - cut_picture.shape[0]) // 2, (longest - cut_picture.shape[1]) // 2
        padded[top : top + cut_picture.shape[0], left : left + cut_picture.shape[1]] = cut_picture
        cut_picture = padded
    return np.asarray(Image.fromarray(cut_picture).resize((side, side), Image.Resampling.BICUBIC))


#: Offsets in steps at which a block of pictures is used again: no two blocks meet in more than one batch, since the
#: differences between any two of these numbers are all distinct (a Golomb ruler, spread out by a factor of three).
REUSE_OFFSETS = tuple(3 * mark for mark in (0, 1, 4, 9, 15, 22, 32, 34))


class PictureBlocks:
    """Small blocks of near-duplicate pairs of pictures, each used in several batches that lie apart.

    To draw a picture costs a good part of the time that it takes to train on it. Every picture is therefore used as
    often as there are `offsets`, each time with other captions, other patches dropped and other pictures beside it.
    A block depends on the seed and its number alone.

    Args:
        side: int, height and width of the pictures in pixels.
        pairs: int, number of pairs in a block.
        seed: int.
        singles: float, share of the scenes that have one object only.
        cuts: float, share of cut-out objects among all pictures.
        offsets: tuple of int, a batch takes the blocks that lie so many steps back; the first is 0.
    """

    def __init__(
        self,
        side: int,
        *,
        pairs: int,
        seed: int = 0,
        singles: float = 0.1,
        cuts: float = 0.2,
        offsets: tuple[int, ...] = REUSE_OFFSETS,
    ) -> None:
        self.side, self.pairs, self.seed = side, pairs, seed
        self.singles, self.cuts, self.offsets = singles, cuts, offsets
        self._blocks: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the pictures of a step.

        Args:
            step: int, number of the step, from 0.

        Returns:
            Pictures (B, side, side, 3) uint8 and facts (B, 4, 7) float32, the halves of a pair next to each other;
            B is twice the pairs of a block for every offset.
        """
        wanted = [step - offset for offset in self.offsets]
        self._blocks = {number: block for number, block in self._blocks.items() if number >= step - self.offsets[-1]}
        for number in wanted:
            if number not in self._blocks:
                self._blocks[number] = self.draw(number)
        blocks = [self._blocks[number] for number in wanted]
        return np.concatenate([block[0] for block in blocks]), np.concatenate([block[1] for block in blocks])

    def draw(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw a block.

        Args:
            number: int, which may be below 0: the first steps use blocks that were not new at any step.

        Returns:
            Pictures (2 * pairs, side, side, 3) uint8 and facts (2 * pairs, 4, 7) float32.
        """
        number += self.offsets[-1]
        rng = np.random.default_rng((self.seed, number))
        pictures = np.empty((self.pairs, 2, self.side, self.side, 3), dtype=np.uint8)
        facts = np.empty((self.pairs, 2, MOST_OBJECTS, 7), dtype=np.float32)
        for index in range(self.pairs):
            if rng.random() < self.cuts:
                item = draw_object(rng)
                # The other half of a pair of cut-outs differs in the noun or in the colour.
                same = rng.random() < 0.5
                other = draw_object(rng, noun=item.noun) if same else draw_object(rng, colour=item.colour)
                for half, shown in enumerate((item, other)):
                    pictures[index, half] = cut_out(shown, self.side, rng)
                    facts[index, half] = facts_of(SceneLayout((shown,), 0, 0), cropped=True)
            else:
                single = rng.random() < self.singles
                layout = sample_layout(
                    SEED_BASE + (self.seed << 32) + number * self.pairs + index,
                    least=1 if single else 2, most=1 if single else MOST_OBJECTS, same_noun=0.4,
                )  # fmt: skip
                for half, scene in enumerate((layout, near_duplicate(layout, rng))):
                    pictures[index, half] = render_arrays(scene, self.side)[0]
                    facts[index, half] = facts_of(scene)
        return pictures.reshape(-1, self.side, self.side, 3), facts.reshape(-1, MOST_OBJECTS, 7)
