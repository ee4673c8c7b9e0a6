"""Metrics of referring image segmentation. Each is a sum over expressions divided by another sum.

Tables and bootstrap rely on this form only: an image contributes its two sums.
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
        name: Name as in `Evaluation.table`.
        title: Name for figures.
        numerator: Column of `terms(rows)`.
        denominator: Column of `terms(rows)`.
    """

    name: str
    title: str
    numerator: str
    denominator: str = "count"


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("miou", "mIoU", "iou"),
        Metric("oiou", "oIoU", "intersection", "union"),
        *(Metric(f"accuracy_{round(100 * t)}", f"Pr@{t}", f"accuracy_{round(100 * t)}") for t in THRESHOLDS),
        Metric("accuracy", "best proposal chosen", "accuracy"),
        Metric("upper_bound", "upper bound (mIoU)", "upper_bound_iou"),
        Metric("upper_bound_oiou", "upper bound (oIoU)", "upper_bound_intersection", "upper_bound_union"),
        Metric("giou", "gIoU", "iou"),
        Metric("ciou", "cIoU", "intersection", "union"),
        Metric("n_acc", "N-acc.", "rejected", "no_target"),
        Metric("t_acc", "T-acc.", "accepted", "has_target"),
    )
}
GREFCOCO = ("giou", "ciou", "n_acc", "t_acc")  # of expressions with any number of targets, none included
_OPTIONAL = ("upper_bound_intersection", "upper_bound_union", "rejected", "no_target", "accepted", "has_target")
EXPECTED = ("accuracy", *(f"accuracy_{round(100 * t)}" for t in THRESHOLDS))


def mask_iou(prediction: np.ndarray, reference: np.ndarray) -> float:
    """Return the intersection over union of two masks; 0 if both are empty.

    Args:
        prediction: (H, W) array.
        reference: (H, W) array.

    Raises:
        InvalidInputError: If the masks have different sizes.
    """
    a, b = np.asarray(prediction, dtype=bool), np.asarray(reference, dtype=bool)
    if a.shape != b.shape:
        raise InvalidInputError(
            f"The prediction is {a.shape} and the reference {b.shape}; both must have the image's size."
        )
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 0.0


def terms(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with a column for every sum that a metric needs.

    Adds `count` (1), `accuracy` (1 if no proposal has a larger IoU than the prediction, and that is not 0),
    `accuracy_50` to `accuracy_90` (1 if the IoU is above the threshold), `has_target` and `no_target` (1 if the
    reference has pixels, and if it has none), `accepted` (1 if a reference with pixels has a predicted pixel) and
    `rejected` (1 if a reference without pixels has none). Rows of the chance baseline have their expected values
    already. Columns that cannot be derived are nan.

    Args:
        rows: At least the columns iou and upper_bound_iou.
    """
    added = {"count": np.ones(len(rows))}
    if "accuracy" not in rows:
        iou = rows["iou"].to_numpy(dtype=float)
        best = rows["upper_bound_iou"].to_numpy(dtype=float)
        added["accuracy"] = ((iou >= best) & (iou > 0)).astype(float)
        added |= {f"accuracy_{round(100 * t)}": (iou > t).astype(float) for t in THRESHOLDS}
    if "target_area" in rows:
        area = rows["target_area"].to_numpy(dtype=float)
        predicted = rows["intersection"].to_numpy(dtype=float) + rows["union"].to_numpy(dtype=float) - area
        added |= {"has_target": (area > 0).astype(float), "no_target": (area == 0).astype(float)}
        added["accepted"] = ((area > 0) & (predicted > 0)).astype(float)
        # A row that failed, for example since its annotation is malformed, has no prediction and rejects nothing.
        valid = rows["error"].isna().to_numpy() if "error" in rows else np.ones(len(rows), dtype=bool)
        added["rejected"] = ((area == 0) & (predicted == 0) & valid).astype(float)
    added |= {name: np.full(len(rows), np.nan) for name in _OPTIONAL if name not in rows and name not in added}
    return rows.assign(**added)


def measure(rows: pd.DataFrame, metrics: tuple[str, ...] | list[str] | None = None) -> dict[str, float]:
    """Return metrics over the rows of one method as shares 0-1; nan without rows.

    `miou` is the mean IoU over expressions and `oiou` the total intersection over the total union. `accuracy_50` to
    `accuracy_90` are the shares of expressions with an IoU above the threshold (Pr@0.5 to Pr@0.9). `accuracy` is the
    share whose prediction is the proposal with the largest IoU, `upper_bound` and `upper_bound_oiou` the mIoU and oIoU
    of that proposal.

    Four metrics are for expressions that may have no target (gRefCOCO; Liu et al., CVPR 2023): `giou` and `ciou` are
    the two means, in which an empty prediction for no target has IoU 1; `n_acc` is the share of expressions without a
    target that get an empty mask, and `t_acc` the share of the others that do not.

    Args:
        rows: At least the columns iou, intersection, union and upper_bound_iou; target_area for the last two metrics.
        metrics: Names from `METRICS`; None for all.

    Raises:
        InvalidInputError: If a metric is unknown.
    """
    summed = terms(rows)
    result = {}
    for metric in find_metrics(metrics):
        top, bottom = summed[metric.numerator].sum(), summed[metric.denominator].sum()
        result[metric.name] = float(top / bottom) if bottom else float("nan")
    return result


def find_metrics(names: tuple[str, ...] | list[str] | None) -> list[Metric]:
    """Return metrics by name, all for None; raise InvalidInputError for an unknown one."""
    unknown = [name for name in names or () if name not in METRICS]
    if unknown:
        raise InvalidInputError(f"metric {unknown[0]!r} is unknown; use {', '.join(METRICS)}.")
    return [METRICS[name] for name in (METRICS if names is None else names)]
