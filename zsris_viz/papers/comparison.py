"""The papers' tables with the numbers of this run beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation.statistics import compare_methods
from zsris_viz.evaluation.tables import metric_table
from zsris_viz.papers.experiment import Experiment
from zsris_viz.papers.inputs import TITLES
from zsris_viz.papers.published import published
from zsris_viz.papers.table_spec import BOUND, Column, PaperTable, TableRow
from zsris_viz.resampling import RESAMPLES, holm

if TYPE_CHECKING:
    import pandas as pd

SCHEMES = {"umd": "(U)", "google": "(G)"}
METRICS = {"oIoU": "oiou", "mIoU": "miou"}
BOUNDS = {"oIoU": "upper_bound_oiou", "mIoU": "upper_bound"}


def comparison_table(experiment: Experiment, table: PaperTable, *, resamples: int = RESAMPLES) -> pd.DataFrame:
    """Return measured and published numbers, with a line for each row, column and metric.

    Args:
        experiment: Models, proposals and images.
        table: Table to measure.
        resamples: Number of draws of the bootstrap.

    Returns:
        The columns line, dataset, split, split_by, metric, measured, low, high (per cent, 95 % interval over
        images; nan where not measured and below 20 images), published, difference (measured minus published), n,
        images, seconds, measured_on, stand_ins (parts of this run in the place of published ones), note (why a row was
        not measured, or a remark on the published number).
    """
    import pandas as pd

    experiment.evaluate([table])
    printed, lines = _printed(table), []
    for line in table.lines:
        for column in experiment.columns(table):
            rows = experiment.rows(line, column)
            measured = {} if isinstance(rows, str) else _measures(rows, line, table.metrics, resamples, experiment.seed)
            for metric in table.metrics:
                value, note = _published(printed, line, column, metric)
                if value is None and not measured and line.published is not None:
                    continue  # neither printed nor measured
                entry: dict[str, Any] = dict(
                    zip(("line", "dataset", "split", "split_by"), (line.title, *column), strict=True)
                )
                entry |= {"metric": metric, **measured.get(metric, {}), "published": value}
                entry |= {
                    "measured_on": experiment.measured_on(column),
                    "stand_ins": experiment.stand_ins(line) if measured else "",
                    "note": rows if isinstance(rows, str) else note or ("" if line.is_baseline else table.remark),
                }
                lines.append(entry)
    order = ["line", "dataset", "split", "split_by", "metric", "measured", "low", "high", "published", "difference"]
    frame = pd.DataFrame(lines).reindex(columns=[*order, "n", "images", "seconds", "measured_on", "stand_ins", "note"])
    numbers = ["measured", "low", "high", "published", "seconds"]
    frame[numbers] = frame[numbers].astype(float)
    frame = frame.assign(difference=frame["measured"] - frame["published"])
    frame.attrs["columns"] = [column_title(*column) for column in experiment.columns(table)]
    return frame


def paired_table(
    experiment: Experiment,
    table: PaperTable,
    reference: str | None = None,
    metric: str = "mIoU",
    *,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Compare every row of a table with another on the same images.

    Args:
        experiment: Models, proposals and images.
        table: Table whose rows are compared.
        reference: Title of the row that is subtracted from all others; None subtracts from each its own `base`.
        metric: "mIoU" or "oIoU".
        resamples: Number of draws of the bootstrap.

    Returns:
        The columns line, minus, dataset, split, measured_on, difference, low, high (points, 95 % interval of a paired
        bootstrap, nan below 20 images), p (paired sign-flip test), p_holm (after Holm's correction over the table), n,
        images and stand_ins (of either row); no rows where nothing was measured.

    Raises:
        InvalidInputError: If the reference row does not exist.
    """
    import pandas as pd

    known = {line.title: line for line in table.lines}
    if reference is not None and reference not in known:
        raise InvalidInputError(f"{table.id!r} has no row {reference!r}; it has {', '.join(known)}.")
    experiment.evaluate([table])
    lines = []
    for line in [line for line in table.lines if not line.is_baseline]:
        base = known.get(reference or line.base or "")
        for column in experiment.columns(table) if base not in (None, line) else ():
            rows, others = experiment.rows(line, column), experiment.rows(base, column)  # type: ignore[arg-type]
            if isinstance(rows, str) or isinstance(others, str):
                continue
            found = compare_methods(rows, others, METRICS[metric], resamples=resamples, seed=experiment.seed)
            entry = {"line": line.title, "minus": base.title}  # type: ignore[union-attr]
            entry |= {"dataset": column[0], "split": column[1], "measured_on": experiment.measured_on(column)}
            ends = {name: 100 * getattr(found, name) for name in ("difference", "low", "high")}
            both = [name for row in (line, base) for name in experiment.stand_ins(row).split("; ")]  # type: ignore[arg-type]
            entry |= {"n": found.n, "images": found.images, "stand_ins": "; ".join(filter(None, dict.fromkeys(both)))}
            lines.append({**entry, **ends, "p": found.p_value})
    order = ["line", "minus", "dataset", "split", "measured_on", "difference", "low", "high", "p", "p_holm", "n"]
    frame = pd.DataFrame(lines, columns=[*order, "images", "stand_ins"])
    return frame.assign(p_holm=holm(frame["p"].astype(float)))


