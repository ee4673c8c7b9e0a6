"""Measurement of the miniature SAM on held-out scenes with the automatic mask generator, for its model card."""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from zsris_viz.errors import ZsrisWarning

SPLITS = ("val", "test", "testA", "testB")
#: What the miniature must reach over all objects: mean best IoU, and recall at IoU 0.5.
LEAST = {"mean_best_iou": 0.75, "recall_50": 0.9}


def measure(
    checkpoint: str | Path = "miniature",
    *,
    scenes: int = 125,
    splits: tuple[str, ...] = SPLITS,
    size: int = 224,
    **settings: Any,
) -> dict[str, dict[str, float]]:
    """Measure how well the proposals cover the objects of held-out scenes.

    Every object of a scene counts, whether it is referred to or not, each as much as any other. Reference points are
    Felzenszwalb's regions on the same scenes, which need no weights.

    Args:
        checkpoint: of :class:`zsris_viz.proposals.Sam`.
        scenes: of each split.
        size: of the pictures in pixels.
        **settings: of the proposals, in place of those that the miniature has by default.

    Returns:
        Split -> objects, mean_best_iou, low and high (its 95 % interval, whole scenes drawn anew), recall_50,
        recall_75, small_iou and large_iou (mean best IoU of objects under and over 2 % of the picture), masks (a
        scene), seconds (a scene).
    """
    from zsris_viz.datasets import load_dataset
    from zsris_viz.proposals import load_proposals
    from zsris_viz.proposals.sam import FOR_MINIATURE

    source = load_proposals("sam", cache=False, checkpoint=checkpoint, **{**FOR_MINIATURE, **settings})
    found = {}
    for split in splits:
        data = load_dataset("scenes", split, limit=scenes, size=size)
        best: list[np.ndarray] = []
        areas: list[np.ndarray] = []
        masks, seconds = 0, 0.0
        for index in tqdm(range(len(data)), desc=split, leave=False):
            sample = data[index]
            assert sample.instances is not None  # scenes have them
            truth = sample.instances.nonempty()
            started = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ZsrisWarning)  # a scene on which nothing is found counts with 0
                proposed = source.propose(sample.image)
            seconds += time.process_time() - started
            masks += len(proposed)
            overlaps = truth.iou(proposed)
            best.append(overlaps.amax(dim=1).numpy() if len(proposed) else np.zeros(len(truth)))
            areas.append(truth.areas.numpy() / truth.data[0].numel())
        found[split] = {**_summary(best, areas), "masks": masks / len(data), "seconds": seconds / len(data)}
    return found


def _summary(best: list[np.ndarray], areas: list[np.ndarray]) -> dict[str, float]:
    """Return the figures of a split from the best IoU and the area (share of the picture) of every object."""
    values, area = np.concatenate(best), np.concatenate(areas)
    rng = np.random.default_rng(0)
    means = [np.concatenate([best[i] for i in rng.integers(0, len(best), len(best))]).mean() for _ in range(500)]
    low, high = np.percentile(means, [2.5, 97.5])
    return {
        "objects": len(values),
        "mean_best_iou": float(values.mean()),
        "low": float(low),
        "high": float(high),
        "recall_50": float((values >= 0.5).mean()),
        "recall_75": float((values >= 0.75).mean()),
        "small_iou": float(values[area < 0.02].mean()) if (area < 0.02).any() else float("nan"),
        "large_iou": float(values[area >= 0.02].mean()) if (area >= 0.02).any() else float("nan"),
    }


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature measure sam`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature measure sam", description=__doc__)
    parser.add_argument("--weights", default="miniature", help="a weight file (default: the one in the package)")
    parser.add_argument("--scenes", type=int, default=125, help="of each split; 500 in all")
    parser.add_argument("--splits", nargs="+", default=list(SPLITS), choices=SPLITS)
    parser.add_argument("--size", type=int, default=224, help="of the pictures, in pixels")
    parser.add_argument("--points", type=int, default=None, help="points per side (as the proposals have by default)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the card")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    from zsris_viz.proposals.sam import FOR_MINIATURE

    settings = {**FOR_MINIATURE, **({} if arguments.points is None else {"points_per_side": arguments.points})}
    splits = measure(
        arguments.weights, scenes=arguments.scenes, splits=tuple(arguments.splits), size=arguments.size, **settings
    )
    figures = {"scenes": arguments.scenes, "size": arguments.size, "settings": settings, "splits": splits}
    print(json.dumps(figures, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(figures))
