"""Rows of measured effects: a value, its 95 % interval, and the required value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsris_viz.evaluation.metrics import find_metrics
from zsris_viz.evaluation.statistics import compare_methods, image_sums
from zsris_viz.resampling import ratio_intervals

if TYPE_CHECKING:
    import pandas as pd

    from zsris_viz.evaluation.results import Evaluation


@dataclass(frozen=True)
class Effect:
    """One measured row.

    Attributes:
        name: str, what was measured.
        split: str, the split of `scenes`, or "" if none was used.
        value: float, in `unit`.
        low: float or None, lower end of the 95 % interval.
        high: float or None, upper end of it.
        scenes: int, number of scenes (of pictures for minimal pairs).
        unit: str, "%", "points", "AUC", "IoU", "MB" or "".
        least: float or None, what the value has to reach; for a difference, what the lower end has to exceed.
        most: float or None, what the value may not exceed.
        command: str, the command that prints the row again.
    """

    name: str
    split: str
    value: float
    low: float | None
    high: float | None
    scenes: int
    unit: str
    least: float | None = None
    most: float | None = None
    command: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the row is as it has to be; None if nothing is required of it."""
        if self.most is not None:
            return self.value <= self.most
        if self.least is None:
            return None
        if self.unit == "points":
            return None if self.low is None else self.low > self.least
        return self.value >= self.least

    def text(self) -> str:
        """Return the row in one line."""
        digits = 3 if self.unit in ("AUC", "IoU") else 1 if self.unit else 2
        sign = "+" if self.unit == "points" else ""
        interval = "" if self.low is None else f" [{self.low:{sign}.{digits}f}, {self.high:{sign}.{digits}f}]"
        limit = "" if self.least is None else f"; at least {self.least:g}" if self.least else "; interval above 0"
        limit += "" if self.most is None else f"; at most {self.most:g}"
        verdict = {None: "", True: ": reached", False: ": not reached"}[self.reached]
        place = f" ({self.split}, {self.scenes})" if self.split else f" ({self.scenes})" if self.scenes else ""
        return f"{self.name}{place}: {self.value:{sign}.{digits}f}{interval} {self.unit}{limit}{verdict}".strip()


def ratio_interval(
    tops: Sequence[float] | np.ndarray, bottoms: Sequence[float] | np.ndarray, scale: float = 1.0
) -> tuple[float, float | None, float | None]:
    """Return the ratio of two sums and its 95 % interval.

    Args:
        tops: numerators, a number for each scene.
        bottoms: denominators, a number for each scene.
        scale: float, what the results are multiplied with.

    Returns:
        Ratio, lower and upper end; None for the ends if there are too few scenes.
    """
    top, bottom = (np.asarray(values, dtype=float)[:, None] for values in (tops, bottoms))
    low, high = (_number(scale * float(ends[0])) for ends in ratio_intervals(top, bottom))
    return float(scale * top.sum() / bottom.sum()), low, high


def _number(value: float) -> float | None:
    """Return the value, or None in place of nan."""
    return None if np.isnan(value) else value


def metric_effect(
    rows: pd.DataFrame, name: str, metric: str, split: str, scenes: int, least: float | None = None
) -> Effect:
    """Measure a metric of one method.

    Args:
        rows: DataFrame of the method's rows.
        name: str, of the row.
        metric: str, of the evaluation's metrics.
        split: str, of `scenes`.
        scenes: int, number of scenes.
        least: float or None, what the metric has to reach, in per cent.

    Returns:
        The row, in per cent.
    """
    tops, bottoms = image_sums(rows, find_metrics([metric]))
    value, low, high = ratio_interval(tops[:, 0], bottoms[:, 0], 100)
    return Effect(name, split, value, low, high, scenes, "%", least)


def difference_effect(
    found: Evaluation, a: str, b: str, name: str, metric: str, scenes: int, kind: str | None = None
) -> Effect:
    """Measure the difference of two methods on the same expressions.

    Args:
        found: Evaluation of both.
        a: str, the method that should be better.
        b: str, the other one.
        name: str, of the row.
        metric: str, of the evaluation's metrics.
        scenes: int, number of scenes.
        kind: str or None, the kind of expressions; None for all.

    Returns:
        The row, in points.
    """
    rows = found.rows if kind is None else found.rows[found.rows.kind == kind]
    compared = compare_methods(rows[rows.method == a], rows[rows.method == b], metric)
    value, low, high = 100 * compared.difference, _number(100 * compared.low), _number(100 * compared.high)
    return Effect(name, str(rows.split.iloc[0]), value, low, high, scenes, "points", 0.0)


def effects_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return measured rows as lines of a Markdown table.

    Args:
        rows: what `measure effects --output` wrote, a dict for every `Effect`.
    """
    effects = [Effect(**row) for row in rows]
    lines = ["| measured | command |", "|---|---|"]
    return [*lines, *(f"| {effect.text()} | `{effect.command}` |" for effect in effects)]
