"""CoPatch (An et al., 2025), a module for each of its steps; `method.py` joins them.

- `texts`: the hybrid texts, on the spans of `text_spans`.
- `patches`: the patch path.
- `clusters`: CoMap's clusters.
- `candidates`: the proposals that the clusters point to.
- `config`: settings and presets.

The selection among the candidates is :mod:`zsris_viz.methods.guidance`, which HybridGL shares.
"""

from zsris_viz.methods.copatch.clusters import Clusters, find_clusters
from zsris_viz.methods.copatch.config import CoPatchConfig
from zsris_viz.methods.copatch.method import CoPatch

__all__ = ["Clusters", "CoPatch", "CoPatchConfig", "find_clusters"]
