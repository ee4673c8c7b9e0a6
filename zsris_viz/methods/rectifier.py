"""The spatial rectifier of TAS (Suo et al., 2023, section 3.4), which excludes masks outside the named image part."""

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
    """The result of the rectifier for N masks.

    Attributes:
        direction: The sides that were used, such as "left" or "top left"; None if the rectifier does not apply.
        centres: Tensor (N, 2) of float64, x and y of the centre of each mask in pixels; nan for an empty mask.
        medians: Positions x and y of the lines between the halves in pixels; nan if all masks are empty.
        halves: For each side a tensor (N,) of bool, the masks in that half.
        inside: Tensor (N,) of bool, the masks that remain eligible; None if the rectifier does not apply.
    """

    direction: str | None
    centres: Tensor
    medians: tuple[float, float]
    halves: dict[str, Tensor]
    inside: Tensor | None

    def apply(self, scores: Tensor) -> Tensor:
        """Set the score of every mask outside the named part to -inf.

        Args:
            scores: Tensor (N,), the scores.

        Returns:
            Tensor (N,).
        """
        return scores if self.inside is None else scores.masked_fill(~self.inside.to(scores.device), -torch.inf)


def rectify(masks: Masks, direction: str | None, *, halves: str = "shared") -> Rectification:
    """Find the masks that lie in the half or quadrant that a direction names.

    The centre of a mask is the mean of its pixels' coordinates. The halves are separated at the median of all centres.
    A direction with two sides names a quadrant. The rectifier does not apply without a side ("middle" is not one), with
    fewer than two masks, or if no mask lies in the named part.

    Args:
        masks: The proposals; empty ones are ignored.
        direction: "left", "right", "top", "bottom", two of them ("top left"), "middle" or None.
        halves: "shared" assigns a mask on the median to both halves, so that left and right are mirror images.
            "official" assigns it to the right or bottom half and truncates centres to whole pixels, as in the authors'
            code.

    Returns:
        The eligible masks with the centres and medians.

    Raises:
        InvalidInputError: The direction or the value of `halves` is unknown.
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
    """Return the sides that a direction names, such as ["top", "left"] for "top left".

    Args:
        direction: The direction, or None.

    Returns:
        The sides; an empty list for None and for "middle".

    Raises:
        InvalidInputError: The direction contains an unknown word.
    """
    words = (direction or "").lower().split()
    unknown = [word for word in words if word not in (*SIDES, "middle")]
    if unknown:
        raise InvalidInputError(
            f"direction={direction!r} is unknown; use left, right, top, bottom, middle, or two such as 'top left'."
        )
    return [word for word in words if word in SIDES]
