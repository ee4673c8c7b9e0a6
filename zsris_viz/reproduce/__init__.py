"""Execution of the notebooks with papermill, which collects their figures and tables and skips what is up to date."""

from __future__ import annotations

from zsris_viz.reproduce.executor import Failure, Result
from zsris_viz.reproduce.plan import FigureEntry, NotebookRun, find_notebooks, load_entries, runs_of, select
from zsris_viz.reproduce.runner import Report, reproduce

__all__ = [
    "Failure",
    "FigureEntry",
    "NotebookRun",
    "Report",
    "Result",
    "find_notebooks",
    "load_entries",
    "reproduce",
    "runs_of",
    "select",
]
