"""`Masks`, a stack of boolean masks of one image, and the quantities that are derived from them.

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

from zsris_viz.errors import InvalidInputError
from zsris_viz.mask_arrays import as_slice, counts, first_and_after, intersections, token_fractions
from zsris_viz.mask_io import as_bool, decode_rle, encode_rle, stack_masks


class Masks:
    """A stack of N boolean masks over one image of H x W pixels.

    Args:
        data: Tensor or array (N, H, W) of bool, or of numbers that are all 0 or 1, or all 0 or 255. A bool tensor is
            not copied, so it must not be changed afterwards.
        scores: (N,) floats, the confidence of the source in each mask; None if the source gives none.
        source: Name of the source of the masks, for example "felzenszwalb"; result rows contain it.

    Raises:
        InvalidTypeError: `data` is not a tensor or array.
        InvalidInputError: `data` has another shape, or values that are not those of a mask.
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
        """Make masks from one (H, W) array, one (N, H, W) array, or a list of (H, W) arrays of one size.

        Args:
            arrays: The masks as bool, or as numbers that are all 0 or 1, or all 0 or 255.
            size: (H, W); needed only if the list may be empty.
            scores: (N,) floats, the confidence in each mask.
            source: Name of the source of the masks.

        Raises:
            InvalidTypeError: `arrays` holds neither arrays nor tensors.
            InvalidInputError: The arrays have different sizes or values that are not those of a mask, or there is
                neither an array nor a size.
        """
        return cls(stack_masks(arrays, size), scores=scores, source=source)

    @classmethod
    def from_rle(
        cls,
        rles: Iterable[dict[str, Any]],
        *,
        size: tuple[int, int] | None = None,
        scores: Sequence[float] | None = None,
        source: str = "",
    ) -> Masks:
        """Make masks from COCO run-length encodings.

        Args:
            rles: Dicts with `size` [H, W], the same in all, and `counts` (compressed text or bytes, or a list of runs).
            size: (H, W); needed only if the list may be empty.
            scores: (N,) floats, the confidence in each mask.
            source: Name of the source of the masks.

        Raises:
            InvalidInputError: An entry is no such dict, its runs do not fill its size, or the sizes differ.
            CorruptFileError: Compressed counts do not decode to the size that they state.
        """
        return cls.from_arrays([decode_rle(rle) for rle in rles], size=size, scores=scores, source=source)

    def to_rle(self) -> list[dict[str, Any]]:
        """Return compressed COCO run-length encodings, one dict per mask; `counts` is text, as JSON needs it."""
        return [encode_rle(mask) for mask in self.data.cpu().numpy()]

    def to(self, device: torch.device | str) -> Masks:
        """Return the same masks on another device."""
        return (
            self
            if self.data.device == torch.device(device)
            else Masks(self.data.to(device), scores=self.scores, source=self.source)
        )

    def select(self, index: int | slice | Sequence[int] | Sequence[bool] | Tensor | np.ndarray) -> Masks:
        """Return some of the masks, with their scores.

        Args:
            index: One index, a slice, several indices, or N booleans.

        Raises:
            InvalidInputError: An index is out of range, or there are not N booleans.
        """
        if isinstance(index, int):
            index = [index]
        if not isinstance(index, (slice, Tensor)):
            index = torch.as_tensor(np.asarray(index, dtype=None if len(index) else np.int64))
        if isinstance(index, Tensor) and index.dtype == torch.bool and index.shape != (len(self),):
            raise InvalidInputError(
                f"A boolean index of shape {tuple(index.shape)} was given for {len(self)} masks; "
                "it needs one value per mask."
            )
        index = as_slice(index, len(self))
        try:
            data = self.data[index if isinstance(index, slice) else index.to(self.data.device)]
        except IndexError as error:
            raise InvalidInputError(
                f"The index {index} reaches outside the {len(self)} masks (0 to {len(self) - 1})."
            ) from error
        scores = None if self.scores is None else self.scores[index if isinstance(index, slice) else index.cpu()]
        return Masks(data, scores=scores, source=self.source)

    def nonempty(self) -> Masks:
        """Return the masks with at least one pixel, in their order."""
        return self.select(self.areas > 0)

    # -- as a sequence

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> Any:
        """Return one (H, W) bool tensor for an integer, and Masks for a slice, a list or booleans."""
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"mask {index} does not exist; there are {len(self)} masks")
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
        """(H, W) in pixels."""
        return int(self.data.shape[1]), int(self.data.shape[2])

    @cached_property
    def _profiles(self) -> tuple[Tensor, Tensor]:
        """Pixels per column (N, W) and per row (N, H), int64, from which boxes, areas and centroids follow."""
        return counts(self.data, 1), counts(self.data, 2)

    @cached_property
    def coverage(self) -> Tensor:
        """(H, W) int64: number of masks that contain each pixel."""
        return counts(self.data, 0)

    @cached_property
    def areas(self) -> Tensor:
        """(N,) int64: number of pixels in each mask."""
        return self._profiles[1].sum(dim=1)

    @cached_property
    def boxes(self) -> Tensor:
        """(N, 4) int64 XYXY, exclusive on the right and bottom; zeros for an empty mask."""
        columns, rows = self._profiles
        edges = [*first_and_after(columns), *first_and_after(rows)]
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
        """Return the number of pixels that each mask shares with each of others, exact.

        Args:
            other: Masks, or one (H, W) or several (M, H, W) masks, of the same size; None for these masks themselves.

        Returns:
            Tensor (N, M) of int64.

        Raises:
            InvalidInputError: `other` has another size.
        """
        others = self if other is None else self._same_size(other).to(self.data.device)
        return intersections(self.data, self.boxes, others.data, others.boxes)

    def _same_size(self, other: Masks | Tensor | np.ndarray) -> Masks:
        """Return `other` as Masks of this size."""
        return (other if isinstance(other, Masks) else Masks.from_arrays(other)).validate(self.size)

    def iou(self, other: Masks | Tensor | np.ndarray | None = None) -> Tensor:
        """Return the intersection over union of each mask with each of others.

        Args:
            other: Masks, or one (H, W) or several (M, H, W) masks, of the same size; None for these masks themselves.

        Returns:
            Tensor (N, M) of float32, 0-1; 0 where both masks are empty.

        Raises:
            InvalidInputError: `other` has another size.
        """
        others = self if other is None else self._same_size(other)
        intersections = self.intersections(None if other is None else others)
        other_areas = others.areas.to(self.areas.device)
        unions = self.areas[:, None] + other_areas[None, :] - intersections
        return (intersections.double() / unions.clamp(min=1)).float()

    def overlap_of_smaller(self) -> Tensor:
        """Return the intersection of each two masks over the area of the smaller one, as in the filter of TAS.

        Returns:
            Tensor (N, N) of float32, 0-1; 0 where the smaller mask is empty.
        """
        smaller = torch.minimum(self.areas[:, None], self.areas[None, :])
        return (self.intersections().double() / smaller.clamp(min=1)).float()

    def to_grid(self, h: int, w: int, *, keep_one: bool = True, antialias: bool = False) -> Tensor:
        """Resize the masks bilinearly to a token grid.

        A mask without pixels is zero on the grid.

        Args:
            h: Rows of the grid, at least 1.
            w: Columns of the grid, at least 1.
            keep_one: Whether a mask that falls between the sampling points keeps the cell that holds most of its
                pixels, at 1; otherwise it vanishes.
            antialias: Whether masks are resized with antialiasing; the authors' codes do without.

        Returns:
            Tensor (N, h, w) of float32, 0-1: the fraction of each cell that a mask covers.

        Raises:
            InvalidInputError: The grid has no cells.
        """
        if h < 1 or w < 1:
            raise InvalidInputError(f"A grid of {h} x {w} was given; both sides must be at least 1.")
        return token_fractions(self.data, self.areas, h, w, keep_one=keep_one, antialias=antialias)

    def mean_of(self, values: Tensor | np.ndarray) -> Tensor:
        """Return the mean of a map inside each mask.

        Args:
            values: (H, W) floats, a map of the masks' size.

        Returns:
            Tensor (N,) of float32; -inf for an empty mask, so that it is never chosen.

        Raises:
            InvalidInputError: The map has another size.
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
            image_size: (H, W) in pixels, or the image.

        Raises:
            InvalidInputError: The masks have another size.
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
