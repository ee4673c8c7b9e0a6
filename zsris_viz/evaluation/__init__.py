"""Evaluation: one row for each expression and method, kept safely, and the tables that are made of the rows."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsris_viz.evaluation.config import EvaluationConfig
    from zsris_viz.evaluation.dask_engine import DaskEngine
    from zsris_viz.evaluation.error_analysis import OUTCOMES, example_page, outcome_table
    from zsris_viz.evaluation.metrics import METRICS, Metric, mask_iou, measure
    from zsris_viz.evaluation.per_image import ImageEvaluator, evaluate_image
    from zsris_viz.evaluation.results import Evaluation
    from zsris_viz.evaluation.runner import evaluate
    from zsris_viz.evaluation.statistics import Comparison, compare_methods
    from zsris_viz.evaluation.tables import metric_table

_HOMES = {
    "METRICS": "metrics",
    "Metric": "metrics",
    "mask_iou": "metrics",
    "measure": "metrics",
    "DaskEngine": "dask_engine",
    "EvaluationConfig": "config",
    "Evaluation": "results",
    "ImageEvaluator": "per_image",
    "evaluate": "runner",
    "evaluate_image": "per_image",
    "Comparison": "statistics",
    "compare_methods": "statistics",
    "metric_table": "tables",
    "OUTCOMES": "matching",
    "example_page": "error_analysis",
    "outcome_table": "error_analysis",
}
__all__ = [
    "METRICS",
    "OUTCOMES",
    "Comparison",
    "DaskEngine",
    "Evaluation",
    "EvaluationConfig",
    "ImageEvaluator",
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
