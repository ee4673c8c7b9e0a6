"""Training of the miniature RISCLIP on `scenes` train: masks, expressions, and the frozen miniature CLIP."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

#: What differs from the defaults of `zsris train risclip`. Steps are of `batch` images with up to `expressions` each.
RECIPE: dict[str, Any] = {
    "clip": "miniature",
    "device": "cpu",
    "architecture": {
        "cfe_layers": [5],
        "cfe_width": 64,
        "patch_features": "values",
        "ske_layers": 4,
        "ske_width": 128,
        "ske_heads": 4,
        "ske_ratio": 2.0,
        "ske_match": True,
        "decoder_width": 96,
        "decoder_layers": [0, 2],
        "cells": 8,
    },
    "data": {"dataset": "scenes", "split": "train"},
    "validation": {"dataset": "scenes", "split": "val", "limit": 60},
    "steps": {"align": 2400, "decode": 150, "joint": 4650},
    "batch": 8,
    "expressions": 4,
    "rate": 3e-3,
    "precision": "bf16",  # a quarter faster on a processor with AMX; one without computes the same more slowly
    "validate_every": 300,
    "log_every": 25,
    "checkpoint_minutes": 2.0,
    "threads": 1,
}


def recipe(**changed: Any) -> dict[str, Any]:
    """Return the recipe with other values; groups such as `steps` are merged key by key."""
    settings = {name: dict(value) if isinstance(value, dict) else value for name, value in RECIPE.items()}
    for name, value in changed.items():
        settings[name] = (
            {**settings[name], **value} if isinstance(value, dict) and isinstance(settings.get(name), dict) else value
        )
    return settings


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature train risclip`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature train risclip", description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/risclip"), help="folder for weights, state and log")
    parser.add_argument("--share", type=float, default=1.0, help="of the recipe's steps, for a shorter training")
    parser.add_argument("--cache", type=Path, default=None, help="folder that keeps the drawn pictures (about 800 MB)")
    parser.add_argument("--limit", type=int, default=None, help="only the first images of scenes train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args(argv)
    from zsris_viz.methods.risclip.config import Training, checked
    from zsris_viz.methods.risclip.train import train_risclip

    cache = None if arguments.cache is None else str(arguments.cache)
    steps = {name: max(1, round(arguments.share * count)) for name, count in RECIPE["steps"].items()}
    settings = recipe(
        steps=steps,
        data={"cache": cache, "limit": arguments.limit},
        validation={"cache": cache},
        seed=arguments.seed,
        threads=arguments.threads,
    )
    done = train_risclip(
        checked(Training, settings, "the recipe"), arguments.run, report=lambda text: print(text, flush=True)
    )
    print(f"weights in {done.path}")
