"""Choices against references: pixels, IoU, the best proposal, and what a uniform choice would get on average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zsris_viz.datasets.types import Expression, Reference
from zsris_viz.evaluation.metrics import THRESHOLDS
from zsris_viz.masks import Masks


class Judge:
    """Judges the choices for the expressions of one image.

    Until it has looked at proposals it knows of none: every choice has IoU 0, with the area of the reference as union.

    Args:
        pairs: the image's expressions with their references, in order.
    """

    def __init__(self, pairs: Sequence[tuple[Reference, Expression]]) -> None:
        references = list({id(reference): reference for reference, _ in pairs}.values())
        places = {id(reference): place for place, reference in enumerate(references)}
        self._masks = [np.asarray(reference.mask, dtype=bool) for reference in references]
        self._of = [places[id(reference)] for reference, _ in pairs]
        self._areas = np.array([np.count_nonzero(mask) for mask in self._masks], dtype=np.int64)
        self._set(np.zeros((0, len(references)), dtype=np.int64), self._areas[None][:0])

    def look(self, proposals: Masks) -> None:
        """Compare all proposals with all references.

        Raises:
            InvalidInputError: references of another size than the proposals.
        """
        shared = proposals.intersections(Masks.from_arrays(self._masks)).cpu().numpy()
        self._set(shared, proposals.areas.cpu().numpy()[:, None] + self._areas - shared)

    def _set(self, intersections: np.ndarray, unions: np.ndarray) -> None:
        """(N, references) int64 each."""
        self._intersections, self._unions = intersections, unions
        self._ious = intersections / np.maximum(unions, 1)
        self._best = self._ious.max(axis=0, initial=0.0)

    def row(self, number: int, chosen: int | None) -> dict[str, Any]:
        """The judged columns for the choice of a proposal, or of none, for expression `number`."""
        place = self._of[number]
        if chosen is None:
            pixels = {"intersection": 0, "union": int(self._areas[place]), "iou": 0.0}
        else:
            pixels = {
                "intersection": int(self._intersections[chosen, place]),
                "union": int(self._unions[chosen, place]),
                "iou": float(self._ious[chosen, place]),
            }
        return {"chosen": chosen, **pixels, **self._common(place)}

    def chance_row(self, number: int) -> dict[str, Any]:
        """The same columns, and the expected metrics, for a proposal drawn uniformly: exact means over all
        proposals."""
        place = self._of[number]
        if not len(self._ious):
            return self.row(number, None) | dict.fromkeys(["accuracy", *_above()], 0.0)
        ious, best = self._ious[:, place], self._best[place]
        return {
            "chosen": None,
            "intersection": float(self._intersections[:, place].mean()),
            "union": float(self._unions[:, place].mean()),
            "iou": float(ious.mean()),
            **self._common(place),
            "accuracy": float(((ious >= best) & (ious > 0)).mean()),
            **{name: float((ious > threshold).mean()) for name, threshold in _above().items()},
        }

    def _common(self, place: int) -> dict[str, Any]:
        return {"upper_bound_iou": float(self._best[place]), "n_proposals": len(self._ious)}


def _above() -> dict[str, float]:
    return {f"accuracy_{round(100 * threshold)}": threshold for threshold in THRESHOLDS}
