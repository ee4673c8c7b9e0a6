"""Matrix products and convolutions on the CPU by the faster of the two libraries of torch.

On x86, torch multiplies fp32 matrices with MKL and 16-bit matrices with oneDNN. On a core of an AMD EPYC (Zen 5) MKL
reached 90 GFLOP/s in fp32 and oneDNN 205. The results are those of MKL up to rounding.
"""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)

#: Number formats in which oneDNN computes convolutions and attentions of unit vectors.
FAST_TYPES = (torch.float32, torch.bfloat16)
#: Number of multiplications from which oneDNN's product is the faster one; the preparation for a new shape takes half
#: a millisecond.
LEAST_WORK = 2**23
#: Number of tokens from which `unit_attention` is faster than torch's fused kernel.
LEAST_TOKENS = 256
#: Number of similarities that `unit_attention` keeps at a time; they fit in the cache of a core.
SIMILARITIES = 2**18
#: Offset from which on sigmoid(x - OFFSET) equals exp(x - OFFSET) in fp32 for every x <= 0.
OFFSET = 17.0
#: Largest scale of `unit_attention`, at which no exponential underflows.
LARGEST_SCALE = 30.0


class OneDnnLinear(nn.Linear):
    """A linear layer whose large products are computed by oneDNN while no gradients are recorded."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the product with the weights plus the bias: (..., in_features) becomes (..., out_features)."""
        return linear(input, self.weight, self.bias)


def use_onednn(model: Module) -> Module:
    """Turn the linear layers of a model into `OneDnnLinear`, in place; the weights stay as they are.

    Args:
        model: Any module.

    Returns:
        The same module.

    Example:
        >>> use_onednn(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
        Sequential(
          (0): OneDnnLinear(in_features=2, out_features=3, bias=True)
          (1): ReLU()
        )
    """
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = OneDnnLinear
    return model


def linear(tensor: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return `tensor @ weight.T + bias`.

    Args:
        tensor: (..., K).
        weight: (N, K).
        bias: (N,), or None.

    Returns:
        (..., N).
    """
    if tensor.numel() * len(weight) < LEAST_WORK or not _onednn_serves(tensor, weight):
        return F.linear(tensor, weight, bias)
    return torch.ops.mkldnn._linear_pointwise(tensor, weight, bias, "none", [], "")


def unit_attention(unit: Tensor, values: Tensor, scale: Tensor) -> Tensor:
    """Return softmax(scale * unit unit^T) values for vectors of length 1, with memory linear in their number.

    The largest similarity of a row is that of a vector with itself, so the softmax needs no search for a maximum. Its
    exponentials are computed by oneDNN in the same pass as the product, as sigmoids: sigmoid(x - 17) is exp(x - 17) to
    within 4e-8, and the factor exp(-17) cancels out. On a CPU this takes two thirds of the time of torch's fused
    kernel in fp32 and half of it in bf16; the kernel is used in all other cases.

    Args:
        unit: (B, heads, T, D), vectors of length 1.
        values: (B, heads, T, E).
        scale: Tensor that can be broadcast to (B, heads, 1, 1).

    Returns:
        (B, heads, T, E).
    """
    batch, heads, tokens, _ = unit.shape
    factors = scale.expand(batch, heads, 1, 1).flatten().tolist()
    suited = tokens >= LEAST_TOKENS and all(0 < factor <= LARGEST_SCALE for factor in factors)
    if not suited or not _onednn_serves(unit, values, dtypes=FAST_TYPES):
        return F.scaled_dot_product_attention(unit * scale.to(unit.dtype), unit, values, scale=1.0)
    mixed = torch.empty_like(values, memory_format=torch.contiguous_format)
    rows = -(-tokens // -(-tokens * tokens // SIMILARITIES))  # equal parts
    stacks = (unit.contiguous().flatten(0, 1), values.mT.contiguous().flatten(0, 1), mixed.flatten(0, 1))
    for factor, keys, transposed, found in zip(factors, *stacks, strict=True):
        bias = keys.new_full((tokens,), -factor - OFFSET)
        for queries, part in zip((keys * factor).split(rows), found.split(rows), strict=True):
            weights = torch.ops.mkldnn._linear_pointwise(queries, keys, bias, "sigmoid", [], "")
            sums = torch.ops.mkldnn._linear_pointwise(weights, transposed, None, "none", [], "")
            torch.div(sums, weights.sum(dim=-1, keepdim=True), out=part)
            del weights, sums  # the next part then takes the same memory, which is in the cache
    return mixed


class FusedConvolution(nn.Module):
    """A convolution, an optional addition and an optional ReLU, computed in one pass while no gradients are recorded.

    Args:
        convolution: The convolution, whose weights are used as they are.
        relu: Whether a ReLU follows.
    """

    def __init__(self, convolution: nn.Conv2d, *, relu: bool) -> None:
        super().__init__()
        self.convolution, self.relu = convolution, relu

    def forward(self, maps: Tensor, added: Tensor | None = None) -> Tensor:
        """Return the maps after the convolution, the addition and the ReLU.

        Args:
            maps: (B, C, h, w).
            added: (B, C', h', w'), added before the ReLU; None for nothing.

        Returns:
            (B, C', h', w').
        """
        inner = self.convolution
        tensors = (maps, inner.weight) if added is None else (maps, inner.weight, added)
        if not _onednn_serves(*tensors, dtypes=FAST_TYPES):
            found = inner(maps) if added is None else inner(maps) + added
            return found.relu() if self.relu else found
        shape = (inner.padding, inner.stride, inner.dilation, inner.groups)
        if added is None:
            last = "relu" if self.relu else "none"
            return torch.ops.mkldnn._convolution_pointwise(maps, inner.weight, inner.bias, *shape, last, [], "")
        return torch.ops.mkldnn._convolution_pointwise.binary(
            maps, added, inner.weight, inner.bias, *shape, "add", 1.0, "relu" if self.relu else None, [], None
        )


def _onednn_serves(*tensors: Tensor, dtypes: tuple[torch.dtype, ...] = (torch.float32,)) -> bool:
    """Return whether the tensors can be multiplied by oneDNN, which records no gradients."""
    return (
        not torch.is_grad_enabled()
        and all(tensor.dtype in dtypes and tensor.device.type == "cpu" for tensor in tensors)
        and all(_onednn_available(tensor.dtype) for tensor in tensors)
    )


@cache
def _onednn_available(dtype: torch.dtype) -> bool:
    """Return whether torch has oneDNN's product and the processor has vectors of 256 or 512 bits for the dtype."""
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and (dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))
    )
