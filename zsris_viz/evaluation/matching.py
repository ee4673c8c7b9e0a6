"""Predicted masks against references: pixels, IoU, the best proposal, a uniform choice, and the kind of error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zsris_viz.datasets.types import Expression, Reference
from zsris_viz.evaluation.metrics import THRESHOLDS
from zsris_viz.masks import Masks
from zsris_viz.methods.base import Prediction, Ranking

RIGHT = 0.5  # IoU above which a mask is correct
MOSTLY = 0.5  # share of a mask's pixels above which it lies in another
FILLED = 0.25  # share of a mask that an object must fill if it is to be shown by a mask that covers it
# Outcomes of an expression; the first that applies counts:
OUTCOMES = (
    "right",  # the IoU is above 0.5
    "failed",  # there is no prediction, because of an error
    "no target",  # a mask was predicted, and the expression has no target
    "no proposal fits",  # no proposal has an IoU above 0.5
    "no mask",  # the predicted mask is empty
    "right class, wrong instance",  # the mask shows another object of the target's class
    "wrong class",  # the mask shows an object of another class, or none
    "part of object",  # the mask lies inside the target but covers too little of it
    "more than the object",  # the mask covers the target and too much around it
    "wrong object",  # the mask does not show the target; what it shows is not annotated
)


class ProposalMatcher:
    """A comparison of the masks predicted for the expressions of an image with their references.

    Until `set_proposals` is called there are no proposals.

    Args:
        pairs: References and expressions of the image, in order.
    """

    def __init__(self, pairs: Sequence[tuple[Reference, Expression]]) -> None:
        references = list({id(reference): reference for reference, _ in pairs}.values())
        positions = {id(reference): position for position, reference in enumerate(references)}
        self._masks = [np.asarray(reference.mask, dtype=bool) for reference in references]
        self._classes = [reference.category or None for reference in references]
        self._positions = [positions[id(reference)] for reference, _ in pairs]
        self._areas = np.array([np.count_nonzero(mask) for mask in self._masks], dtype=np.int64)
        none = np.zeros((0, len(references)), dtype=np.int64)
        self._set(none, none)
        self._instances: _Instances | None = None

    def set_proposals(
        self, proposals: Masks, instances: Masks | None = None, classes: Sequence[str] | None = None
    ) -> None:
        """Compare all proposals with all references.

        Args:
            proposals: Masks that methods choose from.
            instances: All annotated objects of the image; None if the dataset does not have them.
            classes: Class of each of these.

        Raises:
            InvalidInputError: If references or objects have another size than the proposals.
        """
        references = Masks.from_arrays(self._masks)
        shared = proposals.intersections(references).cpu().numpy()
        areas = proposals.areas.cpu().numpy()
        self._set(shared, areas[:, None] + self._areas - shared)
        self._instances = None if instances is None else _Instances(references, instances, classes)

    def _set(self, intersections: np.ndarray, unions: np.ndarray) -> None:
        """Keep (N, references) int64 intersections and unions."""
        self._intersections, self._unions = intersections, unions
        self._ious = intersections / np.maximum(unions, 1)
        # For an expression without a target the best answer is an empty mask, whatever the proposals.
        self._best = np.where(self._areas == 0, 1.0, self._ious.max(axis=0, initial=0.0))

    def row(self, number: int, prediction: Prediction | None, *, failed: bool = False) -> dict[str, Any]:
        """Compare the mask predicted for an expression with its reference.

        Args:
            number: Number of the expression.
            prediction: What a method returned; None for nothing, which counts as an empty mask.
            failed: Whether an error is the reason for no prediction.

        Returns:
            The columns of a row that depend on the prediction; `chosen` is None unless a proposal was chosen.
        """
        position = self._positions[number]
        mask = None if prediction is None else prediction.mask.cpu().numpy()
        reference = self._masks[position]
        shared = 0 if mask is None else int(np.count_nonzero(mask & reference))
        size = 0 if mask is None else int(np.count_nonzero(mask))
        union = int(self._areas[position]) + size - shared
        iou = shared / union if union else 1.0  # an empty mask for an expression without a target is correct
        ranks = prediction is None or isinstance(prediction, Ranking)
        outcome, shown = ("failed", None) if failed else self._outcome(position, mask, shared, size, iou, ranks)
        return {
            "chosen": prediction.chosen if isinstance(prediction, Ranking) else None,
            "intersection": shared,
            "union": union,
            "iou": iou,
            **self._common(position),
            "outcome": outcome,
            "chosen_category": shown,
        }

    def chance_row(self, number: int) -> dict[str, Any]:
        """Return the same columns, and the expected metrics, for a proposal drawn uniformly: exact means.

        Args:
            number: Number of the expression.
        """
        position = self._positions[number]
        if not len(self._ious):
            row = self.row(number, None) | dict.fromkeys(["accuracy", *_above()], 0.0)
            return row | {"outcome": None}
        ious, best = self._ious[:, position], self._best[position]
        return {
            "chosen": None,
            "intersection": float(self._intersections[:, position].mean()),
            "union": float(self._unions[:, position].mean()),
            "iou": float(ious.mean()),
            **self._common(position),
            "accuracy": float(((ious >= best) & (ious > 0)).mean()),
            **{name: float((ious > threshold).mean()) for name, threshold in _above().items()},
        }

    def _common(self, position: int) -> dict[str, Any]:
        """Return the columns that do not depend on the prediction; of equally good proposals the first counts."""
        bound = {"upper_bound_intersection": 0, "upper_bound_union": int(self._areas[position])}
        if self._best[position] > 0 and self._areas[position]:
            best = int(self._ious[:, position].argmax())
            bound["upper_bound_intersection"] = int(self._intersections[best, position])
            bound["upper_bound_union"] = int(self._unions[best, position])
        known = {"upper_bound_iou": float(self._best[position]), "n_proposals": len(self._ious)}
        return {**known, **bound, "target_area": int(self._areas[position]), "category": self._classes[position]}

    def _outcome(
        self, position: int, mask: np.ndarray | None, shared: int, size: int, iou: float, ranks: bool
    ) -> tuple[str, str | None]:
        """Return one of `OUTCOMES`, and the class of what the mask shows (None: nothing annotated, or unknown).

        Args:
            position: Number of the reference.
            mask: (H, W) bool, or None.
            shared: Pixels of the mask in the reference.
            size: Pixels of the mask.
            iou: IoU of mask and reference.
            ranks: Whether the mask was chosen among the proposals, so that none of them may fit.
        """
        own = self._classes[position]
        if iou > RIGHT:
            return "right", own
        if not self._areas[position]:
            return "no target", None
        inside, covers = shared / max(1, size) > MOSTLY, shared / max(1, self._areas[position]) > MOSTLY
        iou = iou if inside or covers else 0.0
        other_iou, shown = 0.0, None
        if self._instances is not None and mask is not None:
            other_iou, shown = self._instances.shown_object(mask, position)
        if self._best[position] <= RIGHT and ranks:
            return "no proposal fits", own if iou and iou >= other_iou else shown
        if not size:
            return "no mask", None
        if iou and iou >= other_iou:
            return "part of object" if inside else "more than the object", own
        if self._instances is None or (other_iou and None in (shown, own)):
            return "wrong object", None
        return "right class, wrong instance" if other_iou and shown == own else "wrong class", shown


class _Instances:
    """The annotated objects of an image, with which the objects of references can be confused."""

    def __init__(self, references: Masks, instances: Masks, classes: Sequence[str] | None) -> None:
        self._masks = instances.data.cpu().numpy()
        self._areas = instances.areas.cpu().numpy()
        within = instances.intersections(references).cpu().numpy()
        # An object inside a reference is the target or a part of it, such as one of several objects of a plural phrase.
        self._is_other = within <= MOSTLY * np.maximum(self._areas, 1)[:, None]
        self._classes = classes

    def shown_object(self, mask: np.ndarray, position: int) -> tuple[float, str | None]:
        """Return IoU and class of the object, not the reference, that a mask shows best; 0 and None if none."""
        if not len(self._masks):
            return 0.0, None
        size = np.count_nonzero(mask)
        shared = np.array([np.count_nonzero(instance & mask) for instance in self._masks])
        # A mask of the background covers the objects in front of it and shows none of them.
        shows = (shared > MOSTLY * size) | ((shared > MOSTLY * self._areas) & (shared > FILLED * size))
        ious = np.where(shows & self._is_other[:, position], shared / np.maximum(size + self._areas - shared, 1), 0.0)
        best = int(ious.argmax())
        if not ious[best]:
            return 0.0, None
        return float(ious[best]), None if self._classes is None else self._classes[best]


def _above() -> dict[str, float]:
    return {f"accuracy_{round(100 * threshold)}": threshold for threshold in THRESHOLDS}
