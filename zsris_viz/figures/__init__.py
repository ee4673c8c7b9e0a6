"""Figures of one style: pictures with masks, rankings, maps, bars, curves, tables of numbers and marked texts.

Functions that take an Axes draw on it; all others return a matplotlib Figure, which a notebook shows when it is the
last thing in a cell and `Outputs.figure` writes. Colour scales are shared by what a figure compares.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsris_viz.figures.charts import bars_with_intervals, curves, heat_table
    from zsris_viz.figures.choices import Choices, show_choices
    from zsris_viz.figures.comparison import show_ablation, show_comparison
    from zsris_viz.figures.diagrams import Box, Pipeline, show_pipeline
    from zsris_viz.figures.interactive import toggle_masks
    from zsris_viz.figures.layout import close_rest, new_figure, note_source, style
    from zsris_viz.figures.maps import show_map_grid, show_maps
    from zsris_viz.figures.pictures import (
        add_boxes,
        add_mask,
        cut_out,
        overlay_masks,
        show_examples,
        show_image,
        show_images,
    )
    from zsris_viz.figures.pipelines import get_pipeline
    from zsris_viz.figures.rankings import show_ranking, show_rankings
    from zsris_viz.figures.texts import show_spans

_HOMES = {
    "diagrams": ("Box", "Pipeline", "show_pipeline"),
    "pipelines": ("get_pipeline",),
    "comparison": ("show_comparison", "show_ablation"),
    "charts": ("bars_with_intervals", "curves", "heat_table"),
    "choices": ("Choices", "show_choices"),
    "interactive": ("toggle_masks",),
    "layout": ("CHOSEN", "TRUTH", "close_rest", "colours", "new_figure", "note_source", "style"),
    "maps": ("show_map_grid", "show_maps"),
    "pictures": (
        "add_boxes",
        "add_mask",
        "cut_out",
        "overlay_masks",
        "show_examples",
        "show_image",
        "show_images",
    ),
    "rankings": ("show_ranking", "show_rankings"),
    "texts": ("show_spans",),
}
__all__ = [
    "CHOSEN",
    "TRUTH",
    "Box",
    "Choices",
    "Pipeline",
    "add_boxes",
    "add_mask",
    "bars_with_intervals",
    "close_rest",
    "colours",
    "curves",
    "cut_out",
    "get_pipeline",
    "heat_table",
    "new_figure",
    "note_source",
    "overlay_masks",
    "show_ablation",
    "show_choices",
    "show_comparison",
    "show_examples",
    "show_image",
    "show_images",
    "show_map_grid",
    "show_maps",
    "show_pipeline",
    "show_ranking",
    "show_rankings",
    "show_spans",
    "style",
    "toggle_masks",
]


def __getattr__(name: str) -> Any:
    """Load the submodule that holds `name` on first use."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
