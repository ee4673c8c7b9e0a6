"""Backgrounds of drawn scenes: muted colours in four textures, which carry no information about the objects."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image


@lru_cache(maxsize=8)
def _noise_sheet(side: int) -> np.ndarray:
    """Return fine noise, (2 * side, 2 * side, 1) float32 of unit variance, of which every scene cuts its own piece."""
    return np.random.default_rng(side).standard_normal((2 * side, 2 * side, 1), dtype=np.float32)


def _muted(rng: np.random.Generator) -> np.ndarray:
    """Return a colour of low saturation, (3,) float32."""
    return (rng.uniform(95, 225) + rng.uniform(-18, 18, size=3)).astype(np.float32)


def _smooth(rng: np.random.Generator, cells: int, side: int) -> np.ndarray:
    """Return smooth noise in 0-1, (side, side, 1) float32: `cells` x `cells` random values drawn large."""
    small = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8))
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)[..., None] / 255


def background(seed: int, side: int) -> np.ndarray:
    """Return a background picture.

    Args:
        seed: The same seed gives the same background.
        side: Height and width in pixels.

    Returns:
        (side, side, 3) float32, 0-255.
    """
    rng = np.random.default_rng(seed)
    first, second = _muted(rng), _muted(rng)
    kind = int(rng.integers(4))
    if kind == 0:
        blend = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
        blend = np.broadcast_to(blend, (side, side, 1))
    elif kind == 1:
        horizon = round(side * rng.uniform(0.35, 0.75))
        blend = np.zeros((side, side, 1), dtype=np.float32)
        blend[horizon:] = 1
    elif kind == 2:
        blend = _smooth(rng, int(rng.integers(3, 7)), side)
    else:
        period = side / rng.uniform(3, 9)
        wave = np.sin(np.arange(side, dtype=np.float32) * (2 * np.pi / period)) * 0.25 + 0.5
        blend = np.broadcast_to(wave[None, :, None] if rng.random() < 0.5 else wave[:, None, None], (side, side, 1))
    picture = first * (1 - blend) + second * blend
    top, left = (int(value) for value in rng.integers(0, side, size=2))
    return picture + _noise_sheet(side)[top : top + side, left : left + side] * np.float32(rng.uniform(1, 7))
