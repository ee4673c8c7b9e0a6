"""Results of methods: a mask with its evidence, and for methods that choose among proposals a ranking."""

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
        mask: Tensor (H, W) of bool on the CPU; all False if there is no prediction.
        method: Name of the method.
        expression: Text of the expression.
        evidence: Intermediate results by name, such as maps, features and partial scores, which are listed in the
            docstring of each method. Tensors are on the CPU.
        seconds: Wall-clock time of the prediction in seconds, without the time of features that the scene had computed
            before.
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
            A Ranking by the IoU of each proposal with the predicted mask, without a chosen proposal. A Ranking returns
            itself.
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
        """Return a short description of the predicted mask."""
        return "no mask" if not bool(self.mask.any()) else "a mask that is not among the proposals"

    def __repr__(self) -> str:
        share = f"{100 * float(self.mask.float().mean()):.1f} % of the image"
        return f"{type(self).__name__}({self.method!r}, {self.expression!r}: {self.describe()}, {share})"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Ranking(Prediction):
    """The proposals of one image, scored for one expression; the predicted mask is the best one.

    Attributes:
        scores: Tensor (N,) of float32 on the CPU, of which higher ones are better; -inf for an empty mask.
        chosen: Index of the best proposal, the first one if several have the same score; None if all proposals are
            empty or the ranking was made from a predicted mask.
    """

    scores: Tensor
    chosen: int | None

    @property
    def order(self) -> list[int]:
        """Return the indices of the proposals from best to worst; those with equal scores keep their order."""
        return torch.argsort(self.scores, descending=True, stable=True).tolist()

    def top(self, count: int = 5) -> list[tuple[int, float]]:
        """Return the index and the score of each of the best `count` proposals."""
        return [(index, float(self.scores[index])) for index in self.order[:count]]

    def rank(self, masks: Masks) -> Ranking:
        """Return the ranking itself."""
        return self

    def describe(self) -> str:
        """Return a short description of the predicted mask."""
        return super().describe() if self.chosen is None else f"mask {self.chosen} of {len(self.scores)}"
