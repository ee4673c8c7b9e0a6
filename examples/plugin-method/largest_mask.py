"""A method that ignores the expression and chooses the largest proposal: the least that a method consists of."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from zsris_viz.methods import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.expression_parts import ExpressionParts


class LargestMask(RankingMethod):
    """Score every proposal by its share of the image.

    Evidence:
        share: (N,) float tensor, the share of the image's pixels that each proposal covers.
    """

    info = MethodInfo(
        name="largest-mask",
        title="Largest mask",
        paper="none: an example",
        towers=(),
        summary="Chooses the largest proposal, whatever the expression says.",
        needs=frozenset(),  # it uses neither layers nor captions
    )

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Return the share of each proposal as its score."""
        height, width = scene.size
        share = scene.masks.areas.float() / (height * width)
        return share, {"share": share}
