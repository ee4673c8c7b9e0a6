"""Masks: a stack of boolean masks of one image and everything that can be derived from them.

Boxes are XYXY in pixels, exclusive on the right and bottom. Points are (x, y). Areas and intersections are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.mask_io import as_bool, decode_rle, encode_rle

FLOAT_PIXELS = 2**24  # mask pixels that are held as float32 at a time: 64 MiB
TILE = 64  # side in pixels of the tiles in which masks are intersected


class Masks:
    """A stack of N boolean masks over one image of H x W pixels.

    Args:
        data: (N, H, W) bool; numbers are accepted if they are all 0 or 1, or all 0 or 255. Tensor or array.
            A bool tensor is not copied: treat it as read-only.
        scores: (N,) float, the source's own confidence, if it has any.
        source: where the masks come from, for example "felzenszwalb"; travels into the result rows.

    Raises:
        InvalidTypeError: not a tensor or array.
        InvalidInputError: another shape, or values that are not those of a mask.
    """

    def __init__(
        self, data: Tensor | np.ndarray, *, scores: Tensor | Sequence[float] | None = None, source: str = ""
    ) -> None:
        self.data: Tensor = as_bool(data.data if isinstance(data, Masks) else data, ndim=3)
        self.source = source
        self.scores: Tensor | None = None
        if scores is not None:
            values = torch.as_tensor(scores, dtype=torch.float32).detach().cpu()
            if values.shape != (len(self.data),):
                raise InvalidInputError(
                    f"{len(self.data)} masks came with scores of shape {tuple(values.shape)}; "
                    f"give one score per mask: shape ({len(self.data)},)."
                )
            self.scores = values

    # -- ways in and out

    @classmethod
    def from_arrays(
        cls,
        arrays: Iterable[np.ndarray | Tensor] | np.ndarray | Tensor,
        *,
        size: tuple[int, int] | None = None,
        scores: Sequence[float] | Tensor | None = None,
        source: str = "",
    ) -> Masks:
        """Masks from one (H, W) array, one (N, H, W) array, or a list of (H, W) arrays of one size.

        Args:
            arrays: the masks; bool, or numbers all 0/1 or all 0/255.
            size: (H, W), only needed when the list may be empty.

        Raises:
            InvalidTypeError: neither arrays nor tensors.
            InvalidInputError: arrays of different sizes, no array and no size, or values that are not those of a mask.
        """
        if isinstance(arrays, (np.ndarray, Tensor)):
            stacked = arrays[None] if arrays.ndim == 2 else arrays
            return cls(stacked, scores=scores, source=source)
        if isinstance(arrays, (str, bytes)) or not isinstance(arrays, Iterable):
            raise InvalidTypeError(
                f"Masks were given as {type(arrays).__name__}; give an (N, H, W) bool array or tensor, or a list of "
                "(H, W) arrays."
            )
        parts = [as_bool(array, ndim=2) for array in arrays]
        if not parts:
            if size is None:
                raise InvalidInputError(
                    "An empty list of masks does not tell the image's size; call Masks.from_arrays([], size=(H, W))."
                )
            return cls(torch.zeros((0, *size), dtype=torch.bool), scores=scores, source=source)
        shapes = sorted({tuple(part.shape) for part in parts})
        if len(shapes) > 1:
            raise InvalidInputError(
                f"The masks have different sizes (H, W): {shapes[:4]}; all masks of one image must have its size. "
                "Resize them first."
            )
        return cls(torch.stack(parts), scores=scores, source=source)

    @classmethod
    def from_rle(
        cls,
        rles: Iterable[dict[str, Any]],
        *,
        size: tuple[int, int] | None = None,
        scores: Sequence[float] | None = None,
        source: str = "",
    ) -> Masks:
        """Masks from COCO run-length encodings.

        Args:
            rles: dicts with `size` [H, W], the same in all, and `counts` (compressed text or bytes, or a list of runs).
            size: (H, W), only needed when the list may be empty.

        Raises:
            InvalidInputError: not such a dict, runs that do not fill the size, or different sizes.
            CorruptFileError: compressed counts that do not decode to the size they claim.
        """
        return cls.from_arrays([decode_rle(rle) for rle in rles], size=size, scores=scores, source=source)

    def to_rle(self) -> list[dict[str, Any]]:
        """Compressed COCO run-length encodings, one dict per mask; `counts` is text, so the list can go into JSON."""
        return [encode_rle(mask) for mask in self.data.cpu().numpy()]

    def to(self, device: torch.device | str) -> Masks:
        """The same masks on another device."""
        return (
            self
            if self.data.device == torch.device(device)
            else Masks(self.data.to(device), scores=self.scores, source=self.source)
        )

    def select(self, index: int | slice | Sequence[int] | Sequence[bool] | Tensor | np.ndarray) -> Masks:
        """The masks at `index` (one number, a slice, numbers, or N booleans) with their scores."""
        if isinstance(index, int):
            index = [index]
        if not isinstance(index, (slice, Tensor)):
            index = torch.as_tensor(np.asarray(index, dtype=None if len(index) else np.int64))
        if isinstance(index, Tensor) and index.dtype == torch.bool and index.shape != (len(self),):
            raise InvalidInputError(
                f"A boolean index of shape {tuple(index.shape)} was given for {len(self)} masks; "
                "it needs one value per mask."
            )
        index = _as_slice(index, len(self))
        try:
            data = self.data[index if isinstance(index, slice) else index.to(self.data.device)]
        except IndexError as error:
            raise InvalidInputError(
                f"The index {index} reaches outside the {len(self)} masks (0 to {len(self) - 1})."
            ) from error
        scores = None if self.scores is None else self.scores[index if isinstance(index, slice) else index.cpu()]
        return Masks(data, scores=scores, source=self.source)

    def nonempty(self) -> Masks:
        """Only the masks with at least one pixel, in their order."""
        return self.select(self.areas > 0)

    # -- as a sequence

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> Any:
        """`masks[3]` is one (H, W) bool tensor; a slice, list or boolean index gives Masks."""
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"mask {index} was asked for; there are {len(self)}")
            return self.data[int(index)]
        return self.select(index)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.data)

    def __repr__(self) -> str:
        height, width = self.size
        origin = f", source={self.source!r}" if self.source else ""
        return f"Masks({len(self)} of {height} x {width} pixels{origin})"

    # -- derived quantities

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)"""
        return int(self.data.shape[1]), int(self.data.shape[2])

    @cached_property
    def _profiles(self) -> tuple[Tensor, Tensor]:
        """Pixels per column (N, W) and per row (N, H), int64: boxes, areas and centroids need no more."""
        return self._sums(1), self._sums(2)

    def _sums(self, axis: int) -> Tensor:
        """Sum over one axis in 32 bits, int64. On the CPU `torch.sum` would first copy all masks to the wider type."""
        if self.data.device.type != "cpu":
            return self.data.sum(dim=axis, dtype=torch.int32).long()
        counts = self.data.numpy().sum(axis=axis, dtype=np.int32)
        return torch.from_numpy(counts).long()

    @cached_property
    def coverage(self) -> Tensor:
        """(H, W) int64: number of masks that contain each pixel."""
        return self._sums(0)

    @cached_property
    def areas(self) -> Tensor:
        """(N,) int64: pixels in each mask."""
        return self._profiles[1].sum(dim=1)

    @cached_property
    def boxes(self) -> Tensor:
        """(N, 4) int64 XYXY, exclusive on the right and bottom; zeros for an empty mask."""
        columns, rows = self._profiles
        edges = [*_first_and_after(columns), *_first_and_after(rows)]
        return torch.stack([edges[0], edges[2], edges[1], edges[3]], dim=1)

    @cached_property
    def centroids(self) -> Tensor:
        """(N, 2) float32 x, y: the mean pixel coordinates (0 is the centre of pixel 0); nan for an empty mask."""
        sums = [
            profile.double() @ torch.arange(profile.shape[1], device=profile.device, dtype=torch.float64)
            for profile in self._profiles
        ]
        return (torch.stack(sums, dim=1) / self.areas[:, None]).float()

    def intersections(self, other: Masks | Tensor | np.ndarray | None = None) -> Tensor:
        """(N, M) int64: pixels shared with each of `other` (default: these masks themselves), exact.

        The image is cut into tiles; in each tile the flattened masks whose boxes reach it are multiplied as float32
        matrices. That bounds the memory, keeps the sums exact and spares the many pairs of masks that are far apart.

        Args:
            other: Masks, or one (H, W) or several (M, H, W) masks, of the same size.

        Raises:
            InvalidInputError: `other` has another size.
        """
        others = self if other is None else self._same_size(other).to(self.data.device)
        result = torch.zeros((len(self), len(others)), dtype=torch.int64, device=self.data.device)
        height, width = self.size
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                tile = (slice(None), slice(top, top + TILE), slice(left, left + TILE))
                rows = self._reaching(top, left)
                columns = rows if others is self else others._reaching(top, left)
                if len(rows) and len(columns):
                    mine = self.data[tile][rows].flatten(1).float()
                    theirs = mine if others is self else others.data[tile][columns].flatten(1).float()
                    result[rows[:, None], columns] += (mine @ theirs.T).long()
        return result

    def _reaching(self, top: int, left: int) -> Tensor:
        """Numbers of the masks whose boxes reach the tile at (top, left)."""
        x1, y1, x2, y2 = self.boxes.unbind(dim=1)
        return ((x1 < left + TILE) & (x2 > left) & (y1 < top + TILE) & (y2 > top)).nonzero()[:, 0]

    def _same_size(self, other: Masks | Tensor | np.ndarray) -> Masks:
        """`other` as Masks of this size."""
        return (other if isinstance(other, Masks) else Masks.from_arrays(other)).validate(self.size)

    def iou(self, other: Masks | Tensor | np.ndarray | None = None) -> Tensor:
        """(N, M) float32 in 0-1: intersection over union with `other` (default: these masks); 0 if both are empty."""
        others = self if other is None else self._same_size(other)
        intersections = self.intersections(None if other is None else others)
        other_areas = others.areas.to(self.areas.device)
        unions = self.areas[:, None] + other_areas[None, :] - intersections
        return (intersections.double() / unions.clamp(min=1)).float()

    def overlap_of_smaller(self) -> Tensor:
        """(N, N) float32 in 0-1: intersection over the area of the smaller mask (TAS's filter); 0 if that is empty."""
        smaller = torch.minimum(self.areas[:, None], self.areas[None, :])
        return (self.intersections().double() / smaller.clamp(min=1)).float()

    def to_grid(self, h: int, w: int, *, keep_one: bool = True, antialias: bool = False) -> Tensor:
        """The masks on a token grid, as fractions: (N, h, w) float32 in 0-1, resized bilinearly.

        Without `antialias` (as in the authors' codes) a mask that falls between the sampling points vanishes. With
        `keep_one` such a mask keeps the cell that holds most of its pixels, at 1; without, it stays zero. A mask
        without pixels is zero either way.
        """
        if h < 1 or w < 1:
            raise InvalidInputError(f"A grid of {h} x {w} was asked for; both sides must be at least 1.")
        grid = torch.zeros((len(self), 1, h, w), device=self.data.device)
        if not len(self):
            return grid[:, 0]
        step = max(1, FLOAT_PIXELS // max(1, self.data[0].numel()))
        for part, masks in zip(grid.split(step), self.data[:, None].split(step), strict=True):
            part[:] = F.interpolate(masks.float(), size=(h, w), mode="bilinear", antialias=antialias).clamp(0, 1)
        grid = grid[:, 0]
        if keep_one:
            for index in ((grid.sum(dim=(1, 2)) == 0) & (self.areas > 0)).nonzero()[:, 0].tolist():
                cell = int(F.adaptive_avg_pool2d(self.data[index][None].float(), (h, w)).argmax())
                grid[index, cell // w, cell % w] = 1.0
        return grid

    def mean_of(self, values: Tensor | np.ndarray) -> Tensor:
        """(N,) float32: the mean of a map inside each mask; -inf for an empty mask, so that it is never chosen.

        Args:
            values: (H, W) float map of the masks' size.
        """
        if values.ndim != 2 or tuple(values.shape) != self.size:
            raise InvalidInputError(
                f"A map of shape {tuple(values.shape)} was given for masks of {self.size}; "
                f"resize it first, bilinearly, to {self.size}."
            )
        flat = torch.as_tensor(values).to(self.data.device, torch.float32).flatten()
        means = [flat[mask].mean() if mask.any() else flat.new_tensor(-torch.inf) for mask in self.data.flatten(1)]
        return torch.stack(means) if means else flat.new_zeros(0)

    def validate(self, image_size: tuple[int, int] | Image.Image) -> Masks:
        """Return self if the masks have the image's size.

        Args:
            image_size: (H, W), or the image.

        Raises:
            InvalidInputError: another size.
        """
        wanted = (
            (image_size.height, image_size.width)
            if isinstance(image_size, Image.Image)
            else tuple(int(side) for side in image_size)
        )
        if self.size != wanted:
            swapped = " They look transposed: masks are (N, height, width)." if self.size == wanted[::-1] else ""
            raise InvalidInputError(
                f"The masks are {self.size[0]} x {self.size[1]} pixels (height x width) but {wanted[0]} x {wanted[1]}, "
                f"the image's size, is needed.{swapped} Resize the masks with nearest-neighbour sampling, or give the "
                "image that they were made on."
            )
        return self


def _as_slice(index: slice | Tensor, count: int) -> slice | Tensor:
    """Return a slice for an index that means one run of masks in their order, so that their pixels are not copied."""
    if isinstance(index, slice) or not len(index):
        return index
    places = index.nonzero()[:, 0] if index.dtype == torch.bool else index
    if not len(places) or places.ndim != 1 or places.dtype.is_floating_point:
        return index
    first, last = int(places[0]), int(places[-1])
    one_run = last - first + 1 == len(places) and first >= 0 and last < count
    return slice(first, last + 1) if one_run and bool((places.diff() == 1).all()) else index


def _first_and_after(profile: Tensor) -> tuple[Tensor, Tensor]:
    """First occupied position and the one after the last, per row of counts (N, K); zeros where nothing is occupied."""
    if not profile.shape[0] or not profile.shape[1]:
        zeros = profile.new_zeros(len(profile))
        return zeros, zeros
    some = (profile > 0).any(dim=1)
    occupied = (profile > 0).to(torch.uint8)
    first = occupied.argmax(dim=1)
    after = profile.shape[1] - occupied.flip(1).argmax(dim=1)
    return torch.where(some, first, 0), torch.where(some, after, 0)
