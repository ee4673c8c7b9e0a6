"""The state of CompareExplorer, without widgets: two rankings of the same proposals, and their difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from zsris_viz.explorers.method_state import RankingState, painted_scores
from zsris_viz.explorers.state import Scene, check_choice, check_text
from zsris_viz.methods.base import Ranking
from zsris_viz.models.base import ImageTextModel


@dataclass(frozen=True)
class Side:
    """The expression and the method of one side of a comparison.

    Attributes:
        expression: The text.
        method: Name of the method.
    """

    expression: str
    method: str


class CompareState(RankingState):
    """Compute two rankings of the same proposals, and their difference on the image.

    Args:
        image: Anything that :func:`zsris_viz.images.open_image` takes.
        expression: The first text.
        other_expression: The second text; None for the first.
        clip: A model, or its name for `load_clip`.
        method: Name of the first method.
        other_method: Name of the second method; None for the first.
        proposals: A name for `load_proposals`, a Proposer, or masks.
        truth: (H, W) bool, the ground truth; None if it is not known.
        parser: Parser for expressions; by default the package's own.
        dataset: Name of the dataset whose settings the methods get (see
            :mod:`zsris_viz.methods.dataset_settings`), such as "scenes"; None for the methods' own.

    Attributes:
        first: The first side; change it with :meth:`set`.
        second: The second side; change it with :meth:`set`.
        rankings: The rankings of both sides.
    """

    def __init__(
        self,
        image: Scene,
        expression: str,
        other_expression: str | None = None,
        clip: str | ImageTextModel = "miniature",
        *,
        method: str = "global-local",
        other_method: str | None = None,
        proposals: Any = "felzenszwalb",
        truth: Any = None,
        parser: Any = None,
        dataset: str | None = None,
    ) -> None:
        super().__init__(image, clip, proposals, truth=truth, parser=parser, dataset=dataset)
        self.first = self.second = Side("", "")
        self.rankings: tuple[Ranking, Ranking]
        other = Side(other_expression or expression, other_method or method)
        self.set(first=Side(expression, method), second=other)

    @property
    def expression(self) -> str:
        """Return the first side's expression."""
        return self.first.expression

    def set(self, **changes: Side) -> None:
        """Change `first`, `second` or both: all of the changes, or none if one is wrong."""
        for name in changes:
            check_choice(name, ("first", "second"), "setting")
        sides = [changes.get("first", self.first), changes.get("second", self.second)]
        first, second = (self.ranking_of(check_text(side.expression), side.method) for side in sides)
        (self.first, self.second), self.rankings = sides, (first, second)

    def difference(self) -> np.ndarray:
        """Return (H, W) float32: the first's painted scores minus the second's, in standard deviations."""
        first, second = (painted_scores(ranking, self.scene.masks) for ranking in self.rankings)
        return first - second

    def agreement(self) -> tuple[bool, float]:
        """Return whether both choose the same mask, and Spearman's correlation of their scores.

        The correlation is 1 with a single proposal, and nan where all scores of one side are equal.
        """
        first, second = self.rankings
        same = torch.equal(first.mask, second.mask)
        real = (first.scores.isfinite() & second.scores.isfinite()).numpy()
        if real.sum() < 2:
            return same, 1.0
        from scipy.stats import rankdata

        ranks = [rankdata(ranking.scores.numpy()[real]) for ranking in self.rankings]
        if any(np.ptp(side) == 0 for side in ranks):
            return same, float("nan")
        return same, float(np.corrcoef(*ranks)[0, 1])
