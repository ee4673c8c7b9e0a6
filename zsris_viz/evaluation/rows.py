"""The form of a result row, in memory and in Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsris_viz.evaluation.metrics import EXPECTED

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

COLUMNS: dict[str, str] = {
    "run_id": "string",  # of the process that made the row
    "dataset": "string",
    "split": "string",
    "split_by": "string",
    "image_id": "string",
    "ref_id": "string",
    "sentence_id": "string",
    "expression": "string",
    "method": "string",
    "clip": "string",
    "proposals": "string",
    "chosen": "int64",  # number of the proposal; null without one
    "intersection": "int64",  # pixels
    "union": "int64",  # pixels; without a predicted pixel the area of the reference
    "iou": "float64",  # 0-1; 1 if prediction and reference are empty
    "upper_bound_iou": "float64",  # 0-1, of the best proposal
    "seconds": "float64",
    "config_hash": "string",
    "target_area": "int64",  # pixels of the reference; 0 for an expression without a target
    "kind": "string",  # of the expression; null if unknown
    "distractors": "int64",  # other objects of the same class; null if unknown
    "n_proposals": "int64",
    "error": "string",  # the reason why the row counts as 0; null without an error
    "upper_bound_intersection": "int64",  # pixels, of the proposal with the largest IoU
    "upper_bound_union": "int64",  # pixels; without a proposal the area of the reference
    "category": "string",  # class of the target; null if unknown
    "chosen_category": "string",  # class of the annotated object that the choice shows; null if none or unknown
    "outcome": "string",  # correct, or the kind of error: one of `matching.OUTCOMES`
}
CHANCE = "chance"
BOUND = "upper bound"  # always the proposal with the largest IoU
INDEX = "image_index"  # the index of the image in the dataset; only in the store, which needs it to continue a run
# The chance baseline has mean pixels and expected metrics, so it is kept apart from the rows of the methods.
CHANCE_COLUMNS = {**COLUMNS, "intersection": "float64", "union": "float64", **dict.fromkeys(EXPECTED, "float64")}


def arrow_schema(columns: dict[str, str]) -> pa.Schema:
    """Return the columns as an Arrow schema; every column may be null."""
    import pyarrow as pa

    return pa.schema([(name, getattr(pa, kind)()) for name, kind in columns.items()])


def store_schema() -> pa.Schema:
    """Return the schema of a part file: the columns of both kinds of rows, and the index of the image."""
    return arrow_schema({INDEX: "int64", **CHANCE_COLUMNS})


def split_rows(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Divide stored rows into those of the methods and those of the chance baseline.

    Returns:
        Both tables in the order of images, each in its own schema.
    """
    import pyarrow.compute as pc

    ordered = table.take(pc.sort_indices(table, [(INDEX, "ascending")]))  # stable: an image's rows keep their order
    is_chance = pc.equal(ordered["method"], CHANCE)
    methods = ordered.filter(pc.invert(is_chance)).select(list(COLUMNS))
    chance = ordered.filter(is_chance).select(list(CHANCE_COLUMNS))
    return methods.cast(arrow_schema(COLUMNS)), chance.cast(arrow_schema(CHANCE_COLUMNS))


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Convert an Arrow table to pandas; integers that may be missing (`chosen`, `distractors`) become Int64."""
    import pandas as pd

    frame = table.to_pandas(integer_object_nulls=True)
    for name in ("chosen", "distractors"):
        frame[name] = pd.array(frame[name].tolist(), dtype="Int64")
    return frame


def to_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Convert row dicts, which may lack columns, to the schema of the store."""
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema=store_schema())
