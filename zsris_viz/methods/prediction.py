"""What a method returns: a mask with the evidence for it, and for methods that choose among proposals a ranking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from zsris_viz.masks import Masks


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """The mask that a method predicts for one expression.

    Attributes:
        mask: (H, W) bool tensor on the CPU; all False if nothing was found.
        method: Name of the method.
        expression: The text.
        evidence: What explains the mask, for drawing: maps, features and part scores by name. Each method's docstring
            lists its own. Tensors are on the CPU.
        seconds: Wall-clock time of the prediction; features that the scene kept from an earlier one cost nothing.
    """

    mask: Tensor
    method: str
    expression: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def rank(self, masks: Masks) -> Ranking:
        """Rank proposals by this prediction.

        Args:
            masks: The proposals of the scene.

        Returns:
            The prediction itself if it is a Ranking; else a Ranking by the IoU of each proposal with the predicted
            mask, of which none is chosen.
        """
        scores = masks.iou(self.mask)[:, 0].float().cpu() if len(masks) else torch.zeros(0)
        scores[masks.areas.cpu() == 0] = -torch.inf
        return Ranking(
            mask=self.mask,
            method=self.method,
            expression=self.expression,
            evidence=self.evidence,
            seconds=self.seconds,
            scores=scores,
            chosen=None,
        )

    def describe(self) -> str:
        """Say in a few words which mask was predicted."""
        return "no mask" if not bool(self.mask.any()) else "a mask that is not among the proposals"

    def __repr__(self) -> str:
        share = f"{100 * float(self.mask.float().mean()):.1f} % of the image"
        return f"{type(self).__name__}({self.method!r}, {self.expression!r}: {self.describe()}, {share})"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Ranking(Prediction):
    """The proposals of one image, scored for one expression; the predicted mask is the best one.

    Attributes:
        scores: (N,) float32 tensor on the CPU, higher is better; -inf for an empty mask.
        chosen: Index of the best proposal, the first of equals; None if no proposal has a pixel.
    """

    scores: Tensor
    chosen: int | None

    @property
    def order(self) -> list[int]:
        """Indices from best to worst; equals keep their order."""
        return torch.argsort(self.scores, descending=True, stable=True).tolist()

    def top(self, count: int = 5) -> list[tuple[int, float]]:
        """Return (index, score) of the best `count` proposals."""
        return [(index, float(self.scores[index])) for index in self.order[:count]]

    def rank(self, masks: Masks) -> Ranking:
        """Return the ranking itself."""
        return self

    def describe(self) -> str:
        """Say in a few words which mask was predicted."""
        return super().describe() if self.chosen is None else f"mask {self.chosen} of {len(self.scores)}"
