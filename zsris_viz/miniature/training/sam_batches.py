"""Pictures, points and the segments at those points, for the training of the miniature SAM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from zsris_viz.miniature.training.sam_model import LOW_SIDE, SIDE
from zsris_viz.miniature.training.training_data import SEED_BASE
from zsris_viz.miniature.world.backgrounds import background
from zsris_viz.miniature.world.layout import SceneLayout, sample_layout
from zsris_viz.miniature.world.render import render_arrays

#: Sides at which scenes are drawn before they are brought to SIDE, as pictures of any size are when SAM sees them.
DRAWN_SIDES = (112, 128, 160, 224)
BACKGROUND_SHARE = 0.25


@dataclass(frozen=True)
class SamBatch:
    """Attributes:
    pixels: (B, 3, SIDE, SIDE) float32, 0-255.
    points: (P, 2) float32 x, y in pixels.
    picture: (P,) int64, the picture that a point is on.
    segments: (P, LOW_SIDE, LOW_SIDE) float32 in 0-1, the share of each cell that belongs to the segment.
    ground: (P,) bool, whether the segment is background.
    """

    pixels: Tensor
    points: Tensor
    picture: Tensor
    segments: Tensor
    ground: Tensor

    def to(self, device: str) -> SamBatch:
        """Return the batch on a device."""
        return SamBatch(*(value.to(device) for value in vars(self).values()))


def horizon(layout: SceneLayout, side: int) -> int | None:
    """Return the first row below the horizon of a background, or None if its two colours have no edge between them.

    Found in the background alone: one step between neighbouring rows, and nothing like it elsewhere.
    """
    rows = background(layout.background, side).mean(axis=1)
    steps = np.abs(np.diff(rows, axis=0)).max(axis=1)
    first, second = np.sort(steps)[-1:-3:-1]
    return int(steps.argmax()) + 1 if first > 12 and second < first / 4 else None


def draw_batch(seed: int, step: int, *, scenes: int, prompts: int) -> SamBatch:
    """Return the batch of a step, which depends on seed and step alone, so that a resumed run gets the same ones.

    A point lies anywhere on an object, or, one time in four, on the background, whose segment is then the whole of it
    or, half of the time where there is a horizon, what lies on the point's side of it.

    Args:
        seed: of the run.
        step: number of the step, from 0.
        scenes: pictures.
        prompts: points on each.
    """
    rng = np.random.default_rng((seed, step))
    pixels = torch.empty(scenes, 3, SIDE, SIDE)
    points = torch.empty(scenes * prompts, 2)
    segments = torch.empty(scenes * prompts, LOW_SIDE, LOW_SIDE)
    ground = torch.zeros(scenes * prompts, dtype=torch.bool)
    for index in range(scenes):
        layout = sample_layout(SEED_BASE + (seed << 32) + step * scenes + index, least=1, most=6)
        drawn = int(rng.choice(DRAWN_SIDES))
        picture, masks = render_arrays(layout, drawn)
        if drawn != SIDE:
            picture = np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        pixels[index] = torch.from_numpy(picture.copy()).permute(2, 0, 1)
        outside = np.asarray(~masks.any(axis=0))
        edge = horizon(layout, drawn)
        present = [mask for mask in masks if mask.any()]
        for row in range(index * prompts, (index + 1) * prompts):
            on_ground = bool(rng.random() < BACKGROUND_SHARE)
            segment = outside if on_ground else present[int(rng.integers(len(present)))]
            y, x = _pixel_of(segment, rng)
            if on_ground and edge is not None and rng.random() < 0.5:
                segment = outside.copy()
                segment[slice(edge, None) if y < edge else slice(0, edge)] = False
            points[row] = torch.tensor([(x + 0.5) * SIDE / drawn, (y + 0.5) * SIDE / drawn])
            whole = torch.from_numpy(segment)[None, None].float()
            segments[row] = F.interpolate(whole, (LOW_SIDE, LOW_SIDE), mode="bilinear", antialias=True)[0, 0]
            ground[row] = on_ground
    return SamBatch(pixels, points, torch.arange(scenes).repeat_interleave(prompts), segments.clamp(0, 1), ground)


class SamBatches(Dataset[SamBatch]):
    """The batches of `draw_batch` by number of the step.

    Args:
        scenes: int, number of pictures in a batch.
        prompts: int, number of points on each.
        seed: int.
        steps: int, length of the training, as `len` gives it.
    """

    def __init__(self, scenes: int, prompts: int, *, seed: int, steps: int) -> None:
        self.scenes, self.prompts, self.seed, self.steps = scenes, prompts, seed, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> SamBatch:
        return draw_batch(self.seed, step, scenes=self.scenes, prompts=self.prompts)


def _pixel_of(segment: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Row and column of a pixel of the segment, each as likely as any other."""
    place = rng.choice(np.flatnonzero(segment))
    return divmod(int(place), segment.shape[1])
