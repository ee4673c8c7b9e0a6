"""Seconds per image for `zsris reproduce --dry-run`: measured here on one CPU core, written into costs.csv.

    python tests/benchmarks/bench_costs.py --write

Towers of the published shapes with seeded random weights (the time does not depend on their values): one drawn
photograph-sized image, 50 masks, 3 expressions, all methods of the package that need no captioner. GIT-base in its
published shape captions 4 regions, 12 tokens each; the figure is for 50. The built-in models run on drawn scenes. CPU
time of one thread, the smallest of `--rounds`.
"""

from __future__ import annotations

import argparse
import csv
import platform
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.bench_methods import EXPRESSIONS, SHAPE, cpu_seconds, scene_of
from tests.captioning.tiny_models import bert_tokenizer
from tests.factories import openai_model
from zsris_viz.captioning import load_captioner
from zsris_viz.datasets import load_dataset
from zsris_viz.methods import SceneFeatures, get_method, list_methods, method_class
from zsris_viz.models import load_clip
from zsris_viz.proposals import load_proposals
from zsris_viz.reproduce.requirements import COSTS

DEVICE = "one CPU core"
RN = {"vision_layers": (3, 4, 6, 3), "width": 64, "patch_size": None, "embed_dim": 1024}
MASKS, REGIONS, TOKENS = 50, 4, 12


def tower(clip: Any, rounds: int) -> float:
    """Seconds for one image with all methods that need no captioner."""
    image, masks = scene_of(0, masks=MASKS, size=(480, 640))
    names = [info.name for info in list_methods() if info.accepts(clip)]
    methods = [get_method(name) for name in names if "captions" not in method_class(name).info.needs]
    methods = [method for method in methods if getattr(method, "weights", None) is None]

    def work() -> None:
        scene = SceneFeatures(image, masks, clip)
        for method in methods:
            for sentence, phrase in EXPRESSIONS[:3]:
                given = {"noun_phrase": phrase, "direction": None, "relation": None, "relation_object": None}
                method.predict(scene, sentence, **given, context_tokens=(), head=phrase.split()[-1])

    print(clip.name, [method.name for method in methods], flush=True)
    return least(work, rounds)


def git_base(rounds: int) -> float:
    """Seconds for the captions of 50 regions."""
    from transformers import CLIPImageProcessor, GitConfig, GitForCausalLM, GitProcessor

    image, masks = scene_of(1, masks=REGIONS, size=(480, 640))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer, _ = bert_tokenizer(folder)
        config = GitConfig(eos_token_id=30521)  # GIT-base's shape is the default; random weights hardly ever say this
        GitForCausalLM(config).save_pretrained(folder)
        images = CLIPImageProcessor(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224})
        GitProcessor(images, tokenizer).save_pretrained(folder)
        speaker = load_captioner(folder, cache=False, device="cpu", max_tokens=TOKENS)
        return least(lambda: speaker.caption_regions(image, masks), rounds) * MASKS / REGIONS


def built_in(rounds: int) -> dict[str, float]:
    """Seconds for one drawn scene: towers, proposals; captions are of its regions."""
    sample = load_dataset("scenes", "val")[0]
    costs: dict[str, float] = {}
    sources = {"felzenszwalb": "felzenszwalb", "sam": "sam"}
    for part, name in sources.items():
        source = load_proposals(name, cache=False)
        costs[part] = least(lambda one=source: one.propose(sample.image), rounds)
    for name in ("miniature", "miniature-rn"):
        costs[name] = tower(load_clip(name), rounds)
    return costs


def least(work: Callable[[], Any], rounds: int) -> float:
    """The smallest CPU seconds."""
    return min(cpu_seconds(work)[0] for _ in range(rounds))


def main() -> None:
    """Measure, print, and with --write replace this device's rows in costs.csv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write the figures into costs.csv")
    given = parser.parse_args()
    torch.set_num_threads(1)
    costs = built_in(given.rounds)
    for name, shape in (("clip-vit-b32", SHAPE), ("clip-rn50", SHAPE | RN)):
        clip = load_clip(openai_model(0, **shape).state_dict(), kind="openai", device="cpu")
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        costs[name] = tower(clip, given.rounds)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) * 1024 / 1e9
        print(f"{name}: {costs[name]:.2f} s; peak memory grew by {grown:.2f} GB", flush=True)
    costs["git-base"] = git_base(given.rounds)
    for part, seconds in costs.items():
        print(f"{part:<14} {seconds:8.3f} s", flush=True)
    if given.write:
        write(costs)


def write(costs: dict[str, float]) -> None:
    """Replace what was measured before; the published rows stay."""
    with COSTS.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["device"] != DEVICE or row["part"] not in costs]
    basis = f"measured: tests/benchmarks/bench_costs.py, {platform.machine()}, fp32, 1 thread"
    rows += [{"part": part, "device": DEVICE, "seconds": f"{s:.3g}", "basis": basis} for part, s in costs.items()]
    with COSTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["part", "device", "seconds", "basis"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