def wide_table(frame: pd.DataFrame, order: Sequence[str] | None = None, *, measured_only: bool = False) -> pd.DataFrame:
    """Return a table as it is printed: a row for each metric and method, a column for each split.

    A cell reads "measured (published)". The column n has the number of expressions, one number for each measured column
    in which it differs. Stand-ins for published parts are listed in a separate column.

    Args:
        frame: Result of `comparison_table`.
        order: Order of the metrics.
        measured_only: Whether columns in which nothing was measured are left out, unless nothing was measured at all.
    """
    import pandas as pd

    if measured_only and frame["measured"].notna().any():
        columns = pd.MultiIndex.from_frame(frame[["dataset", "split", "split_by"]])
        attributes, frame = frame.attrs, frame[columns.isin(columns[frame["measured"].notna()])]
        frame.attrs.update(attributes)
    known = frame[frame["measured"].notna() | frame["published"].notna()]
    frame = known if len(known) else frame  # a row without any number says nothing in this form
    names = [column_title(*key) for key in frame[["dataset", "split", "split_by"]].itertuples(index=False)]
    cells = [
        f"{'–' if pd.isna(row.measured) else f'{row.measured:.1f}'}"
        + ("" if pd.isna(row.published) else f" ({row.published:.2f})")
        for row in frame.itertuples()
    ]
    long = frame[["metric", "line"]].assign(column=names, cell=cells)
    wide = long.pivot(index=["metric", "line"], columns="column", values="cell").fillna("–")
    rows = [
        (metric, line) for metric in order or dict.fromkeys(frame["metric"]) for line in dict.fromkeys(frame["line"])
    ]
    printed = [name for name in frame.attrs.get("columns", names) if name in set(names)]
    wide = wide.reindex(index=[row for row in rows if row in wide.index], columns=list(dict.fromkeys(printed)))
    wide = wide.rename_axis(columns=None).reset_index()
    measured = frame[frame["measured"].notna()]
    if len(measured):
        sizes = measured.groupby("line", sort=False)["n"].unique()
        counts = {line: ", ".join(f"{n:.0f}" for n in values) for line, values in sizes.items()}
        wide["n"] = wide["line"].map(counts).fillna("–")
    stand_ins = frame.groupby("line", sort=False)["stand_ins"].max()
    return wide.assign(stand_ins=wide["line"].map(stand_ins)) if stand_ins.any() else wide


def column_title(dataset: str, split: str, split_by: str) -> str:
    """Return the head of a column, such as "RefCOCOg val(U)".

    Args:
        dataset: Name of the dataset.
        split: Name of the split.
        split_by: Splitting scheme.
    """
    return f"{TITLES.get(dataset, dataset)} {split}{SCHEMES.get(split_by, '')}".strip()


def _printed(table: PaperTable) -> list[dict[str, Any]]:
    return published(paper=table.paper, table=table.number).to_dict("records") if table.paper else []


def _published(
    printed: Sequence[Mapping[str, Any]], line: TableRow, column: Column, metric: str
) -> tuple[float | None, str]:
    """Return the printed number of a row and column with its note; None if there is none."""
    if line.published is None:
        return None, ""
    wanted = {**line.published, "metric": metric}
    wanted |= dict(zip(("dataset", "split", "split_by"), column, strict=True))
    found = [row for row in printed if all(row[name] == value for name, value in wanted.items())]
    if len({row["value"] for row in found}) > 1:
        raise InvalidInputError(f"{line.title!r} stands for several published numbers: {found}.")
    return (float(found[0]["value"]), str(found[0]["note"])) if found else (None, "")


def _measures(
    rows: pd.DataFrame, line: TableRow, metrics: Sequence[str], resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    names = [(BOUNDS if line.method == BOUND else METRICS)[metric] for metric in metrics]
    found = metric_table(rows, metrics=names, resamples=resamples, seed=seed).iloc[0]
    shared = {"n": int(found["n"]), "images": int(found["images"]), "seconds": float(found["seconds"])}
    return {
        metric: {"measured": found[name], "low": found[f"{name}_low"], "high": found[f"{name}_high"], **shared}
        for metric, name in zip(metrics, names, strict=True)
    }
