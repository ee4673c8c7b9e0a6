"""The spatial rectifier of TAS (Suo et al., 2023, section 3.4): only masks in the named half or quadrant may win."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.masks import Masks

#: Direction -> (axis of the centre, 0 for x and 1 for y, whether it is the low half).
SIDES = {"left": (0, True), "right": (0, False), "top": (1, True), "bottom": (1, False)}
HALVES = ("shared", "official")


@dataclass(frozen=True)
class Rectification:
    """What the rectifier made of a direction.

    Attributes:
        direction: the words for sides that it used, "left" or "top left"; None if there was none to use.
        centres: (N, 2) float64, x and y of each mask in pixels; nan for an empty mask.
        medians: (x, y) at which the halves are split; nan without a mask.
        halves: name of a side -> (N,) bool, the masks in it.
        inside: (N,) bool, the masks that may win; None for no rectification.
    """

    direction: str | None
    centres: Tensor
    medians: tuple[float, float]
    halves: dict[str, Tensor]
    inside: Tensor | None

    def apply(self, scores: Tensor) -> Tensor:
        """Scores with -inf for every mask outside the named part."""
        return scores if self.inside is None else scores.masked_fill(~self.inside.to(scores.device), -torch.inf)


def rectify(masks: Masks, direction: str | None, *, halves: str = "shared") -> Rectification:
    """Which masks lie where a direction says.

    The centre of a mask is the mean of its pixels' coordinates; the halves are split at the median of all centres. A
    direction of two sides names a quadrant. There is no rectification without a side ("middle" is none), with fewer
    than two masks, or where no mask lies in the named part.

    Args:
        masks: the proposals; empty ones count nowhere.
        direction: "left", "right", "top", "bottom", two of them ("top left"), "middle" or None.
        halves: "shared", a mask on the median lies in both halves, so that left and right are mirror images;
            "official", it lies in the right or bottom one, and centres are truncated to whole pixels, as in the
            authors' code.

    Raises:
        InvalidInputError: an unknown direction, or an unknown way of halving.
    """
    if halves not in HALVES:
        raise InvalidInputError(f"halves={halves!r} is unknown; use one of {', '.join(HALVES)}.")
    words = sides_of(direction)
    centres = torch.full((len(masks), 2), torch.nan, dtype=torch.float64)
    present = masks.areas.cpu() > 0
    for index in present.nonzero()[:, 0].tolist():
        rows, columns = masks.data[index].cpu().nonzero(as_tuple=True)
        centres[index] = torch.stack([columns.double().mean(), rows.double().mean()])
    if halves == "official":
        centres = centres.trunc()
    count = int(present.sum())
    if not count:
        return Rectification(None, centres, (float("nan"), float("nan")), {}, None)
    middle = torch.quantile(centres[present], 0.5, dim=0)
    parts = {}
    for name, (axis, low) in SIDES.items():
        place, split = centres[:, axis], middle[axis]
        if low:
            parts[name] = (place <= split) if halves == "shared" else (place < split)
        else:
            parts[name] = place >= split
    inside = torch.ones(len(masks), dtype=torch.bool) & present
    for word in words:
        inside &= parts[word]
    used = bool(words) and count >= 2 and bool(inside.any())
    medians = (float(middle[0]), float(middle[1]))
    return Rectification(" ".join(words) if used else None, centres, medians, parts, inside if used else None)


def sides_of(direction: str | None) -> list[str]:
    """The sides that a direction names: [] for None and "middle", ["top", "left"] for "top left".

    Raises:
        InvalidInputError: a word that is none of them.
    """
    words = (direction or "").lower().split()
    unknown = [word for word in words if word not in (*SIDES, "middle")]
    if unknown:
        raise InvalidInputError(
            f"direction={direction!r} is unknown; use left, right, top, bottom, middle, or two such as 'top left'."
        )
    return [word for word in words if word in SIDES]
