"""The overlap filter of TAS against the rule written as two loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsris_viz.errors import InvalidInputError
from zsris_viz.masks import Masks
from zsris_viz.proposals import filter_overlaps


def by_loops(data: np.ndarray, min_area: int, max_overlap: float) -> list[int]:
    areas = data.sum((1, 2))
    large = [index for index in range(len(data)) if areas[index] >= min_area]
    dropped = set()
    for i in large:
        for j in large:
            if i < j and min(areas[i], areas[j]) and (data[i] & data[j]).sum() / min(areas[i], areas[j]) > max_overlap:
                dropped.add(j if areas[i] >= areas[j] else i)
    return [index for index in large if index not in dropped]


@given(st.integers(0, 2**32), st.integers(0, 12), st.sampled_from([0.0, 0.25, 0.4, 1.0]))
def test_the_rule(seed: int, count: int, max_overlap: float) -> None:
    rng = np.random.default_rng(seed)
    data = np.zeros((count, 20, 20), bool)
    for mask in data:
        x, y, w, h = rng.integers(0, [15, 15, 12, 12])
        mask[y : y + h, x : x + w] = True
    result = filter_overlaps(Masks(data), min_area=10, max_overlap=max_overlap)
    assert result.kept.tolist() == by_loops(data, 10, max_overlap)
    assert len(result.masks) == len(result.kept)
    assert result.too_small.tolist() == (data.sum((1, 2)) < 10).tolist()


def test_who_covers_whom() -> None:
    data = np.zeros((5, 10, 10), bool)
    data[0, :4, :4] = True  # part of mask 1, which is part of mask 2
    data[1, :6, :6] = True
    data[2, :9, :9] = True
    data[3, 9, 9] = True  # too small
    data[4] = data[2]  # a copy of mask 2
    masks = Masks(data, scores=[0.1, 0.2, 0.3, 0.4, 0.5], source="sam")
    result = filter_overlaps(masks, min_area=2)
    assert result.covered_by.tolist() == [2, 2, -1, -1, 2]
    assert result.kept.tolist() == [2] and result.masks.source == "sam"
    assert result.masks.scores is not None and result.masks.scores.tolist() == pytest.approx([0.3])


def test_no_masks_and_wrong_thresholds() -> None:
    none = Masks.from_arrays([], size=(5, 5))
    assert len(filter_overlaps(none).masks) == 0
    with pytest.raises(InvalidInputError, match="min_area"):
        filter_overlaps(none, min_area=-1)
    with pytest.raises(InvalidInputError, match="0 to 1"):
        filter_overlaps(none, max_overlap=1.5)
