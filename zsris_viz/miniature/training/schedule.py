"""What the trainings of the miniatures share: a warm-up-and-cosine schedule, a CSV log."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path


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
