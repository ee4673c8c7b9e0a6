"""Kinds of errors: shares of each outcome by method and group, with intervals, and pages of examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zsris_viz.datasets.files import FileDataset
from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation.matching import OUTCOMES
from zsris_viz.evaluation.row_masks import predicted_mask
from zsris_viz.evaluation.statistics import IMAGE
from zsris_viz.evaluation.tables import MIN_CELL, add_groups, group_keys
from zsris_viz.resampling import RESAMPLES, ratio_intervals

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from torch import Tensor

    from zsris_viz.datasets.types import Dataset, Expression, Sample
    from zsris_viz.proposals.base import Proposer


def outcome_table(
    rows: pd.DataFrame,
    by: str | Sequence[str] | None = None,
    *,
    with_intervals: bool = True,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how often each outcome occurs, in per cent of the expressions (0-100).

    The outcomes are in :data:`zsris_viz.evaluation.matching.OUTCOMES`, which says what each means; every expression has
    exactly one, so a method's shares add up to 100.

    Args:
        rows: Result rows of one or more methods.
        by: Groups, as in :func:`~zsris_viz.evaluation.tables.metric_table`: "kind", "distractors", "length", ...
        with_intervals: Whether to add `low` and `high`, 95 % intervals by bootstrap over images (nan below 20 images).
        resamples: Number of draws of the bootstrap.
        seed: Seed of the draws.

    Returns:
        A frame with the columns method, those of `by`, outcome, count, n (expressions of the group), share, low, high:
        a row for each outcome that occurs anywhere in `rows`, in the order of `OUTCOMES`. Groups of fewer than 10
        expressions have no share.

    Raises:
        InvalidInputError: If a group is unknown, or the rows have no outcomes.
    """
    import pandas as pd

    _need_outcomes(rows)
    keys = group_keys(by)
    grouped = add_groups(rows, keys)
    order = pd.CategoricalDtype(list(dict.fromkeys(rows["method"])), ordered=True)
    grouped = grouped.assign(method=grouped["method"].astype(order))
    occurring = [outcome for outcome in OUTCOMES if (rows["outcome"] == outcome).any()]
    lines = []
    for found, part in grouped.groupby(["method", *keys], sort=True, observed=True):
        hits = pd.DataFrame({outcome: (part["outcome"] == outcome).astype(float) for outcome in occurring})
        hits["count"] = 1.0
        reported = not keys or len(part) >= MIN_CELL
        ends = _ends(part, hits, resamples, seed) if with_intervals and reported else {}
        for outcome in occurring:
            line: dict[str, Any] = dict(zip(["method", *keys], map(str, found), strict=True))
            count = int(hits[outcome].sum())
            line |= {
                "outcome": outcome,
                "count": count,
                "n": len(part),
                "share": 100 * count / len(part) if reported else np.nan,
            }
            if with_intervals:
                line["low"], line["high"] = ends.get(outcome, (np.nan, np.nan))
            lines.append(line)
    return pd.DataFrame(lines)


