"""The result of an evaluation: its rows, and tables, comparisons and charts of them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError, ZsrisWarning
from zsris_viz.evaluation.metrics import GREFCOCO, METRICS, find_metrics
from zsris_viz.evaluation.rows import BOUND, CHANCE, to_frame
from zsris_viz.evaluation.statistics import IDENTITY, Comparison, compare_methods, holm_table
from zsris_viz.evaluation.tables import MIN_CELL, add_groups, group_keys, metric_table
from zsris_viz.resampling import RESAMPLES

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from matplotlib.figure import Figure

SHOWN = ("miou", "oiou", "accuracy_50", "accuracy_70", "accuracy_90", "accuracy", "upper_bound", "upper_bound_oiou")


class Evaluation:
    """The rows of an evaluation, with tables, comparisons and charts.

    Attributes:
        rows: One row for each expression and method, columns as in :data:`zsris_viz.evaluation.rows.COLUMNS`: IoUs
            0-1, areas in pixels.
        chance_rows: The same for a proposal drawn uniformly: expected IoU, pixels and metrics, exact for each
            expression.
        config: Settings that the rows depend on.
    """

    def __init__(self, rows: pd.DataFrame, chance_rows: pd.DataFrame, config: Mapping[str, Any] | None = None) -> None:
        self.rows = rows
        self.chance_rows = chance_rows
        self.config = dict(config or {})

    @classmethod
    def from_tables(cls, rows: pa.Table, chance: pa.Table, config: Mapping[str, Any] | None = None) -> Evaluation:
        """Create an evaluation from the store's Arrow tables."""
        return cls(to_frame(rows), to_frame(chance), config)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Evaluation:
        """Return the finished run in an output folder.

        Args:
            folder: Output folder of `evaluate`.

        Raises:
            InvalidInputError: If there is no finished run.
            CorruptFileError: If a file was damaged.
        """
        from zsris_viz.evaluation.store import read_run

        rows, chance, config = read_run(Path(folder))
        return cls.from_tables(rows, chance, config=config)

    @property
    def methods(self) -> list[str]:
        """Labels of the methods, in their order."""
        return list(dict.fromkeys(self.rows["method"]))

    @property
    def bound_rows(self) -> pd.DataFrame:
        """The rows of the upper bound: for each expression the proposal with the largest IoU."""
        unique = self.rows.drop_duplicates(IDENTITY).reset_index(drop=True)
        best = {name: unique[f"upper_bound_{name}"] for name in ("iou", "intersection", "union")}
        return unique.assign(**best, method=BOUND, seconds=0.0, chosen=None, outcome=None, chosen_category=None)

    @property
    def errors(self) -> pd.DataFrame:
        """The rows with an error; they count with IoU 0."""
        return self.rows[self.rows["error"].notna()]

    def warn_of_errors(self) -> None:
        """Warn if rows have errors, with their number and the first error."""
        failed = self.errors
        if len(failed):
            first = failed.iloc[0]
            warnings.warn(
                f"{len(failed)} of {len(self.rows)} rows, on {failed['image_id'].nunique()} images, failed and "
                f"count with IoU 0; the first: image {first['image_id']!r}, method {first['method']!r}: "
                f"{first['error']}. See .errors.",
                ZsrisWarning,
                stacklevel=3,
            )

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the rows."""
        return self.rows.copy()

    def table(
        self,
        by: str | Sequence[str] | None = None,
        *,
        metrics: Sequence[str] | None = None,
        intervals: bool = True,
        chance: bool = True,
        bound: bool = False,
        resamples: int = RESAMPLES,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Return metrics in per cent (0-100), a row for each method (and group), chance and the bound last.

        Args:
            by: "kind", "length", "distractors", ... or several, see :func:`~zsris_viz.evaluation.tables.metric_table`.
            metrics: Names from `METRICS`; None for the usual ones, and those of gRefCOCO where an expression has no
                target. The oIoU of chance is the ratio of expected intersection and union.
            intervals: Whether to add `_low` and `_high`, 95 % bootstrap intervals over images; nan below 20 images.
            chance: Whether to add the baseline.
            bound: Whether to add a last row for the upper bound, which always takes the proposal with the largest IoU.
            resamples: Number of draws of the bootstrap.
            seed: Seed of the draws.
        """
        import pandas as pd

        if metrics is None:
            without = "target_area" in self.rows and bool((self.rows["target_area"] == 0).any())
            metrics = (*SHOWN, *GREFCOCO) if without else SHOWN
        options: dict[str, Any] = {
            "metrics": metrics,
            "with_intervals": intervals,
            "resamples": resamples,
            "seed": seed,
        }
        parts = [self.rows, *([self.chance_rows] if chance else []), *([self.bound_rows] if bound else [])]
        frames = [metric_table(rows, by, **options) for rows in parts if len(rows)]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def outcomes(self, by: str | Sequence[str] | None = None, **options: Any) -> pd.DataFrame:
        """Return the shares of each kind of error, see :func:`~zsris_viz.evaluation.error_analysis.outcome_table`."""
        from zsris_viz.evaluation.error_analysis import outcome_table

        return outcome_table(self.rows, by, **options)

    def chance(self, by: str | Sequence[str] | None = None, **options: Any) -> pd.DataFrame:
        """Return the chance baseline alone as a table; options as for :meth:`table`."""
        table = self.table(by, **options)
        return table[table["method"] == CHANCE].reset_index(drop=True)

    def compare(self, a: str, b: str, metric: str = "miou", *, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
        """Compare two methods on the same images: difference, paired bootstrap interval and exact sign-flip test.

        Args:
            a: Label of a method, "chance" or "upper bound".
            b: Label of the method that is subtracted, "chance" or "upper bound".
            metric: Name from `METRICS`.
            resamples: Number of draws of the bootstrap.
            seed: Seed of the draws.

        Raises:
            InvalidInputError: If a method or the metric is unknown.
        """
        return compare_methods(self._of(a), self._of(b), metric, resamples=resamples, seed=seed)

    def compare_all(
        self, reference: str, metric: str = "miou", *, resamples: int = RESAMPLES, seed: int = 0
    ) -> pd.DataFrame:
        """Compare every other method with one of them, with Holm's correction for the number of tests.

        Args:
            reference: Label of the method that is subtracted from all others, "chance" or "upper bound".
            metric: Name from `METRICS`.
            resamples: Number of draws of the bootstrap.
            seed: Seed of the draws.

        Returns:
            A frame with the columns method, difference, low, high (points), p, p_holm, n and images.

        Raises:
            InvalidInputError: If the method or the metric is unknown.
        """
        found = {
            method: self.compare(method, reference, metric, resamples=resamples, seed=seed)
            for method in self.methods
            if method != reference
        }
        return holm_table(found)

    def compare_by(
        self, a: str, b: str, by: str, metric: str = "miou", *, resamples: int = RESAMPLES, seed: int = 0
    ) -> pd.DataFrame:
        """Compare two methods in every group of expressions, with Holm's correction for the number of groups.

        Args:
            a: Label of a method, "chance" or "upper bound".
            b: Label of the method that is subtracted.
            by: Group as in :meth:`table`. Groups of fewer than 10 expressions are left out.
            metric: Name from `METRICS`.
            resamples: Number of draws of the bootstrap.
            seed: Seed of the draws.

        Returns:
            A frame with the column `by` and the columns difference, low, high (points), p, p_holm, n and images.

        Raises:
            InvalidInputError: If a method, the group or the metric is unknown.
        """
        (key,) = group_keys([by])
        rows_a, rows_b = (add_groups(self._of(method), [key]) for method in (a, b))
        counts = rows_a[key].value_counts(sort=False)
        found = {
            str(group): compare_methods(
                rows_a[rows_a[key] == group], rows_b[rows_b[key] == group], metric, resamples=resamples, seed=seed
            )
            for group in counts.index[counts >= MIN_CELL]
        }
        return holm_table(found, by)

    def _of(self, method: str) -> pd.DataFrame:
        if method == CHANCE:
            return self.chance_rows
        if method == BOUND:
            return self.bound_rows
        if method not in self.methods:
            raise InvalidInputError(
                f"method {method!r} is not in this evaluation; it has {', '.join(self.methods)}, {CHANCE} and {BOUND}."
            )
        return self.rows[self.rows["method"] == method]

    def plot(self, metric: str = "miou", by: str | None = None, **options: Any) -> Figure:
        """Draw bars with 95 % intervals: a bar for each method, or for each group and method.

        Args:
            metric: Name from `METRICS`.
            by: Group as in :meth:`table`; groups of fewer than 10 expressions are left out.
            **options: Options of `figures.bars_with_intervals`.
        """
        from zsris_viz.figures import bars_with_intervals  # only drawings need the figures, which are slow to import

        (found,) = find_metrics([metric])
        table = self.table(by, metrics=[metric])
        table = table[table[metric].notna()]
        options = {"ylabel": f"{found.title}, %", "limits": (0, 100), **options}
        options |= {"low": f"{metric}_low", "high": f"{metric}_high"}
        if by is None:
            return bars_with_intervals(table, "method", metric, **options)
        return bars_with_intervals(table, by, metric, hue="method", **options)

    def __repr__(self) -> str:
        lines = self.table(metrics=("miou", "oiou", "accuracy"), intervals=False)
        what = (
            " ".join(str(self.rows[name].iloc[0]) for name in ("dataset", "split", "clip"))
            if len(self.rows)
            else "no rows"
        )
        return f"Evaluation({what})\n{lines.to_string(index=False, float_format='{:.1f}'.format)}"

    def _repr_html_(self) -> str:
        """Return the table with intervals for Jupyter."""
        table = self.table(metrics=("miou", "oiou", "accuracy_50", "accuracy", "upper_bound"))
        shown = table[["method", "n", "images", "failed"]].copy() if len(table) else table
        for name in (column for column in table if column in METRICS):
            cells = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
            shown[METRICS[name].title] = [
                f"{value:.1f}" + (f" [{low:.1f}, {high:.1f}]" if low == low else "") for value, low, high in cells
            ]
        return shown.to_html(index=False, border=0)
