"""Intervals, exact paired tests and Holm's correction against SciPy and against counting."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zsris_viz.errors import InvalidInputError
from zsris_viz.resampling import holm, ratio, ratio_intervals, sign_flip_test


def test_intervals_against_scipy() -> None:
    values = np.random.default_rng(0).random(40)
    low, high = ratio_intervals(values[:, None], np.ones((40, 1)), resamples=5000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=0).confidence_interval
    assert (low[0], high[0]) == pytest.approx(theirs, abs=0.01)


def test_intervals_of_ratios_see_the_same_draws() -> None:
    rng = np.random.default_rng(1)
    bottoms = 1 + rng.random((25, 2))
    bottoms[6:, 1] = 0  # the second statistic has a part in 6 images only
    low, high = ratio_intervals(bottoms * [0.5, 1], bottoms, resamples=100)
    assert (low[0], high[0]) == (0.5, 0.5) and np.isnan([low[1], high[1]]).all()
    with pytest.raises(InvalidInputError, match="resamples=0"):
        ratio_intervals(bottoms, bottoms, resamples=0)
    with pytest.raises(InvalidInputError, match="level=2"):
        ratio_intervals(bottoms, bottoms, level=2)


@pytest.mark.parametrize("images", [3, 7, 10])
def test_the_test_of_means_against_scipy(images: int) -> None:
    rng = np.random.default_rng(images)
    a, b, ones = rng.random(images) + 0.2, rng.random(images), np.ones(images)
    theirs = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x) - np.mean(y), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_test(a, ones, b, ones) == pytest.approx(theirs.pvalue)


def test_the_test_of_ratios_against_counting() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 50, (2, 6)), rng.integers(0, 50, (2, 6))
    a[1], b[1] = a[0] + 30, b[0] + 40
    b[:, 0] = a[:, 0]  # an image without a difference does not matter

    def difference(flips: tuple[int, ...]) -> float:
        x, y = (np.where(flips, second, first).sum(axis=1) for first, second in ((a, b), (b, a)))
        return abs(x[0] / x[1] - y[0] / y[1])

    observed = difference((0,) * 6)
    counted = np.mean([difference(flips) >= observed - 1e-12 for flips in product((0, 1), repeat=6)])
    assert sign_flip_test(a[0], a[1], b[0], b[1]) == pytest.approx(counted)


@given(st.integers(1, 14))
def test_no_p_value_that_n_cannot_give(images: int) -> None:
    better, ones = np.ones(images), np.ones(images)
    assert sign_flip_test(better, ones, 0 * better, ones) == 2 / 2**images


def test_many_images_and_none_that_differ() -> None:
    ones = np.ones(200)
    noise = np.random.default_rng(0).normal(size=200)
    assert sign_flip_test(ones, ones, ones, ones) == 1
    assert sign_flip_test(noise + 2, ones, 0 * ones, ones) == 1 / 10_000
    by_t = stats.ttest_1samp(noise + 0.1, 0).pvalue
    assert sign_flip_test(noise + 0.1, ones, 0 * ones, ones) == pytest.approx(by_t, abs=0.02)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm(p_values: list[float]) -> None:
    corrected = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    worst = 0.0
    for rank, place in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        assert corrected[place] == pytest.approx(worst)
    assert np.isnan(holm([np.nan, 0.5])[0]) and holm([np.nan, 0.5])[1] == 0.5


def test_ratio() -> None:
    assert np.array_equal(ratio([1, 2], [0, 4]), [np.nan, 0.5], equal_nan=True)
