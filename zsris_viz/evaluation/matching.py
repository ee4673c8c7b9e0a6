"""Choices against references: pixels, IoU, the best proposal, what a uniform choice would get, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from zsris_viz.datasets.types import Expression, Reference
from zsris_viz.evaluation.metrics import THRESHOLDS
from zsris_viz.masks import Masks

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
        self._pairs = pairs
        self._annotated: tuple[Masks | None, Sequence[str] | None] = (None, None)
        self._chooses = True  # the answers are proposals, and not masks of the method's own

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
        self._things = None if things is None else _Things(proposals, references, things, classes)
        self._annotated = (things, classes)

    def _set(self, intersections: np.ndarray, unions: np.ndarray, areas: np.ndarray) -> None:
        """(N, references) int64 each, and (N,) int64 areas of the proposals."""
        self._intersections, self._unions, self._sizes = intersections, unions, areas
        self._ious = intersections / np.maximum(unions, 1)
        self._best = self._ious.max(axis=0, initial=0.0)

    def row(
        self, number: int, chosen: int | None, *, failed: bool = False, mask: torch.Tensor | None = None
    ) -> dict[str, Any]:
        """The judged columns for the choice of a proposal, or of none, for expression `number`.

        Args:
            number: of the expression. chosen: of the proposal. failed: whether an error is the reason for no choice.
            mask: (H, W) bool, the answer of a method that makes its own mask; judged in the place of a proposal.
        """
        place = self._of[number]
        if mask is not None:
            alone = ProposalMatcher(self._pairs)
            alone.look(Masks.from_arrays([mask.cpu().numpy()]), *self._annotated)
            alone._chooses = False
            return {**alone.row(number, 0), "chosen": None, **self._common(place)}
        if chosen is None:
            pixels = {"intersection": 0, "union": int(self._areas[place]), "iou": 0.0}
        else:
            pixels = {
                "intersection": int(self._intersections[chosen, place]),
                "union": int(self._unions[chosen, place]),
                "iou": float(self._ious[chosen, place]),
            }
        outcome, shown = self._outcome(place, chosen, failed)
        return {"chosen": chosen, **pixels, **self._common(place), "outcome": outcome, "chosen_category": shown}

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

    def _outcome(self, place: int, chosen: int | None, failed: bool) -> tuple[str, str | None]:
        """One of `OUTCOMES`, and the class of what the choice shows (None: nothing annotated, or unknown)."""
        own = self._classes[place]
        if chosen is not None and self._ious[chosen, place] > RIGHT:
            return "right", own
        if failed and chosen is None:
            return "failed", None
        shared, size = (0, 1) if chosen is None else (self._intersections[chosen, place], max(1, self._sizes[chosen]))
        inside, covers = shared / size > MOSTLY, shared / max(1, self._areas[place]) > MOSTLY
        iou = self._ious[chosen, place] if chosen is not None and (inside or covers) else 0.0
        rival, shown = (0.0, None) if self._things is None else self._things.rival(chosen, place)
        if self._best[place] <= RIGHT and self._chooses:
            return "no proposal fits", own if iou and iou >= rival else shown
        if iou and iou >= rival:
            return "part of object" if inside else "more than the object", own
        if self._things is None or (rival and None in (shown, own)):
            return "wrong object", None
        return "right class, wrong instance" if rival and shown == own else "wrong class", shown


class _Things:
    """The annotated objects of an image, as rivals of its references."""

    def __init__(self, proposals: Masks, references: Masks, things: Masks, classes: Sequence[str] | None) -> None:
        shared = proposals.intersections(things).cpu().numpy()
        sizes, areas = proposals.areas.cpu().numpy()[:, None], things.areas.cpu().numpy()
        shows = (shared > MOSTLY * sizes) | (shared > MOSTLY * areas)
        self._ious = np.where(shows, shared / np.maximum(sizes + areas - shared, 1), 0.0)
        within = things.intersections(references).cpu().numpy()
        # What lies in a reference is it, or a part of it, such as one of the things that a phrase in the plural means.
        self._other = within <= MOSTLY * np.maximum(areas, 1)[:, None]
        self._classes = classes

    def rival(self, chosen: int | None, place: int) -> tuple[float, str | None]:
        """IoU and class of the object, not the reference, that the choice shows best; 0 and None if it shows none."""
        if chosen is None or not self._ious.shape[1]:
            return 0.0, None
        ious = np.where(self._other[:, place], self._ious[chosen], 0.0)
        best = int(ious.argmax())
        if not ious[best]:
            return 0.0, None
        return float(ious[best]), None if self._classes is None else self._classes[best]


def _above() -> dict[str, float]:
    return {f"accuracy_{round(100 * threshold)}": threshold for threshold in THRESHOLDS}
