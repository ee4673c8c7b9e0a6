"""Hashes of files and of model weights."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def file_hash(path: str | os.PathLike[str], algorithm: str = "sha256") -> str:
    """Compute the hash of a file without reading it whole into memory.

    Args:
        path: The file.
        algorithm: A name that `hashlib` knows.

    Returns:
        Lower-case hexadecimal digits, 64 for SHA-256.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def weights_hash(*modules: torch.nn.Module, samples: int | None = None, rounded: bool = False) -> str:
    """Compute the SHA-256 over names, shapes and values of all weights of some modules.

    Args:
        *modules: The modules, hashed in this order; the weights of each in the order of their names.
        samples: How many numbers of each weight to take, evenly spread and as float32; None takes all.
        rounded: Whether floating-point values are rounded to bfloat16 first, which gives a checkpoint loaded as
            float32 and as bfloat16 the same hash. Of no effect with `samples`.

    Returns:
        64 hexadecimal digits.
    """
    import torch

    digest = hashlib.sha256()
    for module in modules:
        for name, weight in sorted(module.state_dict().items()):
            if not isinstance(weight, torch.Tensor):  # quantised modules keep other things there too
                continue
            values = weight.detach().flatten()
            if samples is not None:
                values = values[:: max(1, len(values) // samples)].float()
            elif rounded and values.is_floating_point():
                values = values.to(torch.bfloat16)
            digest.update(f"{name}{tuple(weight.shape)}".encode())
            digest.update(values.contiguous().cpu().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
