"""Statements on a measured table: its own setting, its order against the paper's, and sentences computed from both."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation.metrics import find_metrics
from zsris_viz.evaluation.settings import method_settings
from zsris_viz.evaluation.statistics import image_sums
from zsris_viz.papers.comparison import METRICS, column_title
from zsris_viz.papers.experiment import Experiment
from zsris_viz.papers.table_spec import BOUND, CHANCE, PaperTable
from zsris_viz.resampling import holm, sign_flip_test

if TYPE_CHECKING:
    import pandas as pd

CLEAR = 0.05  # corrected p-values below it count as differences
LISTED = 4  # largest number of rows or pairs that a sentence names


def own_row(experiment: Experiment, table: PaperTable) -> str:
    """Return the title of the row that has the method's own setting for the data that are measured.

    Args:
        experiment: Models, proposals and images.
        table: Table in which one setting of one method is varied.

    Raises:
        InvalidInputError: If no row has it.
    """
    for column in experiment.columns(table):
        data = experiment.data(column)
        for line in table.lines if data is not None else ():
            if line.method is None or line.is_baseline:
                continue
            own = experiment.method(replace(line, settings={}), data.name)  # type: ignore[union-attr]
            varied = experiment.method(line, data.name)  # type: ignore[union-attr]
            if method_settings(varied) == method_settings(own):
                return line.title
    if table.default_row:
        return table.default_row
    raise InvalidInputError(
        f"No row of {table.id!r} has the method's own setting; add a row with it, or name the row in `default_row`."
    )


def order_table(experiment: Experiment, table: PaperTable, frame: pd.DataFrame, metric: str = "mIoU") -> pd.DataFrame:
    """Compare the order of every two rows of a table with their order in the paper.

    Args:
        experiment: Models, proposals and images with which the table was measured.
        table: Table of a paper.
        frame: Result of `comparison_table` for it.
        metric: "mIoU" or "oIoU".

    Returns:
        A row for each column and pair of rows that were printed and measured, with the columns dataset, split, first
        (the row that is higher in the paper), second, published and measured (points by which the first is above the
        second), p (paired sign-flip test), p_holm (over all pairs), n and images.
    """
    import pandas as pd

    both = frame[(frame["metric"] == metric) & frame["published"].notna() & frame["measured"].notna()]
    lines = {line.title: line for line in table.lines if not line.is_baseline}
    (wanted,) = find_metrics([METRICS[metric]])
    found = []
    for column in experiment.columns(table):
        key = dict(zip(("dataset", "split", "split_by"), column, strict=True))
        cells = both[(both[list(key)] == pd.Series(key)).all(axis=1)]
        printed = {row.line: float(row.published) for row in cells.itertuples() if row.line in lines}
        rows: dict[str, Any] = {title: experiment.rows(lines[title], column) for title in printed}
        sums = {title: image_sums(part, [wanted]) for title, part in rows.items()}
        ids = {title: frozenset(part["sentence_id"]) for title, part in rows.items()}
        for first, second in combinations(sorted(printed, key=lambda title: -printed[title]), 2):
            if printed[first] == printed[second] or ids[first] != ids[second]:
                continue
            tops, bottoms = zip(sums[first], sums[second], strict=True)
            shares = [top.sum() / bottom.sum() for top, bottom in zip(tops, bottoms, strict=True)]
            entry = {"dataset": column[0], "split": column[1], "first": first, "second": second}
            entry |= {"published": printed[first] - printed[second], "measured": 100 * (shares[0] - shares[1])}
            arrays = (array[:, 0] for title in (first, second) for array in sums[title])
            entry |= {"p": sign_flip_test(*arrays, seed=experiment.seed)}
            found.append({**entry, "n": len(ids[first]), "images": len(sums[first][0])})
    order = ["dataset", "split", "first", "second", "published", "measured", "p", "p_holm", "n", "images"]
    pairs = pd.DataFrame(found, columns=[name for name in order if name != "p_holm"])
    return pairs.assign(p_holm=holm(pairs["p"].astype(float)))[order]


def describe_sample(frame: pd.DataFrame, metric: str = "mIoU") -> str:
    """Describe the samples on which a table was measured, with their results of chance and of the upper bound.

    Args:
        frame: Result of `comparison_table`.
        metric: "mIoU" or "oIoU".
    """
    part = frame[(frame["metric"] == metric) & frame["measured"].notna()]
    if part.empty:
        return "Nothing of this table was measured in this run."
    sentences = []
    for measured_on, cells in part.groupby("measured_on", sort=False):
        sizes = cells[~cells["line"].str.startswith((CHANCE, BOUND))]
        sizes = (sizes if len(sizes) else cells)[["n", "images"]].drop_duplicates().astype(int)
        counts = " or ".join(f"{row.n} expressions on {row.images} images" for row in sizes.itertuples())
        limits = []
        for name in (CHANCE, BOUND):
            found = [row for row in cells.itertuples() if row.line.startswith(name)]
            sources = [row.line.removeprefix(name).removeprefix(", ") for row in found]
            values = [
                f"{row.measured:.1f} %{f' ({source})' if source else ''}"
                for row, source in zip(found, sources, strict=True)
            ]
            limits += [f"{name} {' and '.join(values)}"] if values else []
        sentences.append(f"{measured_on}, {counts}{f' ({joined})' if (joined := '; '.join(limits)) else ''}")
    return f"Measured on {'; '.join(sentences)}."


def describe_notes(frame: pd.DataFrame) -> str:
    """Return the remarks on the published numbers of measured rows as one sentence; empty if there are none.

    Args:
        frame: Result of `comparison_table`.
    """
    notes = list(dict.fromkeys(frame[frame["measured"].notna() & frame["published"].notna()]["note"]))
    return f"On the published numbers: {'; '.join(filter(None, notes))}." if any(notes) else ""


def describe_differences(pairs: pd.DataFrame, metric: str = "mIoU") -> str:
    """Describe which rows differ from their reference after Holm's correction.

    Args:
        pairs: Result of `paired_table`.
        metric: Metric of its differences.
    """
    if pairs.empty:
        return "No pair of rows was measured."
    references = list(dict.fromkeys(pairs["minus"]))
    reference = f"“{references[0]}”" if len(references) == 1 else "their references"
    clear = pairs[pairs["p_holm"] < CLEAR]
    data_names = _data_names(pairs, " on {}")
    clauses = []
    for word, rows in (("above", clear[clear["difference"] > 0]), ("below", clear[clear["difference"] < 0])):
        rows = rows.reindex(rows["difference"].abs().sort_values(ascending=False).index)
        names = [
            f"“{row.line}”{data_names[row.dataset, row.split]} by {abs(row.difference):.1f}"
            for row in rows.itertuples()
        ]
        if names:
            more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
            clauses.append(f"{word}: {', '.join(names[:LISTED])}{more}")
    head = f"Of {len(pairs)} paired differences of {metric} from {reference}"
    if not clauses:
        return f"{head}, none can be told from 0 after Holm's correction."
    verb = "differs" if len(clear) == 1 else "differ"
    return f"{head}, {len(clear)} {verb} from 0 after Holm's correction (points; {'; '.join(clauses)})."


def describe_order(order: pd.DataFrame, metric: str = "mIoU") -> str:
    """Describe how many pairs of rows have the paper's order, and which do not.

    Args:
        order: Result of `order_table`.
        metric: Metric of its differences.
    """
    if order.empty:
        return "The paper prints no two numbers that were both measured here, so their order cannot be compared."
    reverse = order[order["measured"] < 0]
    kept = int((order["measured"] > 0).sum())
    ties = len(order) - kept - len(reverse)
    head = f"The paper orders {len(order)} pair{'s' * (len(order) > 1)} of these rows by {metric}: {kept} " + (
        f"{'has' if kept == 1 else 'have'} the same order here, {len(reverse)} the reverse"
    )
    head += f" and {ties} {'is a tie' if ties == 1 else 'are ties'}." if ties else "."
    if reverse.empty:
        return head
    clear = reverse[reverse["p_holm"] < CLEAR]
    chosen = (clear if len(clear) else reverse).sort_values("measured").head(3 if len(clear) else 1)
    data_names = _data_names(order, " ({})")
    examples = "; ".join(
        f"“{row.first}” is {row.published:.1f} points above “{row.second}” in the paper and {-row.measured:.1f} below "
        f"it here{data_names[row.dataset, row.split]}"
        for row in chosen.itertuples()
    )
    if len(clear):
        verb = "differs" if len(clear) == 1 else "differ"
        return f"{head} After Holm's correction {len(clear)} of the reversals {verb} from 0: {examples}."
    return f"{head} None of the reversals can be told from a tie after Holm's correction; the largest: {examples}."


def _data_names(rows: pd.DataFrame, template: str) -> dict[tuple[str, str], str]:
    """Return (dataset, split) -> its title in a template; the empty text if all rows are of the same split."""
    columns = set(zip(rows["dataset"], rows["split"], strict=True))
    titles = {(dataset, split): template.format(column_title(dataset, split, "")) for dataset, split in columns}
    return titles if len(titles) > 1 else dict.fromkeys(titles, "")


def rank_agreement(order: pd.DataFrame) -> float:
    """Return Kendall's rank correlation of the measured and the published rows, -1 to 1; nan without a pair.

    Args:
        order: Result of `order_table`.
    """
    return float(np.sign(order["measured"]).mean()) if len(order) else float("nan")
