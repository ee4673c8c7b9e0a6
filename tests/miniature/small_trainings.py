"""Trainings of a few steps, as functions that a fork server can start in processes of their own."""

from __future__ import annotations

from pathlib import Path

STEPS = 14


def train_small(kind: str, folder: str) -> None:
    """Train CLIP or GIT for `STEPS` steps, with a checkpoint after each; continue what is in the folder."""
    run = Path(folder)
    if kind == "CLIP":
        from zsris_viz.miniature.training.train_clip import train

        train("clip", run, pictures=4 * STEPS, decay=16, batch_size=4, threads=1, save_seconds=0)
    else:
        from zsris_viz.miniature.training.train_git import train as train_git

        small = {"batch_size": 4, "regions": 2, "workers": 0, "window": (2, 2), "save_seconds": 0}
        train_git(run, pictures=4 * STEPS, decay=16, **small)  # type: ignore[arg-type]
