"""CoPatch (An et al., 2025), a file for each of its steps; the method is put together in `method.py`.

texts.py: the three hybrid texts. patches.py: the patch path. clusters.py: CoMap's clusters. candidates.py: the
    proposals
that the clusters point to. relations.py, coherence.py: the two guidance terms. base.py: Global-Local scores. config.py:
settings and presets.
"""

from zsris_viz.methods.copatch.clusters import Clusters, find_clusters
from zsris_viz.methods.copatch.config import CoPatchConfig
from zsris_viz.methods.copatch.method import CoPatch

__all__ = ["Clusters", "CoPatch", "CoPatchConfig", "find_clusters"]
