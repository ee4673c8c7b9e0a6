"""Bootstrap intervals and paired comparisons. Images are resampled, not expressions.

The expressions of one image share its proposals and often its objects, so they are no independent draws; an interval
from resampled expressions would be too narrow. Every resample draws as many images as there are, with replacement,
and each image brings all its expressions (a cluster bootstrap with percentile intervals).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation.metrics import Metric, find_metrics, terms

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 1000
IDENTITY = ["dataset", "split", "image_id", "ref_id", "sentence_id"]
IMAGE = ["dataset", "split", "image_id"]


def image_sums(rows: pd.DataFrame, metrics: Sequence[Metric]) -> tuple[np.ndarray, np.ndarray]:
    """Numerators and denominators of each metric by image: two (images, metrics) float64 arrays, images sorted by
    id."""
    columns = sorted({metric.numerator for metric in metrics} | {metric.denominator for metric in metrics})
    sums = terms(rows).groupby(IMAGE, sort=True, observed=True)[columns].sum()
    tops = np.stack([sums[metric.numerator].to_numpy(dtype=float) for metric in metrics], axis=1)
    bottoms = np.stack([sums[metric.denominator].to_numpy(dtype=float) for metric in metrics], axis=1)
    return tops, bottoms


def resampled(sums: Sequence[np.ndarray], *, resamples: int = RESAMPLES, seed: int = 0) -> list[np.ndarray]:
    """Totals of `sums` over resampled images; all arrays see the same draws.

    Args:
        sums: arrays (images, K).
        resamples: how many draws of as many images as there are, with replacement.
        seed: of the draws; the same seed and number of images give the same draws.

    Returns:
        For each array its totals, (resamples, K).
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


def intervals(
    rows: pd.DataFrame,
    metrics: Sequence[str] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap interval of each metric, as shares 0-1.

    Args:
        rows: of one method. metrics: names; default all. level: of confidence, 0-1.

    Returns:
        Metric name -> (low, high); nan without rows.
    """
    chosen = find_metrics(None if metrics is None else list(metrics))
    tops, bottoms = resampled(image_sums(rows, chosen), resamples=resamples, seed=seed)
    values = _ratio(tops, bottoms)
    tail = 100 * (1 - _checked(level)) / 2
    return {
        metric.name: (float(np.percentile(column, tail)), float(np.percentile(column, 100 - tail)))
        for metric, column in zip(chosen, values.T, strict=True)
    }


@dataclass(frozen=True)
class Comparison:
    """Method a minus method b on the same expressions, as shares 0-1 (multiply by 100 for points).

    Attributes:
        metric, a, b: names. difference: a minus b. low, high: its interval. p_value: two-sided, the share of
            resamples on the other side of 0, doubled; never below 1 / (resamples + 1). n: expressions. images: how
            many images were resampled.
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
        return (
            f"{self.metric}: {self.a} - {self.b} = {100 * self.difference:+.1f} points "
            f"[{100 * self.low:+.1f}, {100 * self.high:+.1f}], p = {self.p_value:.3g}, "
            f"{self.n} expressions on {self.images} images"
        )


def compare_methods(
    rows_a: pd.DataFrame,
    rows_b: pd.DataFrame,
    metric: str = "miou",
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Paired bootstrap: both methods see the same resampled images, so what images have in common cancels out.

    Args:
        rows_a, rows_b: of one method each, on the same expressions.

    Raises:
        InvalidInputError: an unknown metric, no rows, or rows of different expressions.
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
    totals = resampled(sums, resamples=resamples, seed=seed)
    draws = (_ratio(totals[0], totals[1]) - _ratio(totals[2], totals[3]))[:, 0]
    whole = [float(array.sum()) for array in sums]
    difference = (whole[0] / whole[1] if whole[1] else 0.0) - (whole[2] / whole[3] if whole[3] else 0.0)
    tail = 100 * (1 - _checked(level)) / 2
    beyond = min((draws <= 0).sum(), (draws >= 0).sum())
    return Comparison(
        metric=metric,
        a=names[0],
        b=names[1],
        difference=difference,
        low=float(np.percentile(draws, tail)),
        high=float(np.percentile(draws, 100 - tail)),
        p_value=float(min(1.0, 2 * (beyond + 1) / (resamples + 1))),
        n=len(ids[0]),
        images=len(sums[0]),
    )


def _ratio(tops: np.ndarray, bottoms: np.ndarray) -> np.ndarray:
    """Elementwise quotient, nan where the denominator is 0."""
    return np.divide(tops, bottoms, out=np.full_like(tops, np.nan), where=bottoms != 0)


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise InvalidInputError(f"level={level} was given; a share between 0 and 1 is accepted, e.g. 0.95.")
    return level
