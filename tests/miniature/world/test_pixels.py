"""Expressions against the pixels of the pictures that they describe, without the generator's own semantics."""

from __future__ import annotations

import re

import numpy as np
import pytest

from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.types import Expression, Reference, Sample

SCENES = 80
#: Hue in degrees and the names that the picture must show under it; grey, black, white and brown are left out.
HUES = {"red": 0, "orange": 30, "yellow": 55, "green": 120, "blue": 220, "purple": 280, "pink": 330}

SIDES = {"left": (0, 1), "right": (0, -1), "top": (1, 1), "bottom": (1, -1)}


def described() -> list[tuple[Sample, Reference, Expression, np.ndarray]]:
    """Every expression of the first scenes with the masks of all objects of the referent's noun, its own first."""
    found = []
    scenes = load_dataset("scenes", "val")
    for index in range(SCENES):
        sample = scenes[index]
        assert sample.instances is not None and sample.instance_categories is not None
        for reference in sample.references:
            same = [
                mask.numpy()
                for mask, noun in zip(sample.instances, sample.instance_categories, strict=True)
                if noun == reference.category and not np.array_equal(mask.numpy(), reference.mask)
            ]
            found += [
                (sample, reference, expression, np.stack([reference.mask, *same]))
                for expression in reference.expressions
            ]
    return found


@pytest.fixture(scope="module")
def examples() -> list[tuple[Sample, Reference, Expression, np.ndarray]]:
    return described()


def centres(masks: np.ndarray) -> np.ndarray:
    """Middle of the box of each mask as a share of the picture: (N, 2) x, y."""
    found = []
    for mask in masks:
        rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
        found.append([(columns[0] + columns[-1] + 1) / 2 / mask.shape[1], (rows[0] + rows[-1] + 1) / 2 / mask.shape[0]])
    return np.array(found)


def share_of_hue(image: np.ndarray, mask: np.ndarray, hue: float) -> float:
    """Share of a mask's pixels within 20 degrees of a hue, and not grey."""
    pixels = image[mask].astype(float) / 255
    high, low = pixels.max(1), pixels.min(1)
    spread = np.maximum(high - low, 1e-9)
    red, green, blue = pixels.T
    angle = np.select(
        [high == red, high == green],
        [(green - blue) / spread % 6, (blue - red) / spread + 2],
        (red - green) / spread + 4,
    )
    apart = np.abs((angle * 60 - hue + 180) % 360 - 180)
    return float(((apart < 20) & (spread > 0.15)).mean())


def test_a_noun_alone_names_the_only_one(examples) -> None:
    alone = [masks for _, _, expression, masks in examples if expression.kind == "noun"]
    assert len(alone) > 20 and all(len(masks) == 1 for masks in alone)
    assert all(len(masks) > 1 for _, _, expression, masks in examples if expression.kind != "noun")


def test_a_direction_is_where_the_mask_is(examples) -> None:
    checked = 0
    for _, _, expression, masks in examples:
        if expression.kind != "position" or expression.relation or expression.direction not in SIDES:
            continue
        axis, sign = SIDES[expression.direction]
        places = sign * centres(masks)[:, axis]
        assert places[0] <= places.min() + 0.02, expression.text  # none of its noun lies further on that side
        checked += 1
    assert checked > 20


def test_a_colour_is_in_the_pixels(examples) -> None:
    checked = 0
    for sample, _, expression, masks in examples:
        words = set(re.findall(r"[a-z]+", expression.text.lower()))
        named = [colour for colour in HUES if colour in words]
        if expression.kind != "colour" or len(named) != 1 or expression.relation:
            continue
        image = np.asarray(sample.image)
        shares = [share_of_hue(image, mask, HUES[named[0]]) for mask in masks]
        assert shares[0] == max(shares) and shares[0] > 0.1, (expression.text, shares)
        checked += 1
    assert checked > 10


def test_a_size_is_the_extent_of_the_mask(examples) -> None:
    checked, wrong = 0, []
    for _, _, expression, masks in examples:
        words = set(re.findall(r"[a-z]+", expression.text.lower()))
        big = words & {"big", "large", "bigger", "biggest", "largest"}
        small = words & {"small", "little", "tiny", "smaller", "smallest"}
        if expression.kind != "size" or expression.relation or bool(big) == bool(small):
            continue
        areas = masks.sum((1, 2))
        checked += 1
        if areas[0] != (areas.max() if big else areas.min()):
            wrong.append(expression.text)
    assert checked > 10 and len(wrong) <= 0.1 * checked, wrong  # an object may be partly hidden
