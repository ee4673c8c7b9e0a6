"""Devices and number formats: which are there, and in which a tower computes."""

from __future__ import annotations

import torch

from zsris_viz.errors import InvalidInputError, UnavailableError

FLOAT_TYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def resolve_device(device: str | torch.device | None = None) -> torch.device:
    """Return the device to use.

    Args:
        device: A name such as "cpu" or "cuda:1"; None for CUDA if present, else the CPU.

    Raises:
        InvalidInputError: For a name that torch does not know.
        UnavailableError: For a device that this machine does not have.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InvalidInputError(f"device={device!r} is unknown; use 'cpu', 'cuda' or 'cuda:0'.") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise UnavailableError(f"device={str(device)!r} was given, and torch finds no CUDA device here; use 'cpu'.")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise UnavailableError(
            f"device={str(device)!r} was given; torch finds {torch.cuda.device_count()} CUDA devices, from 'cuda:0' on."
        )
    if found.type != "cuda":
        try:
            torch.empty(0, device=found)
        except Exception as error:  # each backend that is not compiled in has an error of its own
            raise UnavailableError(f"device={str(device)!r} cannot be used with this torch; use 'cpu'.") from error
    return found


def compute_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Return the type in which towers of `dtype` compute: fp32 on a CPU that would emulate 16-bit products."""
    if device.type != "cpu" or dtype not in (torch.bfloat16, torch.float16):
        return dtype
    check = "_is_mkldnn_bf16_supported" if dtype == torch.bfloat16 else "_is_mkldnn_fp16_supported"
    try:
        supported = bool(getattr(torch.ops.mkldnn, check)())
    except (AttributeError, RuntimeError):  # a torch built without oneDNN
        supported = False
    return dtype if supported else torch.float32
