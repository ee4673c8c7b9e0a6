"""Relation guidance: whether each candidate has the expression's relation to other things (Liu and Li, CVPR 2025).

This term of HybridGL, which CoPatch uses too, multiplies the base method's probability of a candidate by a sum over the
proposals to which the candidate has the relation. The summands are the probabilities that these proposals show the
other thing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.language.lexicon import BIGGER, SMALLER
from zsris_viz.masks import Masks

#: Relations that can be checked on masks; other relations give no guidance.
GUIDED = ("left", "right", "above", "below", "bigger", "smaller", "inside")
#: Relation to things of the same kind for each direction, as in "the left cat".
OF_DIRECTION = {"left": "left", "right": "right", "top": "above", "bottom": "below"}
#: Relation to things of the same kind for each adjective of size, such as "bigger" and "biggest".
OF_SIZE = {
    form: name
    for name, words in (("bigger", BIGGER), ("smaller", SMALLER))
    for word in words
    for form in (word, f"{word[:-2]}est")
}


def relation_of(relation: str | None, direction: str | None, noun_phrase: str = "") -> tuple[str | None, bool]:
    """Return the relation to check and whether it distinguishes things of the same kind.

    "left of the bus" is a relation to the bus. "the left cat" and "the smallest cat" distinguish one of several cats.
    In "top left" the horizontal word is used.

    Args:
        relation: The relation of the expression, or None.
        direction: The direction of the expression, such as "left" or "top left", or None.
        noun_phrase: The noun phrase, in which adjectives of size are found.

    Returns:
        One of `GUIDED` or None, and whether the relation is one to things of the same kind.

    >>> relation_of(None, "top left")
    ('left', True)
    """
    if relation in GUIDED:
        return relation, False
    words = [OF_DIRECTION[word] for word in (direction or "").split() if word in OF_DIRECTION]
    words = words or [OF_SIZE[word] for word in noun_phrase.lower().split() if word in OF_SIZE]
    return (words[-1], True) if words else (None, False)


def relation_matrix(
    masks: Masks, relation: str, rows: Sequence[int], columns: Sequence[int], geometry: str = "masks"
) -> Tensor:
    """Compute whether proposals have a relation to other proposals.

    Args:
        masks: The proposals.
        relation: One of `GUIDED`.
        rows: Indices of the proposals that may have the relation.
        columns: Indices of the proposals to which they may have it.
        geometry: As in :class:`~zsris_viz.methods.guidance.config.AuthorsGuidance`. With "masks" no proposal has a
            relation to itself.

    Returns:
        Tensor (rows, columns) of float64: 0 or 1; for "inside" the share of the first proposal's area, 0-1. With
        "masks" an empty mask has no relation.

    Raises:
        InvalidInputError: The relation is unknown.
    """
    if relation not in GUIDED:
        raise InvalidInputError(f"relation {relation!r} cannot be checked on masks; use one of {', '.join(GUIDED)}.")
    first, second = torch.tensor(rows, dtype=torch.int64), torch.tensor(columns, dtype=torch.int64)
    if geometry != "masks":
        return _by_boxes(masks, relation, first, second, misread=geometry == "corners")
    areas = masks.areas.double().cpu()
    if relation == "inside":
        shared = masks.select(first).intersections(masks.select(second)).double().cpu()
        matrix = shared / areas[first].clamp(min=1)[:, None]
    else:
        x, y = masks.centroids.double().cpu().T
        quantity = {"left": -x, "right": x, "above": -y, "below": y, "bigger": areas, "smaller": -areas}[relation]
        matrix = (quantity[first][:, None] > quantity[second][None]).double()
    present = areas > 0
    return matrix * (first[:, None] != second[None]) * present[first][:, None] * present[second][None]


def _by_boxes(masks: Masks, relation: str, first: Tensor, second: Tensor, *, misread: bool) -> Tensor:
    boxes = masks.boxes.double().cpu()
    boxes[:, 2:] -= 1  # inclusive, as the authors' boxes are
    if not misread:
        boxes[:, 2:] -= boxes[:, :2]  # XYWH
    a, b = boxes[first][:, None].unbind(dim=-1), boxes[second][None].unbind(dim=-1)
    if relation == "inside":
        left, top = torch.maximum(a[0], b[0]), torch.maximum(a[1], b[1])
        right = torch.maximum(left, torch.minimum(a[0] + a[2], b[0] + b[2]))
        bottom = torch.maximum(top, torch.minimum(a[1] + a[3], b[1] + b[3]))
        return (right - left) * (bottom - top) / (a[2] * a[3]).clamp(min=1)
    (ax, ay, asize), (bx, by, bsize) = ((box[0] + box[2] / 2, box[1] + box[3] / 2, box[2] * box[3]) for box in (a, b))
    return {
        "left": ax < bx,
        "right": ax > bx,
        "above": ay < by,
        "below": ay > by,
        "bigger": asize > bsize,
        "smaller": asize < bsize,
    }[relation].double()


def guided_scores(
    base: Tensor,
    candidates: Sequence[int],
    others: Sequence[int],
    other_scores: Tensor,
    matrix: Tensor | None,
    *,
    times: int = 1,
) -> Tensor:
    """Compute the scores under relation guidance: s_i times the sum over others j of s'_j R(i, j).

    Args:
        base: Tensor (N,), the softmax s of the base method's scores.
        candidates: Indices i of the candidates.
        others: Indices j of the proposals that may show the other thing.
        other_scores: Tensor (N,), the softmax s' of the similarities to the other thing.
        matrix: Tensor (candidates, others), R; None without a relation.
        times: Factor of s_i without a relation.

    Returns:
        Tensor (candidates,) of float64.
    """
    own = base[list(candidates)].double().cpu()
    if matrix is None:
        return own * times
    return own * (matrix @ other_scores[list(others)].double().cpu())
