"""Computations on stacks of boolean masks, (N, H, W): counts, intersections, and masks on a token grid."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

FLOAT_PIXELS = 2**22  # mask pixels that are held as float32 at a time: 16 MiB
TILE = 64  # side in pixels of the tiles in which masks are intersected
SMALL = 2**20  # mask pixels that are intersected without tiles


def counts(masks: Tensor, axis: int) -> Tensor:
    """Return the sums over one axis, int64.

    The sum is taken in 32 bits. On the CPU `torch.sum` would first copy all masks to the wider type.
    """
    if masks.device.type != "cpu":
        return masks.sum(dim=axis, dtype=torch.int32).long()
    return torch.from_numpy(masks.numpy().sum(axis=axis, dtype=np.int32)).long()


def intersections(masks: Tensor, boxes: Tensor, others: Tensor, other_boxes: Tensor) -> Tensor:
    """Return the number of pixels that each mask shares with each of others, exact.

    The image is cut into tiles; in each tile the flattened masks whose boxes reach it are multiplied as float32
    matrices. That bounds the memory, keeps the sums exact and spares the many pairs of masks that are far apart. A few
    small masks are multiplied at once.

    Args:
        masks: Tensor (N, H, W) of bool.
        boxes: Tensor (N, 4), the boxes of `masks`, XYXY.
        others: Tensor (M, H, W) of bool; it may be `masks`.
        other_boxes: Tensor (M, 4), the boxes of `others`, XYXY.

    Returns:
        Tensor (N, M) of int64.
    """
    if (len(masks) + len(others)) * masks[:1].numel() <= SMALL:
        whole = masks.flatten(1).float()
        return (whole @ (whole if others is masks else others.flatten(1).float()).T).long()
    result = torch.zeros((len(masks), len(others)), dtype=torch.int64, device=masks.device)
    for top in range(0, masks.shape[1], TILE):
        for left in range(0, masks.shape[2], TILE):
            tile = (slice(None), slice(top, top + TILE), slice(left, left + TILE))
            rows = _reaching(boxes, top, left)
            columns = rows if others is masks else _reaching(other_boxes, top, left)
            if len(rows) and len(columns):
                left_factor = masks[tile][rows].flatten(1).float()
                right_factor = left_factor if others is masks else others[tile][columns].flatten(1).float()
                result[rows[:, None], columns] += (left_factor @ right_factor.T).long()
    return result


def _reaching(boxes: Tensor, top: int, left: int) -> Tensor:
    """Return the indices of the boxes that reach the tile at (top, left)."""
    x1, y1, x2, y2 = boxes.unbind(dim=1)
    return ((x1 < left + TILE) & (x2 > left) & (y1 < top + TILE) & (y2 > top)).nonzero()[:, 0]


def token_fractions(masks: Tensor, areas: Tensor, h: int, w: int, *, keep_one: bool, antialias: bool) -> Tensor:
    """Resize masks bilinearly to a token grid.

    Args:
        masks: Tensor (N, H, W) of bool.
        areas: Tensor (N,), the pixels of each mask.
        h: Rows of the grid.
        w: Columns of the grid.
        keep_one: Whether a mask that vanishes on the grid keeps the cell that holds most of its pixels, at 1.
        antialias: Whether the masks are resized with antialiasing.

    Returns:
        Tensor (N, h, w) of float32, 0-1.
    """
    grid = torch.zeros((len(masks), 1, h, w), device=masks.device)
    if not len(masks):
        return grid[:, 0]
    step = max(1, FLOAT_PIXELS // max(1, masks[0].numel()))
    for resized, part in zip(grid.split(step), masks[:, None].split(step), strict=True):
        resized[:] = F.interpolate(part.float(), size=(h, w), mode="bilinear", antialias=antialias).clamp(0, 1)
    grid = grid[:, 0]
    if keep_one:
        for index in ((grid.sum(dim=(1, 2)) == 0) & (areas > 0)).nonzero()[:, 0].tolist():
            cell = int(F.adaptive_avg_pool2d(masks[index][None].float(), (h, w)).argmax())
            grid[index, cell // w, cell % w] = 1.0
    return grid


def as_slice(index: slice | Tensor, count: int) -> slice | Tensor:
    """Return a slice for an index that means one run of masks in their order, so that their pixels are not copied."""
    if isinstance(index, slice) or not len(index):
        return index
    places = index.nonzero()[:, 0] if index.dtype == torch.bool else index
    if not len(places) or places.ndim != 1 or places.dtype.is_floating_point:
        return index
    first, last = int(places[0]), int(places[-1])
    one_run = last - first + 1 == len(places) and first >= 0 and last < count
    return slice(first, last + 1) if one_run and bool((places.diff() == 1).all()) else index


def first_and_after(profile: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first position that is not 0 in each row of counts (N, K), and the one after the last; else zeros."""
    if not profile.shape[0] or not profile.shape[1]:
        zeros = profile.new_zeros(len(profile))
        return zeros, zeros
    some = (profile > 0).any(dim=1)
    occupied = (profile > 0).to(torch.uint8)
    first = occupied.argmax(dim=1)
    after = profile.shape[1] - occupied.flip(1).argmax(dim=1)
    return torch.where(some, first, 0), torch.where(some, after, 0)
