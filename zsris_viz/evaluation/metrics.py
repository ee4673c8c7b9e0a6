"""Metrics of referring image segmentation. Each is a sum over expressions divided by another sum.

That form is all that the tables and the bootstrap need to know: an image contributes its two sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsris_viz.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Metric:
    """A ratio of two sums over expressions.

    Attributes:
        name: as in `table()`. title: for figures. numerator, denominator: columns of `terms(rows)`.
    """

    name: str
    title: str
    numerator: str
    denominator: str = "one"


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("miou", "mIoU", "iou"),
        Metric("oiou", "oIoU", "intersection", "union"),
        *(Metric(f"accuracy_{round(100 * t)}", f"Pr@{t}", f"accuracy_{round(100 * t)}") for t in THRESHOLDS),
        Metric("accuracy", "best proposal chosen", "accuracy"),
        Metric("upper_bound", "upper bound (mIoU)", "upper_bound_iou"),
        Metric("upper_bound_oiou", "upper bound (oIoU)", "upper_bound_intersection", "upper_bound_union"),
    )
}
BEST_PIXELS = ("upper_bound_intersection", "upper_bound_union")
EXPECTED = ("accuracy", *(f"accuracy_{round(100 * t)}" for t in THRESHOLDS))


def mask_iou(prediction: np.ndarray, reference: np.ndarray) -> float:
    """Intersection over union of two (H, W) masks; 0 if both are empty.

    Raises:
        InvalidInputError: masks of different sizes.
    """
    a, b = np.asarray(prediction, dtype=bool), np.asarray(reference, dtype=bool)
    if a.shape != b.shape:
        raise InvalidInputError(
            f"The prediction is {a.shape} and the reference {b.shape}; both must have the image's size."
        )
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 0.0


def terms(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column for every sum that a metric needs.

    Adds `one` (1), `accuracy` (1 if no proposal has a larger IoU than the chosen one, and that is not 0) and
    `accuracy_50` ... `accuracy_90` (1 if the IoU is above the threshold). Rows of the chance baseline have their
    expected values already. Pixels of the best proposal, which older rows lack, are nan.
    """
    added = {"one": np.ones(len(rows))}
    if "accuracy" not in rows:
        iou = rows["iou"].to_numpy(dtype=float)
        best = rows["upper_bound_iou"].to_numpy(dtype=float)
        added["accuracy"] = ((iou >= best) & (iou > 0)).astype(float)
        added |= {f"accuracy_{round(100 * t)}": (iou > t).astype(float) for t in THRESHOLDS}
    added |= {name: np.full(len(rows), np.nan) for name in BEST_PIXELS if name not in rows}
    return rows.assign(**added)


def measure(rows: pd.DataFrame, metrics: tuple[str, ...] | list[str] | None = None) -> dict[str, float]:
    """Metrics over rows of one method, as shares 0-1; nan without rows.

    Args:
        rows: at least the columns iou, intersection, union, upper_bound_iou.
        metrics: names from `METRICS`; default all. `miou` is the mean over expressions; `oiou` total intersection
            over total union (also called cIoU); `accuracy_50` Pr@0.5, the share of expressions with IoU above 0.5,
            and so on to 0.9; `accuracy` the share whose chosen proposal is the one with the largest IoU;
            `upper_bound` and `upper_bound_oiou` the mIoU and oIoU of always choosing that one.

    Raises:
        InvalidInputError: an unknown metric.
    """
    summed = terms(rows)
    result = {}
    for metric in find_metrics(metrics):
        top, bottom = summed[metric.numerator].sum(), summed[metric.denominator].sum()
        result[metric.name] = float(top / bottom) if bottom else float("nan")
    return result


def find_metrics(names: tuple[str, ...] | list[str] | None) -> list[Metric]:
    """Metrics by name; all for None. Raises InvalidInputError for an unknown one."""
    unknown = [name for name in names or () if name not in METRICS]
    if unknown:
        raise InvalidInputError(f"metric {unknown[0]!r} is unknown; use {', '.join(METRICS)}.")
    return [METRICS[name] for name in (METRICS if names is None else names)]
