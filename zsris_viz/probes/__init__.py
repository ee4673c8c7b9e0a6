"""Probes: what the layers of CLIP's towers know of where things are, and what the words that say so do.

Every probe returns a tidy table, one row for each number, with the columns of :data:`COLUMNS`; see
:func:`zsris_viz.probes.run.run_probes`, which makes all of them in one pass over the images.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsris_viz.probes.controls import untrained_tower
    from zsris_viz.probes.perturbations import changed_copies, content_copy
    from zsris_viz.probes.run import (
        PROBES,
        context_attention,
        context_masking,
        localisation,
        minimal_pairs,
        position_decodability,
        run_probes,
        spatial_sensitivity,
    )
    from zsris_viz.probes.table import COLUMNS
    from zsris_viz.probes.tokens import end_token_attention, token_groups

_HOMES = {
    "COLUMNS": "table",
    "PROBES": "run",
    "changed_copies": "perturbations",
    "content_copy": "perturbations",
    "context_attention": "run",
    "context_masking": "run",
    "end_token_attention": "tokens",
    "localisation": "run",
    "minimal_pairs": "run",
    "position_decodability": "run",
    "run_probes": "run",
    "spatial_sensitivity": "run",
    "token_groups": "tokens",
    "untrained_tower": "controls",
}
__all__ = [
    "COLUMNS",
    "PROBES",
    "changed_copies",
    "content_copy",
    "context_attention",
    "context_masking",
    "end_token_attention",
    "localisation",
    "minimal_pairs",
    "position_decodability",
    "run_probes",
    "spatial_sensitivity",
    "token_groups",
    "untrained_tower",
]


def __getattr__(name: str) -> Any:
    """Load the submodule that holds `name` on first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
