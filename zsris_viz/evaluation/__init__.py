"""Evaluation: one row for each expression and method, kept safely, and the tables that are made of the rows."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsris_viz.evaluation.dask_engine import DaskEngine
    from zsris_viz.evaluation.image import Bench, evaluate_image
    from zsris_viz.evaluation.metrics import METRICS, Metric, mask_iou, measure
    from zsris_viz.evaluation.results import Evaluation
    from zsris_viz.evaluation.runner import evaluate
    from zsris_viz.evaluation.statistics import Comparison, compare_methods
    from zsris_viz.evaluation.tables import metric_table
    from zsris_viz.evaluation.taxonomy import OUTCOMES, example_page, outcome_table

_HOMES = {
    "METRICS": "metrics",
    "Metric": "metrics",
    "mask_iou": "metrics",
    "measure": "metrics",
    "DaskEngine": "dask_engine",
    "Evaluation": "results",
    "Bench": "image",
    "evaluate": "runner",
    "evaluate_image": "image",
    "Comparison": "statistics",
    "compare_methods": "statistics",
    "metric_table": "tables",
    "OUTCOMES": "judge",
    "example_page": "taxonomy",
    "outcome_table": "taxonomy",
}
__all__ = [
    "METRICS",
    "OUTCOMES",
    "Bench",
    "Comparison",
    "DaskEngine",
    "Evaluation",
    "Metric",
    "compare_methods",
    "evaluate",
    "evaluate_image",
    "example_page",
    "mask_iou",
    "measure",
    "metric_table",
    "outcome_table",
]


def __getattr__(name: str) -> Any:
    """Load the submodule that holds `name` on first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
