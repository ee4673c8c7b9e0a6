"""Masks from arrays and COCO run-length encodings, checked on the way in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError

MAX_PIXELS = 50_000_000  # of an encoding, as of an image


def as_bool(data: Any, *, ndim: int) -> Tensor:
    """Return a bool tensor of `ndim` axes from a bool or 0/1 or 0/255 tensor or array.

    Args:
        data: The tensor or array.
        ndim: 2 for one mask, 3 for several.

    Returns:
        A bool tensor of the same shape.

    Raises:
        InvalidTypeError: It is not a tensor or array of numbers.
        InvalidInputError: It has other axes or other values.
    """
    if isinstance(data, Tensor):
        data = _readable(data)
    if isinstance(data, np.ndarray):
        if data.dtype.kind not in "biuf":
            raise InvalidTypeError(f"A mask array of dtype {data.dtype} was given; give bool (or numbers 0 and 1).")
        data = torch.from_numpy(
            np.ascontiguousarray(data if data.dtype.kind != "u" or data.dtype.itemsize == 1 else data.astype(np.int64))
        )
    if not isinstance(data, Tensor):
        raise InvalidTypeError(
            f"Masks were given as {type(data).__name__}; give a bool tensor or array (N, H, W), "
            "or call Masks.from_arrays(list of (H, W) arrays)."
        )
    if data.ndim != ndim:
        axes = "(N, H, W)" if ndim == 3 else "(H, W)"
        hint = " For a single mask call Masks.from_arrays(mask)." if ndim == 3 and data.ndim == 2 else ""
        raise InvalidInputError(f"A mask array of shape {tuple(data.shape)} was given; {axes} is needed.{hint}")
    if data.dtype == torch.bool:
        return data
    if data.numel():
        top = data.max()
        if not bool(((data == 0) | (data == top)).all()) or float(top) not in (0.0, 1.0, 255.0):
            raise InvalidInputError(
                "Mask values must all be 0 or 1 (or 0 or 255); these are not. Cut a probability map with `map > 0.5`, "
                "and split a label map into one mask per label with `labels == k`."
            )
    return data != 0


def stack_masks(
    arrays: Iterable[np.ndarray | Tensor] | np.ndarray | Tensor, size: tuple[int, int] | None = None
) -> Tensor:
    """Return one (N, H, W) bool tensor for one mask, a stack of masks, or a list of (H, W) masks of one size.

    Args:
        arrays: The masks as bool, or as numbers that are all 0 or 1, or all 0 or 255.
        size: (H, W); needed only if the list may be empty.

    Raises:
        InvalidTypeError: `arrays` holds neither arrays nor tensors.
        InvalidInputError: The arrays have different sizes or values that are not those of a mask, or there is neither
            an array nor a size.
    """
    if isinstance(arrays, (np.ndarray, Tensor)):
        return as_bool(arrays[None] if arrays.ndim == 2 else arrays, ndim=3)
    if isinstance(arrays, (str, bytes)) or not isinstance(arrays, Iterable):
        raise InvalidTypeError(
            f"Masks were given as {type(arrays).__name__}; give an (N, H, W) bool array or tensor, or a list of "
            "(H, W) arrays."
        )
    parts = [as_bool(array, ndim=2) for array in arrays]
    if not parts:
        if size is None:
            raise InvalidInputError(
                "An empty list of masks does not show the image's size; call Masks.from_arrays([], size=(H, W))."
            )
        return torch.zeros((0, *size), dtype=torch.bool)
    shapes = sorted({tuple(part.shape) for part in parts})
    if len(shapes) > 1:
        raise InvalidInputError(
            f"The masks have different sizes (H, W): {shapes[:4]}; all masks of one image must have its size. "
            "Resize them first."
        )
    return torch.stack(parts)


def _readable(data: Tensor) -> Tensor:
    """Return the tensor dequantised and without a gradient.

    Raises:
        InvalidTypeError: The tensor is sparse, nested, complex, or on the device "meta", which holds no values.
    """
    kinds = {"meta": data.is_meta, "sparse": data.layout != torch.strided, "complex": data.is_complex()}
    kinds["nested"] = bool(data.is_nested)
    for kind, present in kinds.items():
        if present:
            raise InvalidTypeError(
                f"Masks were given as a {kind} tensor; give a dense bool tensor with values, for example "
                "masks.to_dense() > 0.5."
            )
    data = data.dequantize() if data.is_quantized else data.detach()
    return data.float() if data.dtype.is_floating_point else data


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """Encode one (H, W) bool array as {"size": [H, W], "counts": text}, which JSON can hold."""
    from pycocotools import mask as coco

    rle = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def decode_rle(rle: Any) -> np.ndarray:
    """Decode one COCO run-length encoding.

    Args:
        rle: A dict with `size` [H, W] and `counts`: compressed text or bytes, or a list of runs.

    Returns:
        (H, W) bool.

    Raises:
        InvalidInputError: It is no such dict, its size is no size of an image, or its runs do not fill the size.
        InvalidTypeError: The counts are of another type.
        CorruptFileError: Compressed counts do not decode to the size they claim.
    """
    check_rle(rle)
    counts, size = rle["counts"], [int(side) for side in rle["size"]]
    if isinstance(counts, (list, tuple)):
        if sum(counts) != size[0] * size[1]:
            raise InvalidInputError(
                f"The runs {str(counts)[:60]} of an RLE do not add up to the {size[0] * size[1]} pixels of its size "
                f"{size}; make it again with Masks.to_rle()."
            )
        return _runs_to_array(np.asarray(counts, dtype=np.int64), size)
    raw = counts.encode("ascii", errors="replace") if isinstance(counts, str) else counts
    runs = _read_runs(raw)
    if runs is None or (runs < 0).any() or runs.sum() != size[0] * size[1]:
        raise CorruptFileError(
            f"The RLE {raw[:40]!r} does not decode to its size {size}: the text is damaged. "
            "Make it again with Masks.to_rle(), or fetch the file again."
        )
    return _runs_to_array(runs, size)


def check_rle(rle: Any) -> None:
    """Check the types and the size of a COCO run-length encoding, without decoding it.

    Raises:
        InvalidInputError: It is not a dict with `size` [H, W] and `counts`, or its size is no size of an image.
        InvalidTypeError: The counts are not text, bytes or list.
    """
    if not isinstance(rle, dict) or not {"size", "counts"} <= set(rle):
        raise InvalidInputError(f"A COCO RLE is a dict with 'size' and 'counts'; {str(rle)[:80]!r} was given.")
    size, counts = rle["size"], rle["counts"]
    whole = isinstance(size, (list, tuple)) and len(size) == 2 and all(_is_whole(side) for side in size)
    if not whole or min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
        raise InvalidInputError(
            f"An RLE has the size {str(size)[:60]}; [height, width], both at least 1 and together at most "
            f"{MAX_PIXELS:,} pixels, is needed."
        )
    if not isinstance(counts, (str, bytes, list, tuple)):
        raise InvalidTypeError(
            f"The counts of an RLE must be text, bytes or a list of runs; {type(counts).__name__} was given."
        )
    if isinstance(counts, (list, tuple)) and not all(_is_whole(run) and run >= 0 for run in counts):
        raise InvalidInputError(f"The runs {str(counts)[:60]} of an RLE are not whole numbers from 0 up.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _read_runs(text: bytes) -> np.ndarray | None:
    """Return the runs in COCO's compressed text, or None if it is none.

    Each run is base 32, low digits first, 48 added to each, with bit 32 set if more digits follow and bit 16 of the
    last digit as the sign. From the fourth on, a run is stored as its difference to the run two before it. The reader
    of pycocotools does not check that damaged text stays inside the image, so it is not used.
    """
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - 48
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        return None
    ends = np.flatnonzero(codes & 32 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    digits = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    if digits.max() > 9:
        return None
    runs = np.add.reduceat((codes & 31) << (5 * digits), starts)
    runs -= np.where(codes[ends] & 16, np.int64(1) << (5 * (ends - starts + 1)), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def _runs_to_array(runs: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Return the (H, W) bool array of alternating runs of zeros and ones, column by column (COCO's order)."""
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(size[1], size[0]).T.copy()