def _ends(part: pd.DataFrame, hits: pd.DataFrame, resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    """Percentile interval of every share, images resampled."""
    names = [name for name in hits if name != "count"]
    by_image = [part[name].to_numpy() for name in IMAGE]
    sums = hits.groupby(by_image, sort=True, observed=True).sum()
    tops = sums[names].to_numpy(float)
    ones = np.repeat(sums[["count"]].to_numpy(float), len(names), axis=1)
    low, high = ratio_intervals(tops, ones, resamples=resamples, seed=seed)
    return {name: (100 * float(a), 100 * float(b)) for name, a, b in zip(names, low, high, strict=True)}


def example_page(
    rows: pd.DataFrame,
    data: Dataset,
    proposals: Proposer,
    outcome: str,
    *,
    method: str | None = None,
    count: int = 4,
    seed: int = 0,
    cell: float = 1.7,
    predict: Callable[[Sample, Expression], Tensor] | None = None,
) -> Figure | None:
    """Draw expressions with one outcome, chosen at random: image with reference, best proposal and prediction.

    Args:
        rows: Result rows on `data` with `proposals`, all in one split.
        data: Dataset that the rows were made with.
        proposals: Source of their proposals, which are computed again for the images that are shown.
        outcome: One of `OUTCOMES`.
        method: Label of the method; may be left out where the rows have one method.
        count: Largest number of expressions, of different images while there are enough.
        seed: Seed of the draw.
        cell: Width of a picture in inches.
        predict: Function that returns the (H, W) bool mask of an expression again; needed for a method that draws a
            mask of its own, which the rows do not hold.

    Returns:
        A figure, or None if no expression has the outcome.

    Raises:
        InvalidInputError: If the outcome or method is unknown, several methods are in the rows and none is named, the
            rows have no outcomes, masks of the method's own are needed and `predict` is missing, or a mask does not
            have the IoU of its row.
    """
    from zsris_viz.figures import Choices, show_choices  # slow to import

    if outcome not in OUTCOMES:
        raise InvalidInputError(f"outcome={outcome!r} is unknown; use {', '.join(map(repr, OUTCOMES))}.")
    _need_outcomes(rows)
    methods = list(dict.fromkeys(rows["method"]))
    if (method is None and len(methods) > 1) or method not in (None, *methods):
        raise InvalidInputError(f"method={method!r} is unknown here; give one of {', '.join(methods)}.")
    mine = rows if method is None else rows[rows["method"] == method]
    found = mine[mine["outcome"] == outcome].sample(frac=1, random_state=seed)
    if found.empty:
        return None
    repeated = found.duplicated("image_id").to_numpy()
    found = found.iloc[np.argsort(repeated, kind="stable")[:count]]
    samples = find_samples(data, set(found["image_id"]))
    lines = []
    for row in found.itertuples():
        sample = samples[row.image_id]
        reference, expression = next(pair for pair in sample.pairs() if str(pair[1].sentence_id) == row.sentence_id)
        truth = reference.mask
        masks = proposals.propose_for(sample)
        best = masks[int(masks.iou(truth)[:, 0].argmax())] if len(masks) else None
        lines.append(
            Choices(
                sample.image,
                _caption(row),
                truth,
                {"best proposal": best, "prediction": predicted_mask(row, masks, sample, expression, predict)},
            )
        )
    title = f"{outcome[0].upper()}{outcome[1:]}: {len(found)} of {int((mine['outcome'] == outcome).sum())}"
    return show_choices(lines, title=f"{title}, {method or methods[0]}", cell=cell)


def find_samples(data: Dataset, image_ids: set[str]) -> dict[str, Sample]:
    """Return samples by image id; a dataset without a list of ids is read from the front until all are found.

    Args:
        data: Dataset.
        image_ids: Ids of the images.

    Raises:
        InvalidInputError: If the dataset does not have one of the images.
    """
    listed = [image_id for image_id, _ in data.images()] if isinstance(data, FileDataset) else []
    known = [index for index, image_id in enumerate(listed) if image_id in image_ids]
    found: dict[str, Sample] = {}
    for index in known if len(known) == len(image_ids) else range(len(data)):
        sample = data[index]
        if str(sample.image_id) in image_ids:
            found[str(sample.image_id)] = sample
            if len(found) == len(image_ids):
                return found
    missing = sorted(image_ids - set(found))
    if missing:
        raise InvalidInputError(f"The dataset has no image {missing[0]!r}; give the one that the rows were made with.")
    return found


def _caption(row: Any) -> str:
    shown = row.chosen_category
    known = isinstance(shown, str) and row.outcome != "right"
    return f"{row.expression} (predicted: {shown})" if known else str(row.expression)


def _need_outcomes(rows: pd.DataFrame) -> None:
    if "outcome" not in rows or rows["outcome"].isna().all():
        raise InvalidInputError(
            "These rows have no outcomes, as those of the chance baseline; give the rows of methods."
        )
