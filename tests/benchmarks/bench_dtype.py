"""How often the built-in CLIP chooses the same proposal in bf16 as in fp32.

    python tests/benchmarks/bench_dtype.py --images 100 --methods cropping global-local

Drawn scenes with their true masks as proposals; the parts of the expressions are the dataset's own. A choice counts as
the same if its index is. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from zsris_viz.datasets import load_dataset
from zsris_viz.methods import SceneFeatures, get_method
from zsris_viz.models import load_clip
from zsris_viz.models.devices import choose_dtype


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--clip", default="miniature")
    parser.add_argument("--methods", nargs="+", default=["cropping", "global-local"])
    options = parser.parse_args()
    clips = [load_clip(options.clip, device="cpu", dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    methods = {name: get_method(name) for name in options.methods}
    same = dict.fromkeys(methods, 0)
    count = 0
    data = load_dataset("scenes", "val")
    for index in range(options.images):
        sample = data[index]
        expressions = [expression for reference in sample.references for expression in reference.expressions]
        scenes = [SceneFeatures(sample.image, sample.instances, clip) for clip in clips]
        count += len(expressions)
        for name, method in methods.items():
            exact, rounded = (method.predict_many(scene, expressions, parts="gold") for scene in scenes)
            same[name] += sum(a.chosen == b.chosen for a, b in zip(exact, rounded, strict=True))
    share = {name: round(100 * number / count, 2) for name, number in same.items()}
    reason = {"computed_in": str(clips[1].compute_dtype), "auto": choose_dtype().reason}
    print(json.dumps({"n": count, "same_choice_percent": share} | reason))


if __name__ == "__main__":
    main()
