"""In which way choices are wrong: shares of each outcome, by method and group, with intervals, and example pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation.matching import OUTCOMES
from zsris_viz.evaluation.statistics import IMAGE, RESAMPLES, resampled
from zsris_viz.evaluation.tables import add_groups, group_keys

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from zsris_viz.datasets.types import Dataset, Sample
    from zsris_viz.masks import Masks
    from zsris_viz.proposals.base import Proposer

ERRORS = tuple(outcome for outcome in OUTCOMES if outcome != "right")


def outcome_table(
    rows: pd.DataFrame,
    by: str | Sequence[str] | None = None,
    *,
    with_intervals: bool = True,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """How often each outcome happens, in per cent of the expressions (0-100).

    The outcomes are in :data:`zsris_viz.evaluation.matching.OUTCOMES`, which says what each means; every expression has
    exactly one, so a method's shares add up to 100.

    Args:
        rows: result rows of one or more methods.
        by: groups, as in :func:`~zsris_viz.evaluation.tables.metric_table`: "kind", "distractors", "length", ...
        with_intervals: add `low` and `high`, 95 % intervals by bootstrap over images.
        resamples, seed: of the bootstrap.

    Returns:
        A frame with the columns method, those of `by`, outcome, count, n (expressions of the group), share, low, high:
        a row for each outcome that occurs anywhere in `rows`, in the order of `OUTCOMES`.

    Raises:
        InvalidInputError: an unknown group, or rows without outcomes.
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
        hits["one"] = 1.0
        ends = _ends(part, hits, resamples, seed) if with_intervals else {}
        for outcome in occurring:
            line: dict[str, Any] = dict(zip(["method", *keys], map(str, found), strict=True))
            count = int(hits[outcome].sum())
            line |= {"outcome": outcome, "count": count, "n": len(part), "share": 100 * count / len(part)}
            if with_intervals:
                line["low"], line["high"] = ends[outcome]
            lines.append(line)
    return pd.DataFrame(lines)


def _ends(part: pd.DataFrame, hits: pd.DataFrame, resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    """Percentile interval of every share, images resampled."""
    names = [name for name in hits if name != "one"]
    by_image = [part[name].to_numpy() for name in IMAGE]
    sums = hits.groupby(by_image, sort=True, observed=True).sum()
    tops, ones = resampled([sums[names].to_numpy(float), sums[["one"]].to_numpy(float)], resamples=resamples, seed=seed)
    low, high = np.percentile(100 * tops / ones, [2.5, 97.5], axis=0)
    return {name: (float(a), float(b)) for name, a, b in zip(names, low, high, strict=True)}


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
) -> Figure | None:
    """Expressions with one outcome, drawn at random: the image with the right mask, the best proposal and the choice.

    Args:
        rows: result rows on `data` with `proposals`, all in one split.
        data, proposals: what the rows were made with; proposals are made anew for the images that are shown.
        outcome: one of `OUTCOMES`. method: whose choices; may be left out where the rows have one method.
        count: at most so many expressions, of different images while there are enough. seed: of the draw.
        cell: width of a picture in inches.

    Returns:
        A figure, or None if no expression has the outcome.

    Raises:
        InvalidInputError: an unknown outcome or method, several methods and none named, or rows without outcomes.
    """
    from zsris_viz.figures import Choices, show_choices  # a floor above: only a drawing asks for it

    if outcome not in OUTCOMES:
        raise InvalidInputError(f"outcome={outcome!r} is unknown; use {', '.join(map(repr, OUTCOMES))}.")
    _need_outcomes(rows)
    methods = list(dict.fromkeys(rows["method"]))
    if (method is None and len(methods) > 1) or method not in (None, *methods):
        raise InvalidInputError(f"method={method!r}: say whose choices to show: {', '.join(methods)}.")
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
        truth = next(r.mask for r, said in sample.pairs() if str(said.sentence_id) == row.sentence_id)
        masks = proposals.propose_for(sample)
        best = masks[int(masks.iou(truth)[:, 0].argmax())] if len(masks) else None
        lines.append(Choices(sample.image, _caption(row), truth, {"best proposal": best, "choice": _of(masks, row)}))
    told = f"{outcome[0].upper()}{outcome[1:]}: {len(found)} of {int((mine['outcome'] == outcome).sum())}"
    return show_choices(lines, title=f"{told}, {method or methods[0]}", cell=cell)


def find_samples(data: Dataset, image_ids: set[str]) -> dict[str, Sample]:
    """Samples by image id. Without a list of ids the dataset is read from the front until all are found.

    Raises:
        InvalidInputError: an image that the dataset does not have.
    """
    listed = [image_id for image_id, _ in data.images()] if hasattr(data, "images") else []
    known = [index for index, image_id in enumerate(listed) if image_id in image_ids]
    found: dict[str, Sample] = {}
    for index in known if len(known) == len(image_ids) else range(len(data)):
        sample = data[index]
        if str(sample.image_id) in image_ids:
            found[str(sample.image_id)] = sample
            if len(found) == len(image_ids):
                return found
    lacking = sorted(image_ids - set(found))
    if lacking:
        raise InvalidInputError(f"The dataset has no image {lacking[0]!r}; give the one that the rows were made with.")
    return found


def _caption(row: Any) -> str:
    shown = row.chosen_category
    known = isinstance(shown, str) and row.outcome != "right"
    return f"{row.expression} (choice: {shown})" if known else str(row.expression)


def _of(masks: Masks, row: Any) -> Any:
    import pandas as pd

    return None if pd.isna(row.chosen) else masks[int(row.chosen)]


def _need_outcomes(rows: pd.DataFrame) -> None:
    if "outcome" not in rows or rows["outcome"].isna().all():
        raise InvalidInputError(
            "These rows do not say what went wrong: they are of the chance baseline or of an older version. Evaluate "
            "again with a new output folder."
        )
