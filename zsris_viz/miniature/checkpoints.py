"""What every training of the package shares: checkpoints that survive a kill, a warm-up-and-cosine schedule, a CSV
log."""

from __future__ import annotations

import csv
import hashlib
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import CorruptFileError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes a checkpoint under a temporary name and moves it, so that a kill leaves the last good one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The checkpoint at `path`, or None where there is none.

    Raises:
        CorruptFileError: the file cannot be read.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CorruptFileError(
            f"{path} is no readable checkpoint ({error}); delete it to start again, or name another --run folder"
        ) from error
    return state


def learning_rate(step: float, total: float, *, peak: float, warmup: float = 0.02, floor: float = 0.02) -> float:
    """Linear warm-up to `peak` over the first `warmup` of the work, then a cosine down to `floor * peak`.

    Args:
        step: work done so far, in any unit.
        total: all of the work in that unit.
    """
    done = min(step / total, 1.0)
    if done < warmup:
        return peak * max(done / warmup, 0.01)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))))


def append_log(path: Path, row: Mapping[str, float | int | str]) -> None:
    """Appends one row to a CSV log, with a header where the file is new."""
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
