"""Guided selection among candidates, shared by HybridGL (Liu and Li, CVPR 2025) and CoPatch (An et al., 2025)."""
