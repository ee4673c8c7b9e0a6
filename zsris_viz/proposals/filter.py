"""The overlap filter of TAS, which removes the parts of objects from the proposals of SAM."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.masks import Masks


@dataclass(frozen=True)
class OverlapFilter:
    """The result of the filter for each mask.

    Attributes:
        masks: The kept masks, in their order.
        kept: (K,) int64, indices of the kept masks.
        too_small: (N,) bool, whether a mask was dropped for its area.
        covered_by: (N,) int64, index of the largest mask that a dropped one overlaps; -1 for masks that were not
            dropped because of an overlap.
    """

    masks: Masks
    kept: Tensor
    too_small: Tensor
    covered_by: Tensor


def filter_overlaps(masks: Masks, *, min_area: int = 2000, max_overlap: float = 0.4) -> OverlapFilter:
    """Drop small masks, and the smaller of two overlapping masks (TAS, section 4.1, "implementation details").

    Every pair is compared, whether or not the larger mask is itself dropped because of a still larger one, as in the
    authors' code; of two masks of equal size the earlier one is kept.

    Args:
        masks: The proposals.
        min_area: Masks of fewer pixels are dropped first and have no effect on others; 2,000 is meant for images of
            about 640 x 480.
        max_overlap: Share of the smaller mask, 0-1; if an intersection is larger, only the larger mask is kept.

    Raises:
        InvalidInputError: A threshold is outside its range.
    """
    check_thresholds(min_area, max_overlap)
    areas = masks.areas.cpu()
    count = len(masks)
    too_small = areas < min_area
    large = (~too_small).nonzero()[:, 0]
    covered_by = torch.full((count,), -1, dtype=torch.int64)
    if len(large):
        sizes = areas[large]
        position = torch.arange(len(large))
        wins = (sizes[:, None] > sizes) | ((sizes[:, None] == sizes) & (position[:, None] < position))
        covers = wins & (masks.overlap_of_smaller().cpu()[large][:, large] > max_overlap)
        largest = torch.where(covers, sizes[:, None], -1).argmax(dim=0)
        covered_by[large] = torch.where(covers.any(dim=0), large[largest], -1)
    kept = (~too_small & (covered_by < 0)).nonzero()[:, 0]
    return OverlapFilter(masks.select(kept), kept, too_small, covered_by)


def check_thresholds(min_area: float, max_overlap: float) -> None:
    """Check the thresholds of the filter.

    Raises:
        InvalidInputError: The area is negative, or the share is outside 0-1.
    """
    if not min_area >= 0:
        raise InvalidInputError(f"min_area={min_area} was given; a number of pixels from 0 up is accepted.")
    if not 0 <= max_overlap <= 1:
        raise InvalidInputError(f"max_overlap={max_overlap} was given; a share from 0 to 1 is accepted.")
