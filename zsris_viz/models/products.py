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

#: Number of multiplications from which oneDNN's product is the faster one; the preparation for a new shape takes half
#: a millisecond.
LEAST_WORK = 2**23


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


class FusedConvolution(nn.Module):
    """A convolution and an optional ReLU, computed in one pass while no gradients are recorded.

    Args:
        convolution: The convolution, whose weights are used as they are.
        relu: Whether a ReLU follows.
    """

    def __init__(self, convolution: nn.Conv2d, *, relu: bool) -> None:
        super().__init__()
        self.convolution, self.relu = convolution, relu

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps after the convolution and the ReLU: (B, C, h, w) becomes (B, C', h', w')."""
        inner = self.convolution
        if not _onednn_serves(maps, inner.weight, dtypes=(torch.float32, torch.bfloat16)):
            found = inner(maps)
            return found.relu() if self.relu else found
        shape = (inner.padding, inner.stride, inner.dilation, inner.groups)
        last = "relu" if self.relu else "none"
        return torch.ops.mkldnn._convolution_pointwise(maps, inner.weight, inner.bias, *shape, last, [], "")


def _onednn_serves(*tensors: Tensor, dtypes: tuple[torch.dtype, ...] = (torch.float32,)) -> bool:
    """Return whether the tensors can be multiplied by oneDNN, which records no gradients."""
    return (
        not torch.is_grad_enabled()
        and all(tensor.dtype in dtypes and tensor.device.type == "cpu" for tensor in tensors)
        and _onednn_available()
    )


@cache
def _onednn_available() -> bool:
    """Return whether torch has oneDNN's product and the processor has vectors of 256 or 512 bits."""
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
