"""CPU time of TAS here against the published flow: one image, 50 masks, 3 expressions, captions given.

    python tests/benchmarks/bench_tas.py --threads 1 --output tas.json

ViT-B/32 with seeded random weights in OpenAI's layout, one drawn image, elliptic masks. The flows run in this process,
one after the other, `--rounds` times; ratios are of the smallest CPU times (time.process_time), because other programs
on the machine only ever add to them. "published" encodes the image once for every mask and expression, as the authors'
code does; "image once" gives it the benefit of encoding it once for every expression. Nothing here is a test: the
figures depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch
from PIL import Image
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.bench_methods import SHAPE, cpu_seconds, scene_of
from tests.benchmarks.tas_flow import ParsedExpression, rank_expressions
from tests.factories import openai_model
from zsris_viz.methods import SceneFeatures, get_method
from zsris_viz.models import load_clip

THINGS = ("a man in a red shirt", "a wooden bench", "two brown dogs", "a white car", "the side of a building")
EXPRESSIONS = [
    ParsedExpression("man in a red shirt holding a bat", "man", THINGS[1:]),
    ParsedExpression("a wooden bench next to the tree", "a wooden bench", (THINGS[0], *THINGS[2:])),
    ParsedExpression("the white car behind the bus", "the white car", (*THINGS[:3], THINGS[4])),
]


def captions_of(masks: int) -> list[str]:
    """A caption for each mask, as long as a captioner's usually are, all different."""
    places = ("on the street", "in the grass", "in front of a house", "with trees in the background", "at night")
    return [f"{THINGS[index % 5]} number {index} {places[index // 5 % 5]}" for index in range(masks)]


def ours(clip: Any, image: Image.Image, masks: Tensor, captions: list[str]) -> list[Tensor]:
    """Official scores of every expression."""
    scene, method = SceneFeatures(image, masks, clip), get_method("tas", "official")
    scene.text_features(
        [*captions, *(one.sentence for one in EXPRESSIONS), *(f"a photo of {phrase}" for phrase in THINGS)]
    )
    return [
        method.predict(
            scene,
            one.sentence,
            captions=captions,
            negatives=[f"a photo of {phrase}" for phrase in one.negatives],
            noun_phrase=one.noun_phrase,
            direction=None,
        ).scores
        for one in EXPRESSIONS
    ]


def main() -> None:
    """Run the flows, print the figures and write them down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--masks", type=int, default=50)
    parser.add_argument("--size", type=int, nargs=2, default=(480, 640), metavar=("H", "W"))
    parser.add_argument("--threads", type=int, help="torch threads; default: torch's own choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    model = openai_model(0, **SHAPE)
    clip = load_clip(model.state_dict(), kind="openai", device="cpu")
    image, masks = scene_of(0, masks=options.masks, size=(options.size[0], options.size[1]))
    captions = captions_of(options.masks)

    def published(copies: bool) -> list[Tensor]:
        return rank_expressions(
            model, lambda text: clip.tokenize(text, length=77).ids, image, masks, captions, EXPRESSIONS, copies=copies
        )

    flows: dict[str, Callable[[], list[Tensor]]] = {
        "published": lambda: published(True),
        "image once": lambda: published(False),
        "ours": lambda: ours(clip, image, masks, captions),
    }
    best: dict[str, float] = {}
    scores: dict[str, Tensor] = {}
    for _ in range(options.rounds):
        for name, run in flows.items():
            seconds, found = cpu_seconds(run)
            best[name], scores[name] = min(best.get(name, float("inf")), seconds), torch.stack(found)
    figures = {
        "machine": {
            "cpu": platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        },
        "masks": options.masks,
        "expressions": len(EXPRESSIONS),
        "cpu_seconds": best,
        "ratio": {name: best[name] / best["ours"] for name in ("published", "image once")},
        "largest_difference": float((scores["ours"] - scores["published"]).abs().max()),
        "same_choice": float((scores["ours"].argmax(1) == scores["published"].argmax(1)).float().mean()),
        "process_mib": psutil.Process().memory_info().rss / 2**20,
    }
    print(json.dumps(figures, indent=2))
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
