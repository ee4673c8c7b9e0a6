"""Selection of the device, and of the number format in which a tower computes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache

import torch

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.models.products import linear

# Defaults for models that are loaded without a device or number format; `zsris reproduce --device --dtype` sets them.
DEVICE_VARIABLE = "ZSRIS_DEVICE"
DTYPE_VARIABLE = "ZSRIS_DTYPE"
FLOAT_TYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
#: "auto" selects bf16 only if it is at least this many times as fast as fp32, because bf16 costs some precision.
LEAST_SPEEDUP = 1.5


def resolve_device(device: str | torch.device | None = None) -> torch.device:
    """Return the device to use.

    Args:
        device: A name such as "cpu" or "cuda:1"; None for the one that the variable ZSRIS_DEVICE names, else CUDA if
            present, else the CPU.

    Raises:
        InvalidInputError: If torch does not know the name.
        UnavailableError: If this machine does not have the device.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    device = device or os.environ.get(DEVICE_VARIABLE) or None
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
        except Exception as error:  # each backend that torch was built without raises an error of its own
            raise UnavailableError(f"device={str(device)!r} cannot be used with this torch; use 'cpu'.") from error
    return found


def compute_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Return the number format in which towers of `dtype` compute: fp32 on a CPU that would emulate 16-bit products."""
    if device.type != "cpu" or dtype not in (torch.bfloat16, torch.float16):
        return dtype
    check = "_is_mkldnn_bf16_supported" if dtype == torch.bfloat16 else "_is_mkldnn_fp16_supported"
    try:
        supported = bool(getattr(torch.ops.mkldnn, check)())
    except (AttributeError, RuntimeError):  # a torch built without oneDNN
        supported = False
    return dtype if supported else torch.float32


@dataclass(frozen=True)
class DtypeChoice:
    """The number format that `dtype="auto"` stands for on a device, and why.

    Attributes:
        dtype: torch.bfloat16 or torch.float32.
        fp32_ms: Milliseconds of one layer's matrix product in fp32, as measured.
        bf16_ms: The same in bf16; None if the device has no arithmetic for it.
    """

    dtype: torch.dtype
    fp32_ms: float
    bf16_ms: float | None

    @property
    def reason(self) -> str:
        """Return one sentence with the measured times."""
        name = str(self.dtype).removeprefix("torch.")
        if self.bf16_ms is None:
            return f"{name}: this device has no arithmetic for bfloat16."
        return (
            f"{name}: a matrix product takes {self.bf16_ms:.2f} ms in bfloat16 and {self.fp32_ms:.2f} ms in float32; "
            f"bfloat16 is used from {LEAST_SPEEDUP} times the speed on."
        )


def choose_dtype(device: str | torch.device | None = None) -> DtypeChoice:
    """Choose a number format by its measured speed on a device; each device is measured once per process.

    The measured operation is the matrix product of a ViT-B's feed-forward layer for 256 tokens. The smallest of five
    times counts in each format.

    Args:
        device: As for `resolve_device`.

    Raises:
        InvalidInputError: If torch does not know the name.
        UnavailableError: If this machine does not have the device.
    """
    return _measured_choice(resolve_device(device))


@cache
def _measured_choice(device: torch.device) -> DtypeChoice:
    fp32 = _product_ms(torch.float32, device)
    supported = compute_dtype(torch.bfloat16, device) == torch.bfloat16
    if device.type == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    if not supported:
        return DtypeChoice(torch.float32, fp32, None)
    bf16 = _product_ms(torch.bfloat16, device)
    return DtypeChoice(torch.bfloat16 if fp32 >= LEAST_SPEEDUP * bf16 else torch.float32, fp32, bf16)


def _product_ms(dtype: torch.dtype, device: torch.device) -> float:
    """Return the smallest time of a linear layer of a tower, from 768 to 3072 channels for 256 tokens, in milliseconds.

    A run to warm up comes first. The layer is computed as in the towers, because torch's own product of fp32 matrices
    can be slower.
    """
    tensor, weight = torch.ones(256, 768, dtype=dtype, device=device), torch.ones(3072, 768, dtype=dtype, device=device)
    times = []
    with torch.inference_mode():
        for _ in range(6):
            start = time.perf_counter()
            linear(tensor, weight)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - start)
    return 1000 * min(times[1:])


def resolve_dtype(dtype: str | torch.dtype | None = None, device: str | torch.device | None = None) -> torch.dtype:
    """Return the number format to use.

    Args:
        dtype: A floating-point type of torch or its name, for example "bfloat16"; "auto" for bf16 if it is fast on
            the device (see `choose_dtype`), else fp32; None for the one that the variable ZSRIS_DTYPE names, else fp32.
        device: As for `resolve_device`; only "auto" depends on it.

    Raises:
        InvalidInputError: If the type, name or device is unknown.
        UnavailableError: If this machine does not have the device.

    Example:
        >>> resolve_dtype("bfloat16")
        torch.bfloat16
    """
    if dtype is None:
        dtype = os.environ.get(DTYPE_VARIABLE) or torch.float32
    if dtype == "auto":
        return choose_dtype(device).dtype
    known = {str(accepted).removeprefix("torch."): accepted for accepted in FLOAT_TYPES}
    found = known.get(dtype) if isinstance(dtype, str) else dtype
    if found not in FLOAT_TYPES:
        raise InvalidInputError(f"dtype={dtype!r} is no float type that is accepted; use auto, {', '.join(known)}.")
    return found
