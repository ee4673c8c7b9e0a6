"""Memory use of models: the size of their weights, and the peak memory of a computation."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch


def weight_bytes(model: Any) -> int:
    """Return the size in bytes of all parameters and buffers of the torch modules that an object holds.

    Args:
        model: A torch module, or an object with torch modules among its attributes, such as a model from `load_clip`.

    Returns:
        Number of bytes; a tensor that several modules share counts once. 0 for an object without modules.

    Examples:
        >>> weight_bytes(torch.nn.Linear(3, 2))  # 8 numbers of 4 bytes
        32
    """
    tensors = [tensor for module in _modules(model) for tensor in (*module.parameters(), *module.buffers())]
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values())


def _modules(value: Any, depth: int = 2) -> list[torch.nn.Module]:
    """Return the modules of an object, also those of an object that it wraps."""
    if isinstance(value, torch.nn.Module):
        return [value]
    values = vars(value).values() if depth and hasattr(value, "__dict__") else ()
    return [module for part in values for module in _modules(part, depth - 1)]


def peak_bytes(compute: Callable[[], Any], device: torch.device | str = "cpu") -> int:
    """Run a computation and return the peak memory of its tensors in bytes.

    Memory that was allocated before, such as the weights, does not count. On a GPU the number is that of PyTorch's
    allocator; on a CPU it is the largest running sum of the allocations that the profiler records.

    Args:
        compute: The computation, a function without arguments.
        device: Device on which it runs.

    Returns:
        Number of bytes.

    Examples:
        >>> peak_bytes(lambda: torch.ones(250_000).sum()) >= 1_000_000
        True
    """
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        compute()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # without it the profiler reports every start and stop
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        compute()
    allocated = peak = 0
    results = profile.profiler.kineto_results
    events = [event for event in results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        allocated += event.nbytes()
        peak = max(peak, allocated)
    return peak
