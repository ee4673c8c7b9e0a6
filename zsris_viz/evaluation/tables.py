"""Tables of metrics: a row for each method, and for each group of expressions if asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zsris_viz.datasets.types import KINDS
from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation.metrics import find_metrics, measure
from zsris_viz.evaluation.statistics import intervals
from zsris_viz.resampling import RESAMPLES

if TYPE_CHECKING:
    import pandas as pd

GROUPS = ("kind", "length", "distractors", "dataset", "split", "proposals", "clip")
LENGTHS = ((3, "1-3 words"), (6, "4-6 words"), (10, "7-10 words"), (10**9, "over 10 words"))
DISTRACTORS = ("0", "1", "2", "3 or more")
UNKNOWN = "unknown"
MIN_CELL = 10  # expressions of a group below which its metrics are not reported


def metric_table(
    rows: pd.DataFrame,
    by: str | Sequence[str] | None = None,
    *,
    metrics: Sequence[str] | None = None,
    with_intervals: bool = True,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the metrics of every method in per cent (0-100).

    Groups of fewer than 10 expressions are listed with their size and without metrics.

    Args:
        rows: Result rows of one or more methods.
        by: One or more of "kind" (what singles the object out), "length" (words), "distractors" (others of its
            class), "dataset", "split", "proposals", "clip"; None for one row for each method.
        metrics: Names from `METRICS`; None for all.
        with_intervals: Whether to add `<metric>_low` and `<metric>_high`, 95 % intervals by bootstrap over images,
            which are nan below 20 images.
        resamples: Number of draws of the bootstrap.
        seed: Seed of the draws.

    Returns:
        A frame with the columns method, those of `by`, n (expressions), images, failed (rows with an error), the
        metrics with their intervals, and seconds (mean over expressions). Methods and groups keep their order.

    Raises:
        InvalidInputError: If a group or metric is unknown.
    """
    import pandas as pd

    keys = group_keys(by)
    names = [metric.name for metric in find_metrics(None if metrics is None else list(metrics))]
    grouped = add_groups(rows, keys)
    order = pd.CategoricalDtype(list(dict.fromkeys(rows["method"])), ordered=True)
    grouped = grouped.assign(method=grouped["method"].astype(order))
    lines = []
    for found, part in grouped.groupby(["method", *keys], sort=True, observed=True):
        plain = part.assign(method=part["method"].astype(str))
        reported = not keys or len(part) >= MIN_CELL
        values = measure(plain if reported else plain[:0], names)
        line: dict[str, Any] = dict(zip(["method", *keys], map(str, found), strict=True))
        line |= {
            "n": len(part),
            "images": int(part["image_id"].nunique()),
            "failed": int(part["error"].notna().sum()) if "error" in part else 0,
        }
        ends = intervals(plain, names, resamples=resamples, seed=seed) if with_intervals and reported else {}
        for name in names:
            line[name] = 100 * values[name]
            if with_intervals:
                low, high = ends.get(name, (float("nan"), float("nan")))
                line[f"{name}_low"], line[f"{name}_high"] = 100 * low, 100 * high
        line["seconds"] = float(part["seconds"].mean())
        lines.append(line)
    return pd.DataFrame(lines)


def group_keys(by: str | Sequence[str] | None) -> list[str]:
    """Return names of groups as a list; raise InvalidInputError for an unknown one."""
    keys = [by] if isinstance(by, str) else list(by or [])
    for key in keys:
        if key not in GROUPS:
            raise InvalidInputError(f"by={key!r} is unknown; use {', '.join(GROUPS)}.")
    return keys


def add_groups(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return the rows with the columns `keys` as ordered categories."""
    import numpy as np
    import pandas as pd

    added: dict[str, pd.Categorical] = {}
    for key in keys:
        if key == "length":
            words = rows["expression"].str.split().str.len().to_numpy(dtype=float)
            names = [name for _, name in LENGTHS]
            places = np.searchsorted([limit for limit, _ in LENGTHS], words)
            added[key] = pd.Categorical([names[place] for place in places], categories=names, ordered=True)
        elif key == "distractors":
            values = [UNKNOWN if pd.isna(count) else DISTRACTORS[min(int(count), 3)] for count in rows[key]]
            added[key] = pd.Categorical(values, categories=[*DISTRACTORS, UNKNOWN], ordered=True)
        else:
            values = [UNKNOWN if pd.isna(value) else str(value) for value in rows[key]]
            known = (
                [*KINDS, *sorted(set(values) - {*KINDS, UNKNOWN}), UNKNOWN] if key == "kind" else sorted(set(values))
            )
            added[key] = pd.Categorical(values, categories=known, ordered=True)
    return rows.assign(**added)
