"""Intervals of metrics and paired comparisons of methods; images are resampled, not expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation.metrics import METRICS, Metric, find_metrics, terms
from zsris_viz.resampling import (
    MIN_IMAGES,
    RESAMPLES,
    bootstrap_sums,
    holm,
    percentile_interval,
    ratio,
    ratio_intervals,
    sign_flip_test,
)

if TYPE_CHECKING:
    import pandas as pd

IDENTITY = ["dataset", "split", "image_id", "ref_id", "sentence_id"]
IMAGE = ["dataset", "split", "image_id"]


def image_sums(rows: pd.DataFrame, metrics: Sequence[Metric]) -> tuple[np.ndarray, np.ndarray]:
    """Return numerators and denominators of metrics by image.

    Args:
        rows: Rows of one method.
        metrics: What is measured.

    Returns:
        Two (images, metrics) float64 arrays, images sorted by id.
    """
    columns = sorted({metric.numerator for metric in metrics} | {metric.denominator for metric in metrics})
    sums = terms(rows).groupby(IMAGE, sort=True, observed=True)[columns].sum()
    tops = np.stack([sums[metric.numerator].to_numpy(dtype=float) for metric in metrics], axis=1)
    bottoms = np.stack([sums[metric.denominator].to_numpy(dtype=float) for metric in metrics], axis=1)
    return tops, bottoms


def intervals(
    rows: pd.DataFrame,
    metrics: Sequence[str] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Return the percentile bootstrap interval of each metric.

    Args:
        rows: Rows of one method.
        metrics: Names of metrics; None for all.
        resamples: Number of draws.
        seed: Seed of the draws.
        level: Confidence, 0-1.

    Returns:
        Name of a metric and the ends of its interval as shares 0-1; nan below 20 images.
    """
    chosen = find_metrics(None if metrics is None else list(metrics))
    low, high = ratio_intervals(*image_sums(rows, chosen), resamples=resamples, seed=seed, level=level)
    return {metric.name: (float(low[i]), float(high[i])) for i, metric in enumerate(chosen)}


@dataclass(frozen=True)
class Comparison:
    """The difference of method a and method b on the same expressions.

    Attributes:
        metric: Name of the metric.
        a: Label of one method.
        b: Label of the other.
        difference: Metric of a minus metric of b, as a share (100 times it are points).
        low: Lower end of its paired bootstrap interval; nan below 20 images.
        high: Upper end.
        p_value: Two-sided p-value of the paired sign-flip test; exact where at most 14 images differ.
        n: Number of expressions.
        images: Number of images.
    """

    metric: str
    a: str
    b: str
    difference: float
    low: float
    high: float
    p_value: float
    n: int
    images: int

    def __str__(self) -> str:
        known = np.isfinite(self.low)
        ends = (
            f"[{100 * self.low:+.1f}, {100 * self.high:+.1f}]" if known else f"(no interval below {MIN_IMAGES} images)"
        )
        return (
            f"{self.metric}: {self.a} - {self.b} = {100 * self.difference:+.1f} points {ends}, "
            f"p = {self.p_value:.3g}, {self.n} expressions on {self.images} images"
        )

    def sentence(self, a: str | None = None, b: str | None = None) -> str:
        """Say in one sentence what the comparison shows, and no more than its interval allows.

        Args:
            a: Name of the first method in the sentence; None for its label.
            b: Name of the second.
        """
        points = 100 * self.difference
        title = METRICS[self.metric].title
        if abs(points) < 0.05:
            names = f"{a or self.a} and {b or self.b} have the same {title}"
        else:
            place = "above" if points > 0 else "below"
            names = f"{a or self.a} is {abs(points):.1f} points of {title} {place} {b or self.b}"
        sample = f"{self.n} expressions on {self.images} images"
        if not np.isfinite(self.low):
            return f"{names} ({sample}, too few images for an interval)."
        ends = f"95 % interval {100 * self.low:+.1f} to {100 * self.high:+.1f}, {sample}"
        if self.low <= 0 <= self.high:
            return f"{names} ({ends}); the interval contains 0, so this sample does not show a difference."
        return f"{names} ({ends})."


def compare_methods(
    rows_a: pd.DataFrame,
    rows_b: pd.DataFrame,
    metric: str = "miou",
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Compare two methods on the same expressions.

    The interval comes from a bootstrap in which both methods see the same resampled images, and the p-value from a
    permutation test in which they change places on single images, so what images have in common cancels out.

    Args:
        rows_a: Rows of one method.
        rows_b: Rows of the other, on the same expressions.
        metric: Name of a metric.
        resamples: Number of draws of the bootstrap.
        seed: Seed of the draws.
        level: Confidence of the interval, 0-1.

    Raises:
        InvalidInputError: If the metric is unknown, there are no rows, or they are of different expressions.
    """
    (found,) = find_metrics([metric])
    names = [str(rows["method"].iloc[0]) if len(rows) else "no rows" for rows in (rows_a, rows_b)]
    ids = [set(map(tuple, rows[IDENTITY].itertuples(index=False))) for rows in (rows_a, rows_b)]
    if ids[0] != ids[1] or not ids[0]:
        raise InvalidInputError(
            f"{names[0]!r} has {len(ids[0])} expressions and {names[1]!r} {len(ids[1])}, of which "
            f"{len(ids[0] & ids[1])} are the same; a paired comparison needs the same ones: evaluate both methods on "
            "the same images in one run."
        )
    sums = [array for rows in (rows_a, rows_b) for array in image_sums(rows, [found])]
    totals = bootstrap_sums(sums, resamples=resamples, seed=seed)
    draws = ratio(totals[0], totals[1]) - ratio(totals[2], totals[3])
    low, high = percentile_interval(draws, [len(sums[0])], level=level)
    whole = [array.sum() for array in sums]
    return Comparison(
        metric=metric,
        a=names[0],
        b=names[1],
        difference=float(ratio(whole[0], whole[1]) - ratio(whole[2], whole[3])),
        low=float(low[0]),
        high=float(high[0]),
        p_value=sign_flip_test(*(array[:, 0] for array in sums), seed=seed),
        n=len(ids[0]),
        images=len(sums[0]),
    )


def holm_table(comparisons: Mapping[str, Comparison], name: str = "method") -> pd.DataFrame:
    """Return comparisons that belong to one family as a table, with Holm's correction for their number.

    Args:
        comparisons: Comparisons by the name of their row.
        name: Name of the first column.

    Returns:
        A frame with the column `name` and the columns difference, low, high (points), p, p_holm, n and images.
    """
    import pandas as pd

    corrected = holm([comparison.p_value for comparison in comparisons.values()])
    lines = [
        {
            name: row,
            "difference": 100 * comparison.difference,
            "low": 100 * comparison.low,
            "high": 100 * comparison.high,
            "p": comparison.p_value,
            "p_holm": p_holm,
            "n": comparison.n,
            "images": comparison.images,
        }
        for (row, comparison), p_holm in zip(comparisons.items(), corrected, strict=True)
    ]
    return pd.DataFrame(lines, columns=[name, "difference", "low", "high", "p", "p_holm", "n", "images"])
