"""Bootstrap intervals over images, exact paired tests, and the correction for several tests at once.

The expressions of one image share its proposals and often its objects, so they are not independent draws. The image is
therefore the unit of every computation here: an image contributes a numerator and a denominator, and a statistic is
the ratio of their sums.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsris_viz.errors import InvalidInputError

RESAMPLES = 1000
MIN_IMAGES = 20  # below this number of images a percentile interval is too narrow to be reported
EXACT_IMAGES = 14  # up to this number of images that differ, all sign flips are enumerated
FLIPS = 9_999  # random sign flips above it
Array = NDArray[np.float64]


def ratio(numerators: ArrayLike, denominators: ArrayLike) -> Array:
    """Return the elementwise quotient, nan where the denominator is 0.

    Args:
        numerators: Any shape.
        denominators: The same shape.
    """
    tops, bottoms = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    return np.divide(tops, bottoms, out=np.full(np.broadcast(tops, bottoms).shape, np.nan), where=bottoms != 0)


def bootstrap_sums(sums: Sequence[Array], *, resamples: int = RESAMPLES, seed: int = 0) -> list[Array]:
    """Return totals over images that are drawn with replacement; all arrays see the same draws.

    Args:
        sums: Arrays (images, K).
        resamples: Number of draws of as many images as there are.
        seed: Seed of the draws.

    Returns:
        For each array its totals, (resamples, K).

    Raises:
        InvalidInputError: If `resamples` is below 1.
    """
    if resamples < 1:
        raise InvalidInputError(f"resamples={resamples} was given; a number from 1 up is accepted.")
    images = len(sums[0])
    rng = np.random.default_rng(seed)
    totals = [np.zeros((resamples, array.shape[1])) for array in sums]
    step = max(1, 2_000_000 // max(1, images))
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        draws = rng.multinomial(images, np.full(images, 1 / images), size=count) if images else np.zeros((count, 0))
        for total, array in zip(totals, sums, strict=True):
            total[start : start + count] = draws @ array
    return totals


def percentile_interval(draws: Array, units: ArrayLike, *, level: float = 0.95) -> tuple[Array, Array]:
    """Return the ends of percentile intervals.

    Args:
        draws: Statistics of the resamples, (resamples, K).
        units: Number of images behind each statistic, (K,).
        level: Confidence, 0-1.

    Returns:
        Lower and upper ends, (K,) each; nan where there are fewer than `MIN_IMAGES` images.

    Raises:
        InvalidInputError: If `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise InvalidInputError(f"level={level} was given; a share between 0 and 1 is accepted, e.g. 0.95.")
    low, high = np.full(draws.shape[1], np.nan), np.full(draws.shape[1], np.nan)
    known = (np.asarray(units) >= MIN_IMAGES) & np.isfinite(draws).any(axis=0)
    if known.any():
        tail = 100 * (1 - level) / 2
        low[known], high[known] = np.nanpercentile(draws[:, known], [tail, 100 - tail], axis=0)
    return low, high


def ratio_intervals(
    numerators: Array, denominators: Array, *, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> tuple[Array, Array]:
    """Return percentile bootstrap intervals of ratios of sums over images.

    Args:
        numerators: One column for each statistic, (images, K).
        denominators: The same shape; an image without a part in a statistic has 0 there.
        resamples: Number of draws.
        seed: Seed of the draws.
        level: Confidence, 0-1.

    Returns:
        Lower and upper ends, (K,) each; nan where fewer than `MIN_IMAGES` images have a part.

    Raises:
        InvalidInputError: If `resamples` or `level` is out of range.

    Example:
        >>> values = np.arange(30.0)[:, None]
        >>> low, high = ratio_intervals(values, np.ones_like(values))
        >>> bool(low[0] < values.mean() < high[0])
        True
    """
    tops, bottoms = bootstrap_sums([numerators, denominators], resamples=resamples, seed=seed)
    return percentile_interval(ratio(tops, bottoms), (denominators != 0).sum(axis=0), level=level)


def sign_flip_test(
    numerators_a: Array, denominators_a: Array, numerators_b: Array, denominators_b: Array, *, seed: int = 0
) -> float:
    """Return the two-sided p-value of a paired permutation test: on each image the two methods may change places.

    All exchanges are enumerated where at most `EXACT_IMAGES` images differ; else `FLIPS` random ones are drawn, and
    the observed one is counted among them. With n images that differ, the p-value is at least 2 / 2^n.

    Args:
        numerators_a: Numerators of method a by image, (images,).
        denominators_a: Its denominators, (images,).
        numerators_b: Numerators of method b, (images,).
        denominators_b: Its denominators, (images,).
        seed: Seed of random exchanges.

    Example:
        >>> better, ones = np.array([1.0, 1.0, 1.0]), np.ones(3)
        >>> sign_flip_test(better, ones, 0 * better, ones)
        0.25
    """
    tops = np.stack([numerators_a, numerators_b]).astype(float)
    bottoms = np.stack([denominators_a, denominators_b]).astype(float)
    halves = np.stack([tops[0] - tops[1], bottoms[0] - bottoms[1]]) / 2
    halves = halves[:, (halves != 0).any(axis=0)]
    images = halves.shape[1]
    if not images:
        return 1.0
    if images <= EXACT_IMAGES:
        signs = 1.0 - 2.0 * (np.arange(2**images)[:, None] >> np.arange(images) & 1)
    else:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(FLIPS, images))
    means = np.stack([tops.sum(axis=0).sum(), bottoms.sum(axis=0).sum()]) / 2
    moved = signs @ halves.T
    statistics = ratio(means[0] + moved[:, 0], means[1] + moved[:, 1])
    statistics -= ratio(means[0] - moved[:, 0], means[1] - moved[:, 1])
    whole = halves.sum(axis=1)
    observed = ratio(means[0] + whole[0], means[1] + whole[1]) - ratio(means[0] - whole[0], means[1] - whole[1])
    beyond = int((np.abs(statistics) >= np.abs(observed) * (1 - 1e-9)).sum())
    return beyond / len(signs) if images <= EXACT_IMAGES else (beyond + 1) / (FLIPS + 1)


def holm(p_values: ArrayLike) -> Array:
    """Return p-values of a family of tests after Holm's correction, which bounds the chance of any false rejection.

    Args:
        p_values: One for each test, (tests,); nan for a test that was not made, which does not count.

    Returns:
        Corrected values in the same order, at most 1.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=float)
    corrected = np.full(values.shape, np.nan)
    order = np.argsort(values)[: int(np.isfinite(values).sum())]
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * factors))
    return corrected
