"""Measured tables in the form in which a reader compares them: one line for each row, with its paired difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import ZsrisError
from zsris_viz.notebook_display import p_text
from zsris_viz.papers.comparison import column_title
from zsris_viz.papers.findings import CLEAR
from zsris_viz.papers.inputs import ExperimentInputs, short_reason
from zsris_viz.papers.roles import FALLBACK, ROLES, stand_in
from zsris_viz.papers.table_spec import BOUND, CHANCE, PaperTable

if TYPE_CHECKING:
    import pandas as pd


def ablation_table(frame: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return one line for each row and column of a table, with all metrics and the paired difference.

    Args:
        frame: Result of `comparison_table`.
        pairs: Result of `paired_table` for the same table.

    Returns:
        The columns line, column (where there are several), for each metric X: X, X_low, X_high (per cent, 95 % interval
        over images) and "X published" (where something was printed); difference, difference_low, difference_high
        (points), "p (Holm)", n, images, and where they are not empty stand_ins and note (why a row was not measured).
    """
    import pandas as pd

    keys = ["line", "dataset", "split", "split_by"]
    first = frame.drop_duplicates(keys)
    shown = first[keys].reset_index(drop=True)
    shown.insert(1, "column", [column_title(*key) for key in first[keys[1:]].itertuples(index=False)])
    for metric in dict.fromkeys(frame["metric"]):
        part = frame[frame["metric"] == metric].set_index(keys)
        part = part.reindex(pd.MultiIndex.from_frame(shown[keys])).reset_index(drop=True)
        shown[[metric, f"{metric}_low", f"{metric}_high"]] = part[["measured", "low", "high"]]
        if frame["published"].notna().any():
            shown[f"{metric} published"] = part["published"]
    paired = pairs.set_index(["line", "dataset", "split"])
    paired = paired.reindex(pd.MultiIndex.from_frame(shown[["line", "dataset", "split"]])).reset_index(drop=True)
    if len(pairs):
        shown[["difference", "difference_low", "difference_high"]] = paired[["difference", "low", "high"]].astype(float)
        shown["p (Holm)"] = [p_text(p) for p in paired["p_holm"]]
    for name in ("n", "images", "stand_ins", "note"):
        values = first[name].reset_index(drop=True)
        if name == "note":  # remarks on published numbers are the same in many rows
            values = values.where(first["measured"].isna().to_numpy(), "")
        if name in ("n", "images"):
            shown[name] = values.astype("Int64")
        elif (values.fillna("") != "").any():
            shown[name] = values
    dropped = ["dataset", "split", "split_by", *(["column"] if shown["column"].nunique() == 1 else [])]
    return shown.drop(columns=dropped)


def summary_table(
    tables: Mapping[str, PaperTable],
    frames: Mapping[str, pd.DataFrame],
    pairs: Mapping[str, pd.DataFrame],
    orders: Mapping[str, pd.DataFrame],
    metrics: Mapping[str, str],
) -> pd.DataFrame:
    """Return one line for each table: its own setting, its best row, and how many differences the sample supports.

    Args:
        tables: Id -> table.
        frames: Id -> result of `comparison_table`.
        pairs: Id -> result of `paired_table`.
        orders: Id -> result of `order_table`.
        metrics: Id -> metric of its differences.

    Returns:
        The columns table, title, metric, n, images, chance and upper bound (per cent), reference, best (row), its
        difference from the reference (points), "p (Holm)", differences (number of rows compared), clear (of these,
        after Holm's correction), and "order kept" ("7 of 9" of the pairs that the paper orders).
    """
    import pandas as pd

    lines = []
    for id, table in tables.items():
        part = frames[id][(frames[id]["metric"] == metrics[id]) & frames[id]["measured"].notna()]
        part = part.drop_duplicates("line").set_index("line")
        rows = part[~part.index.str.startswith((CHANCE, BOUND))]
        if rows.empty:
            continue
        differences, order = pairs[id], orders[id]
        best = str(rows["measured"].idxmax())
        own = differences[differences["line"] == best]
        references = list(dict.fromkeys(differences["minus"]))
        entry: dict[str, Any] = {"table": id, "title": table.title, "metric": metrics[id]}
        entry |= {"n": int(rows["n"].max()), "images": int(rows["images"].max())}
        entry |= {name: part[part.index.str.startswith(name)]["measured"].mean() for name in (CHANCE, BOUND)}
        entry |= {"reference": references[0] if len(references) == 1 else "each row's own", "best": best}
        entry |= {"best minus reference": float(own["difference"].iloc[0]) if len(own) else float("nan")}
        entry |= {"p (Holm)": p_text(float(own["p_holm"].iloc[0])) if len(own) else "–"}
        entry |= {"differences": len(differences), "clear": int((differences["p_holm"] < CLEAR).sum())}
        kept = int((order["measured"] > 0).sum())
        lines.append({**entry, "order kept": f"{kept} of {len(order)}" if len(order) else "–"})
    return pd.DataFrame(lines)


def parts_table(inputs: ExperimentInputs) -> pd.DataFrame:
    """Return one line for each part that the papers name, with what is in its place in this run.

    Args:
        inputs: Models, proposals and captioners; models and proposals are loaded, captioners are not.

    Returns:
        The columns "in the papers", "in this run" and status ("published part", "stand-in", or why its rows are left
        out).
    """
    import pandas as pd

    lines = []
    for role, part in ROLES.items():
        kind, _, captioner = role.partition(" ")
        if kind == "captioner":
            source: object = inputs.captioners.get(captioner, "")
        elif role in inputs.proposals:
            source = inputs.proposals[role]
        else:
            source = inputs.models.get(role, "") or inputs.models.get(FALLBACK.get(role, role), "")
        name = source if isinstance(source, str) else str(getattr(source, "name", source))
        status = "stand-in" if stand_in(role, name) else "published part"
        try:
            if name and role in inputs.proposals:
                inputs.source(role)
            elif name and kind != "captioner":
                inputs.model(role)
        except ZsrisError as error:
            status = f"not available, its rows are left out: {short_reason(error)}"
        status = status if name else "not given, its rows are left out"
        lines.append({"in the papers": part.title, "in this run": name or "–", "status": status})
    return pd.DataFrame(lines)
