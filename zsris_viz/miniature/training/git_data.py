"""Pictures with captions for the miniature captioner: regions, and whole scenes."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
from scipy import ndimage

from zsris_viz.captioning.regions import region_images
from zsris_viz.masks import Masks
from zsris_viz.miniature.training.caption_truth import COLOUR_INDEX, NOUN_INDEX
from zsris_viz.miniature.training.training_data import SEED_BASE
from zsris_viz.miniature.world.layout import SceneLayout, SceneObject, sample_layout
from zsris_viz.miniature.world.render import render_arrays
from zsris_viz.miniature.world.words import plural

#: Layout seeds start here, far from those of any split of the benchmark and of the miniature CLIP's pictures.
GIT_SEEDS = SEED_BASE * 3
COUNTS = ("", "a", "two", "three", "four", "five", "six")
#: Cells a side in which whole pictures are labelled: the captioner's patches.
GRID = 14
BACKGROUND = "a plain background"


def phrase(item: SceneObject, count: int = 1) -> str:
    """Describe objects in words: "a red cat", "a man in a blue shirt", "two red cats", "two men in blue shirts"."""
    noun = item.noun if count == 1 else plural(item.noun)
    if item.is_person:
        article = "an" if item.colour[0] in "aeiou" else "a"
        worn = f"in {article} {item.colour} {item.clothes}" if count == 1 else f"in {item.colour} {item.clothes}s"
        words = f"{noun} {worn}"
    else:
        words = f"{item.colour} {noun}"
    article = "an" if count == 1 and words[0] in "aeiou" else COUNTS[count]
    return f"{article} {words}"


def whole_caption(layout: SceneLayout) -> str:
    """Describe all objects of a scene from left to right, with like objects counted: "a red cat, a mug and two trees".

    Colours are always named. The order is fixed, so that a captioner need not guess which object comes next.
    """
    ordered = sorted(layout.objects, key=lambda item: item.centre[0])
    counts = Counter((item.noun, item.colour, item.clothes) for item in ordered)
    phrases = []
    for item in ordered:
        count = counts.pop((item.noun, item.colour, item.clothes), 0)
        if count:
            phrases.append(phrase(item, count))
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


@dataclass(frozen=True)
class Pictured:
    """One picture of the captioner's size and its caption.

    Attributes:
        pixels: uint8 (S, S, 3).
        text: the caption.
        cells: uint8 (2, g, g), for whole scenes and windows: the noun and the colour of what covers each cell of a g x
            g grid, counted from 1 as in NOUNS and COLOURS, 0 for the ground.
    """

    pixels: np.ndarray
    text: str
    cells: np.ndarray | None = None


def _squashed(image: Image.Image, side: int) -> np.ndarray:
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def _rough(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grow or shrink a mask by up to two pixels, as proposals are not exact; unchanged if nothing would be left."""
    grow = rng.random() < 0.5
    changed = (ndimage.binary_dilation if grow else ndimage.binary_erosion)(mask, iterations=int(rng.integers(1, 3)))
    return changed if changed.any() else mask


