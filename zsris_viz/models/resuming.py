"""Functions that all towers of transformer blocks share for tracing, and for resuming from a state with masks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.models.blocks import run_block

T = TypeVar("T", Tensor, "Tensor | None")


def trace_blocks(
    blocks: Iterable[Any], hidden: Tensor, *, attention: str, weights: bool
) -> tuple[list[Tensor], list[Tensor | None]]:
    """Run blocks and keep the state after each.

    Args:
        blocks: Blocks of a tower.
        hidden: (B, T, C), layer 0.
        attention: "eager" or "sdpa".
        weights: Whether to keep the attention weights as well.

    Returns:
        The states of layers 0 to L, and the attention weights of layers 0 to L; the weights are None for layer 0, and
        for all layers if they are not kept.
    """
    layers: list[Tensor] = [hidden]
    kept: list[Tensor | None] = [None]
    for block in blocks:
        hidden, weight = run_block(block, hidden, attention=attention, weights=weights)
        layers.append(hidden)
        kept.append(weight)
    return layers, kept


def check_width(hidden: Tensor, width: int) -> None:
    """Raise InvalidInputError unless the last dimension of tokens is the width of the tower."""
    if hidden.shape[-1] != width:
        raise InvalidInputError(
            f"tokens of width {width} are needed, {tuple(hidden.shape)} was given; take them from a Trace."
        )


def check_state(hidden: Tensor, width: int, layer: int) -> None:
    """Raise InvalidInputError unless a state is (B, T, width)."""
    if hidden.ndim != 3 or hidden.shape[-1] != width:
        raise InvalidInputError(
            f"hidden must be (B, T, {width}), {tuple(hidden.shape)} was given; use trace.layers[{layer}]."
        )


def checked_attention_mask(mask: Tensor | None, hidden: Tensor, device: torch.device) -> Tensor | None:
    """Return an additive attention mask on the device.

    Args:
        mask: Floats (N, heads or 1, T, T), or None.
        hidden: (B, T, C), the state to which the mask is applied.
        device: Device of the tower.

    Raises:
        InvalidInputError: If the mask has another shape, or does not hold floats.
    """
    if mask is None:
        return None
    length = hidden.shape[1]
    if mask.ndim != 4 or mask.shape[-2:] != (length, length) or not mask.is_floating_point():
        raise InvalidInputError(
            f"attention_mask must be floats (N, 1 or heads, {length}, {length}), 0 to keep and -inf to forbid; "
            f"{mask.dtype} {tuple(mask.shape)} was given."
        )
    return mask.to(device)


def common_batch(hidden: Tensor, *masks: Tensor | None) -> int:
    """Return the batch size to which a state and its masks are broadcast.

    Raises:
        InvalidInputError: If two of them have different batch sizes, neither of which is 1.
    """
    sizes = {len(part) for part in (hidden, *masks) if part is not None and len(part) != 1}
    if len(sizes) > 1:
        raise InvalidInputError(
            f"hidden, token_mask and attention_mask have batches of {sorted(sizes)}; they must be equal, or 1."
        )
    return sizes.pop() if sizes else 1


def batch_rows(tensor: T, rows: slice) -> T:
    """Return rows of a batch; a batch of size 1 is expanded, and None is returned as None."""
    if tensor is None:
        return tensor
    return tensor[rows] if len(tensor) != 1 else tensor.expand(rows.stop - rows.start, *tensor.shape[1:])
