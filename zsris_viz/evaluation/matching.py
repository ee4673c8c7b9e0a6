"""Choices against references: pixels, IoU, the best proposal, what a uniform choice would get, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zsris_viz.datasets.types import Expression, Reference
from zsris_viz.evaluation.metrics import THRESHOLDS
from zsris_viz.masks import Masks
from zsris_viz.methods.base import Prediction, Ranking

RIGHT = 0.5  # IoU above which a mask fits
MOSTLY = 0.5  # share of a mask's pixels above which it lies in another
# What can become of an expression, the first that holds:
OUTCOMES = (
    "right",  # the IoU of the choice is above 0.5
    "failed",  # there is no choice, because of an error
    "no proposal fits",  # no proposal has an IoU above 0.5
    "right class, wrong instance",  # the choice shows another object of the target's class
    "wrong class",  # the choice shows an object of another class, or none
    "part of object",  # the choice lies in the target but covers too little of it
    "more than the object",  # the choice covers the target and too much besides
    "wrong object",  # the choice does not show the target; the dataset does not tell what it shows
)


class ProposalMatcher:
    """Judges the choices for the expressions of one image.

    Until it has looked at proposals it knows of none: every choice has IoU 0, with the area of the reference as union.

    Args:
        pairs: the image's expressions with their references, in order.
    """

    def __init__(self, pairs: Sequence[tuple[Reference, Expression]]) -> None:
        references = list({id(reference): reference for reference, _ in pairs}.values())
        places = {id(reference): place for place, reference in enumerate(references)}
        self._masks = [np.asarray(reference.mask, dtype=bool) for reference in references]
        self._classes = [reference.category or None for reference in references]
        self._of = [places[id(reference)] for reference, _ in pairs]
        self._areas = np.array([np.count_nonzero(mask) for mask in self._masks], dtype=np.int64)
        none = np.zeros((0, len(references)), dtype=np.int64)
        self._set(none, none, np.zeros(0, dtype=np.int64))
        self._things: _Things | None = None

    def look(self, proposals: Masks, things: Masks | None = None, classes: Sequence[str] | None = None) -> None:
        """Compare all proposals with all references, and with the annotated objects of the image.

        Args:
            proposals: what is chosen from.
            things: all annotated objects of the image, None if the dataset does not have them. classes: of each.

        Raises:
            InvalidInputError: references or objects of another size than the proposals.
        """
        references = Masks.from_arrays(self._masks)
        shared = proposals.intersections(references).cpu().numpy()
        areas = proposals.areas.cpu().numpy()
        self._set(shared, areas[:, None] + self._areas - shared, areas)
        self._things = None if things is None else _Things(references, things, classes)

    def _set(self, intersections: np.ndarray, unions: np.ndarray, areas: np.ndarray) -> None:
        """(N, references) int64 each, and (N,) int64 areas of the proposals."""
        self._intersections, self._unions, self._sizes = intersections, unions, areas
        self._ious = intersections / np.maximum(unions, 1)
        self._best = self._ious.max(axis=0, initial=0.0)

    def row(self, number: int, prediction: Prediction | None, *, failed: bool = False) -> dict[str, Any]:
        """Compare the mask predicted for an expression with its reference.

        Args:
            number: Of the expression.
            prediction: What a method returned; None for nothing, which counts as an empty mask.
            failed: Whether an error is the reason for no prediction.

        Returns:
            The columns of a row that depend on the prediction; `chosen` is None unless a proposal was chosen.
        """
        place = self._of[number]
        mask = None if prediction is None else prediction.mask.cpu().numpy()
        reference = self._masks[place]
        shared = 0 if mask is None else int(np.count_nonzero(mask & reference))
        size = 0 if mask is None else int(np.count_nonzero(mask))
        union = int(self._areas[place]) + size - shared
        iou = shared / max(union, 1)
        ranks = prediction is None or isinstance(prediction, Ranking)
        outcome, shown = ("failed", None) if failed else self._outcome(place, mask, shared, size, iou, ranks)
        return {
            "chosen": prediction.chosen if isinstance(prediction, Ranking) else None,
            "intersection": shared,
            "union": union,
            "iou": iou,
            **self._common(place),
            "outcome": outcome,
            "chosen_category": shown,
        }

    def chance_row(self, number: int) -> dict[str, Any]:
        """The same columns, and the expected metrics, for a proposal drawn uniformly: exact means over all
        proposals."""
        place = self._of[number]
        if not len(self._ious):
            row = self.row(number, None) | dict.fromkeys(["accuracy", *_above()], 0.0)
            return row | {"outcome": None}
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
        """What does not depend on the choice. The best proposal is that of the largest IoU, the first of equals."""
        bound = {"upper_bound_intersection": 0, "upper_bound_union": int(self._areas[place])}
        if self._best[place] > 0:
            best = int(self._ious[:, place].argmax())
            bound["upper_bound_intersection"] = int(self._intersections[best, place])
            bound["upper_bound_union"] = int(self._unions[best, place])
        known = {"upper_bound_iou": float(self._best[place]), "n_proposals": len(self._ious)}
        return {**known, **bound, "category": self._classes[place]}

    def _outcome(
        self, place: int, mask: np.ndarray | None, shared: int, size: int, iou: float, ranks: bool
    ) -> tuple[str, str | None]:
        """Return one of `OUTCOMES`, and the class of what the mask shows (None: nothing annotated, or unknown).

        Args:
            place: Of the reference.
            mask: (H, W) bool, or None.
            shared: Pixels of the mask in the reference.
            size: Pixels of the mask.
            iou: Of both.
            ranks: Whether the mask was chosen among the proposals, so that none of them may fit.
        """
        own = self._classes[place]
        if iou > RIGHT:
            return "right", own
        inside, covers = shared / max(1, size) > MOSTLY, shared / max(1, self._areas[place]) > MOSTLY
        iou = iou if inside or covers else 0.0
        rival, shown = (0.0, None) if self._things is None or mask is None else self._things.rival(mask, place)
        if self._best[place] <= RIGHT and ranks:
            return "no proposal fits", own if iou and iou >= rival else shown
        if iou and iou >= rival:
            return "part of object" if inside else "more than the object", own
        if self._things is None or (rival and None in (shown, own)):
            return "wrong object", None
        return "right class, wrong instance" if rival and shown == own else "wrong class", shown


class _Things:
    """The annotated objects of an image, as rivals of its references."""

    def __init__(self, references: Masks, things: Masks, classes: Sequence[str] | None) -> None:
        self._masks = things.data.cpu().numpy()
        self._areas = things.areas.cpu().numpy()
        within = things.intersections(references).cpu().numpy()
        # What lies in a reference is it, or a part of it, such as one of the things that a phrase in the plural means.
        self._other = within <= MOSTLY * np.maximum(self._areas, 1)[:, None]
        self._classes = classes

    def rival(self, mask: np.ndarray, place: int) -> tuple[float, str | None]:
        """Return IoU and class of the object, not the reference, that a mask shows best; 0 and None if none."""
        if not len(self._masks):
            return 0.0, None
        size = np.count_nonzero(mask)
        shared = np.array([np.count_nonzero(thing & mask) for thing in self._masks])
        shows = (shared > MOSTLY * size) | (shared > MOSTLY * self._areas)
        ious = np.where(shows & self._other[:, place], shared / np.maximum(size + self._areas - shared, 1), 0.0)
        best = int(ious.argmax())
        if not ious[best]:
            return 0.0, None
        return float(ious[best]), None if self._classes is None else self._classes[best]


def _above() -> dict[str, float]:
    return {f"accuracy_{round(100 * threshold)}": threshold for threshold in THRESHOLDS}
