"""Halves and quadrants of the spatial rectifier, by hand on a few dots."""

import numpy as np
import pytest
import torch

from zsris_viz.errors import InvalidInputError
from zsris_viz.masks import Masks
from zsris_viz.methods.rectifier import rectify, sides_of


def dots(*places, size=(20, 30)):
    """One mask of a single pixel for each (x, y); None for an empty mask."""
    data = np.zeros((len(places), *size), dtype=bool)
    for row, place in enumerate(places):
        if place is not None:
            data[row, place[1], place[0]] = True
    return Masks(data)


FOUR = dots((2, 3), (25, 4), (3, 15), (28, 18))


@pytest.mark.parametrize(
    ("direction", "inside"),
    [
        ("left", [0, 2]), ("right", [1, 3]), ("top", [0, 1]), ("bottom", [2, 3]),
        ("top left", [0]), ("bottom left", [2]), ("left bottom", [2]), ("top right", [1]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("halves", ["shared", "official"])
def test_four_masks(direction, inside, halves):
    found = rectify(FOUR, direction, halves=halves)
    assert found.inside.nonzero()[:, 0].tolist() == inside and found.medians == (14.0, 9.5)
    scores = found.apply(torch.arange(4.0))
    assert scores.isneginf().nonzero()[:, 0].tolist() == [row for row in range(4) if row not in inside]
    assert scores[inside].tolist() == [float(row) for row in inside]


def test_the_mask_on_the_median():
    three = dots((1, 1), (10, 1), (20, 1))
    shared = {side: rectify(three, side).inside.tolist() for side in ("left", "right")}
    assert shared == {"left": [True, True, False], "right": [False, True, True]}
    official = {side: rectify(three, side, halves="official").inside.tolist() for side in ("left", "right")}
    assert official == {"left": [True, False, False], "right": [False, True, True]}


def test_official_centres_are_whole_pixels():
    data = np.zeros((2, 4, 8), dtype=bool)
    data[0, 1, 2:4] = True  # x 2.5
    data[1, 1, 2] = True  # x 2
    assert rectify(Masks(data), "left").inside.tolist() == [False, True]
    found = rectify(Masks(data), "left", halves="official")
    assert found.inside is None and found.centres[0].tolist() == [2.0, 1.0]  # no mask left of the median: unrectified


def test_centres_and_medians_leave_empty_masks_out():
    found = rectify(dots((2, 3), None, (8, 9), (20, 1)), "right")
    assert found.centres[1].isnan().all() and found.medians == (8.0, 3.0)
    assert found.inside.tolist() == [False, False, True, True]
    area = np.zeros((1, 6, 6), dtype=bool)
    area[0, 1:3, 2:5] = True
    assert rectify(Masks(area), None).centres[0].tolist() == [3.0, 1.5]


def test_no_rectification():
    for masks, direction in (
        (FOUR, None), (FOUR, "middle"), (dots((2, 3)), "left"), (dots((2, 3), None), "left"),
        (dots((2, 3), (20, 15)), "top right"),  # an empty quadrant
    ):  # fmt: skip
        found = rectify(masks, direction)
        assert found.inside is None and found.direction is None
        assert torch.equal(found.apply(torch.arange(2.0)), torch.arange(2.0))
    assert rectify(dots(size=(5, 5)), "left").inside is None
    assert rectify(FOUR, "middle left").direction == "left"


def test_unknown_words():
    assert sides_of("Top left") == ["top", "left"] and sides_of("middle") == sides_of(None) == []
    with pytest.raises(InvalidInputError, match="north"):
        rectify(FOUR, "north")
    with pytest.raises(InvalidInputError, match="halves"):
        rectify(FOUR, "left", halves="thirds")
