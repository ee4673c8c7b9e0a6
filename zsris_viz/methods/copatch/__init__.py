"""CoPatch (An et al., 2025), with one module for each of its steps.

- `text_spans` and `texts`: the hybrid text.
- `patches`: the patch features of an early layer and their similarity map, CoMap.
- `clusters`: the clusters of CoMap.
- `candidates`: the proposals that overlap the clusters best.
- `config`: the settings and the presets.
- `method`: the method, which joins the steps.

The selection among the candidates is in :mod:`zsris_viz.methods.guidance`, which HybridGL uses too.
"""

from zsris_viz.methods.copatch.clusters import Clusters, find_clusters
from zsris_viz.methods.copatch.config import CoPatchConfig
from zsris_viz.methods.copatch.method import CoPatch

__all__ = ["Clusters", "CoPatch", "CoPatchConfig", "find_clusters"]