def _ground(masks: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Return a box of bare background, or None if five tries find none."""
    side = masks.shape[-1]
    taken = masks.any(0)
    for _ in range(5):
        height, width = rng.integers(side // 8, side // 2, size=2)
        top, left = int(rng.integers(side - height)), int(rng.integers(side - width))
        box = np.zeros((side, side), dtype=bool)
        box[top : top + height, left : left + width] = True
        box &= ~taken
        if box.sum() > 0.6 * height * width:
            return box
    return None


def region_pictures(serial: int, side: int) -> list[Pictured]:
    """Return all regions of a scene on blurred and black backgrounds, as :func:`region_images` cuts them.

    Scenes are drawn at 112 to 224 pixels; a third of the masks are rough, a fifth of the boxes have a margin, a third
    are padded to a square, and one scene in three adds a piece of bare ground.
    """
    rng = np.random.default_rng([GIT_SEEDS, serial])
    layout = sample_layout(GIT_SEEDS + serial, least=1, most=6, same_noun=0.3)
    drawn = int(rng.choice((112, 160, 224)))
    picture, masks = render_arrays(layout, drawn)
    texts = [phrase(item) for item in layout.objects]
    bare = _ground(masks, rng) if rng.random() < 0.33 else None
    if bare is not None:
        masks = np.concatenate([masks, bare[None]])
        texts.append(BACKGROUND)
    masks = np.stack([_rough(mask, rng) if rng.random() < 0.33 else mask for mask in masks])
    image, regions = Image.fromarray(picture), Masks.from_arrays(masks)
    found = []
    for style in ("blur", "black"):
        margin = float(rng.uniform(0, 0.2)) if rng.random() < 0.2 else 0.0
        sigma = float(rng.uniform(6, 12)) * (drawn / 224 if rng.random() < 0.5 else 1)
        square = "pad" if rng.random() < 0.35 else "none"
        cuts = region_images(image, regions, style, square=square, margin=margin, sigma=sigma)
        found += [
            Pictured(_squashed(cut, side), text)
            for cut, text, mask in zip(cuts, texts, masks, strict=True)
            if mask.any()
        ]
    return found


def cells_of(layout: SceneLayout, masks: np.ndarray, grid: int = GRID) -> np.ndarray:
    """Return what covers each cell of a grid over a square picture, see `Pictured.cells`.

    Args:
        masks: (N, S, S) bool, of the objects in order. An object covers a cell of which a quarter is its own.
    """
    found = np.zeros((2, grid, grid), dtype=np.uint8)
    if not len(masks):
        return found
    edges = np.linspace(0, masks.shape[-1], grid + 1).round().astype(int)[:-1]
    sums = np.add.reduceat(np.add.reduceat(masks.astype(np.float32), edges, axis=1), edges, axis=2)
    shares = sums / (masks.shape[-1] / grid) ** 2
    owner, most = shares.argmax(0), shares.max(0)
    names = np.array([[NOUN_INDEX[item.noun] + 1, COLOUR_INDEX[item.colour] + 1] for item in layout.objects])
    found[:] = np.where(most >= 0.25, names[owner].transpose(2, 0, 1), 0)
    return found


def whole_picture(serial: int, side: int) -> Pictured:
    """Return a whole scene with its caption or, three times out of four, a square window of one.

    Small objects are hard to recognise at first. A window enlarges them, and all sizes up to the whole scene occur.
    """
    rng = np.random.default_rng([GIT_SEEDS, 1, serial])
    layout = sample_layout(GIT_SEEDS + (1 << 36) + serial, least=1, most=int(rng.choice((2, 4, 6))), same_noun=0.3)
    windowed = serial % 4 != 0
    picture, masks = render_arrays(layout, 2 * side if windowed or serial % 8 == 0 else side)
    if windowed:
        left, top, size, shown = _window(masks, rng)
        picture = picture[top : top + size, left : left + size]
        masks = masks[shown, top : top + size, left : left + size]
        layout = replace(
            layout, objects=tuple(item for item, visible in zip(layout.objects, shown, strict=True) if visible)
        )
    pixels = _squashed(Image.fromarray(np.ascontiguousarray(picture)), side)
    return Pictured(pixels, whole_caption(layout), cells_of(layout, masks))


def _window(masks: np.ndarray, rng: np.random.Generator) -> tuple[int, int, int, np.ndarray]:
    """Return a square window that cuts no object in two: left, top, size, and the objects in it, at least one.

    An object is in the window with over 80 % of its pixels, out of it with under 20 %; after 20 tries, the whole.
    """
    side = masks.shape[-1]
    areas = masks.sum((1, 2))
    for _ in range(20):
        size = int(side * rng.uniform(0.25, 0.9))
        left, top = int(rng.integers(side - size + 1)), int(rng.integers(side - size + 1))
        shares = masks[:, top : top + size, left : left + size].sum((1, 2)) / np.maximum(areas, 1)
        shown = shares > 0.8
        if shown.any() and not ((shares >= 0.2) & ~shown).any():
            return left, top, size, shown
    return 0, 0, side, np.ones(len(masks), dtype=bool)


class GitPictures:
    """Batches of regions and of whole scenes, the same for the same seed and step, also after a resumption.

    A window of scenes moves on with every step; a batch is drawn from the window, since drawing a picture costs more
    than training on it.

    Args:
        side: of the pictures in pixels.
        seed: of the run.
        window: scenes kept.
        fresh: new scenes a step, for regions and for whole pictures.
    """

    def __init__(
        self, side: int, *, seed: int = 0, window: tuple[int, int] = (240, 600), fresh: tuple[int, int] = (4, 6)
    ) -> None:
        self.side, self.seed, self.window, self.fresh = side, seed, window, fresh
        self._regions: deque[list[Pictured]] = deque(maxlen=window[0])
        self._wholes: deque[Pictured] = deque(maxlen=window[1])
        self._next = [-1, -1]

    def _fill(self, step: int) -> None:
        base = self.seed << 30
        for kind in (0, 1):
            end = step * self.fresh[kind] + self.window[kind]
            start = max(self._next[kind], end - self.window[kind])
            for serial in range(start, end):
                if kind == 0:
                    self._regions.append(region_pictures(base + serial, self.side))
                else:
                    self._wholes.append(whole_picture(base + serial, self.side))
            self._next[kind] = end

    def batch(self, step: int, regions: int, wholes: int) -> tuple[list[Pictured], list[Pictured]]:
        """Return the batch of a step: regions of different scenes, and whole scenes."""
        self._fill(step)
        rng = np.random.default_rng([self.seed, step, 7])
        scenes = rng.integers(len(self._regions), size=regions)
        chosen = [self._regions[int(scene)][int(rng.integers(len(self._regions[int(scene)])))] for scene in scenes]
        return chosen, [self._wholes[int(index)] for index in rng.integers(len(self._wholes), size=wholes)]
