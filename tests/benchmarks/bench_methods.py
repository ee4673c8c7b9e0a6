"""CPU time of Global-Local CLIP here against the published flow, and milliseconds per image for 50 masks.

    python tests/benchmarks/bench_methods.py --output bench.json

ViT-B/32 with seeded random weights in OpenAI's layout, one drawn image, 50 elliptic masks. Both flows run in this
process, one after the other, `--rounds` times; ratios are of the smallest CPU times (time.process_time), because other
programs on the machine only ever add to them. Nothing here is a test: the figures depend on the machine.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import platform
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.authors_flow import rank_references
from tests.factories import openai_model
from zsris_viz.datasets import load_dataset
from zsris_viz.methods import SceneFeatures, get_method
from zsris_viz.models import load_clip
from zsris_viz.proposals import load_proposals

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
SHAPE = {
    "vision_layers": 12, "width": 768, "image_size": 224, "patch_size": 32, "embed_dim": 512,
    "text_width": 512, "text_layers": 12, "vocab_size": 49408, "context_length": 77,
}  # fmt: skip
EXPRESSIONS = [
    ("the left cat on the sofa", "the left cat"),
    ("man in a red shirt holding a bat", "man"),
    ("second zebra from the right", "second zebra"),
    ("a bowl of soup next to the glass", "a bowl"),
    ("the woman with an umbrella", "the woman"),
    ("biggest elephant", "biggest elephant"),
    ("white car behind the bus", "white car"),
    ("the boy who is about to hit the ball", "the boy"),
    ("top right donut", "top right donut"),
    ("chair closest to the window", "chair"),
]


def scene_of(seed: int, *, masks: int, size: tuple[int, int]) -> tuple[Image.Image, Tensor]:
    """A smooth random image and random ellipses, from a hundredth to a third of it."""
    rng = np.random.default_rng(seed)
    height, width = size
    noise = Image.fromarray(rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
    rows, columns = np.mgrid[:height, :width]
    data = []
    for _ in range(masks):
        x, y = rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height
        a, b = np.exp(rng.uniform(np.log(0.06), np.log(0.4), 2)) * (width, height)
        data.append(((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 < 1)
    return noise.resize((width, height), Image.Resampling.BICUBIC), torch.from_numpy(np.stack(data))


def cpu_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of all threads, and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def ours(clip: Any, image: Image.Image, masks: Tensor, expressions: list[tuple[str, str]]) -> list[Tensor]:
    """Official scores for every expression."""
    scene, method = SceneFeatures(image, masks, clip), get_method("global-local", "official")
    scene.text_features([text for pair in expressions for text in pair])
    return [method.predict(scene, sentence, noun_phrase=phrase).scores for sentence, phrase in expressions]


def compare(
    model: Any,
    clips: dict[str, Any],
    image: Image.Image,
    masks: Tensor,
    references: list[list[tuple[str, str]]],
    rounds: int,
) -> dict[str, Any]:
    """Smallest CPU seconds of the published flow and of ours in each precision, their ratios and the agreement."""

    def published() -> list[Tensor]:
        tokenize = clips["fp32"].tokenize
        return rank_references(model, lambda text: tokenize(text, length=77).ids, image, masks, references)

    flat = [pair for reference in references for pair in reference]
    best: dict[str, float] = {}
    results: dict[str, list[Tensor]] = {}
    for _ in range(rounds):
        runs = {
            "published": published,
            **{name: lambda c=clip: ours(c, image, masks, flat) for name, clip in clips.items()},
        }
        for name, run in runs.items():
            seconds, results[name] = cpu_seconds(run)
            best[name] = min(best.get(name, np.inf), seconds)
    row: dict[str, Any] = {
        "references": len(references),
        "expressions": len(flat),
        "published_seconds": best["published"],
    }
    expected = torch.stack([scores.detach() for scores in results["published"]])
    for name in clips:
        scores = torch.stack(results[name])
        row |= {
            f"{name}_seconds": best[name],
            f"{name}_ratio": best["published"] / best[name],
            f"{name}_largest_difference": float((scores - expected).abs().max()),
            f"{name}_same_choice": float((scores.argmax(1) == expected.argmax(1)).float().mean()),
        }
    return row


def agreement(clips: dict[str, Any], images: int, size: tuple[int, int]) -> dict[str, float]:
    """How often bf16 chooses what fp32 chooses, over `images` images of 50 masks with all expressions each.

    A tower of random weights tells the masks apart by thousandths only; `lost_when_other` is by how much, in standard
    deviations of fp32's scores, bf16's choice is the worse one where the two differ.
    """
    pairs = []
    for seed in range(100, 100 + images):
        image, masks = scene_of(seed, masks=50, size=size)
        exact, rough = (torch.stack(ours(clips[name], image, masks, EXPRESSIONS)) for name in ("fp32", "bf16"))
        pairs += list(zip(exact, rough, strict=True))
    return told_of(pairs)


def trained_agreement(images: int) -> dict[str, float]:
    """The same for a tower that has learned something: the miniature on scenes of val, 50 Felzenszwalb masks each."""
    towers = {name: load_clip("miniature", device="cpu", dtype=dtype) for name, dtype in DTYPES.items()}
    source, method = load_proposals("felzenszwalb", max_masks=50), get_method("global-local")
    pairs = []
    for sample in load_dataset("scenes", "val", limit=images):
        masks = source.propose(sample.image)
        expressions = [expression.text for _, expression in sample.pairs()]
        scenes = {name: SceneFeatures(sample.image, masks, tower) for name, tower in towers.items()}
        for text in expressions:
            exact, rough = (method.predict(scenes[name], text).scores.float() for name in ("fp32", "bf16"))
            pairs.append((exact, rough))
    return told_of(pairs)


def told_of(pairs: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Share of equal choices among pairs of (exact, rough) scores, and what the others lose."""
    same, lost = [], []
    for exact, rough in pairs:
        best, chosen = int(exact.argmax()), int(rough.argmax())
        same.append(best == chosen)
        if best != chosen:
            lost.append(float((exact[best] - exact[chosen]) / exact.std()))
    return {
        "cases": len(pairs),
        "bf16_same_choice": sum(same) / len(same),
        "lost_when_other": sum(lost) / len(lost) if lost else 0.0,
    }


def per_image(precision: str, size: tuple[int, int], rounds: int, threads: int | None) -> dict[str, float]:
    """For one image, 50 masks and one expression: milliseconds (CPU, clock) and memory. Runs in a process of its own.

    `model_mib` is the process with the model loaded, `peak_mib` the most it held while an image was worked on.
    """
    if threads:
        torch.set_num_threads(threads)
    clip = load_clip(openai_model(0, **SHAPE).state_dict(), kind="openai", device="cpu", dtype=DTYPES[precision])
    scenes = [scene_of(200 + seed, masks=50, size=size) for seed in range(rounds)]
    gc.collect()
    held = psutil.Process().memory_info().rss
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")  # the high-water mark starts again: loading held two copies of the weights
    cpu, wall = [], []
    for image, masks in scenes:
        start = time.perf_counter()
        cpu.append(cpu_seconds(lambda i=image, m=masks: ours(clip, i, m, EXPRESSIONS[:1]))[0])
        wall.append(time.perf_counter() - start)
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peak = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), float("nan"))
    return {
        "cpu_ms": 1000 * min(cpu),
        "wall_ms": 1000 * min(wall),
        "model_mib": held / 2**20,
        "peak_mib": peak / 2**20,
    }


def main() -> None:
    """Run everything, print it and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=5, help="images for the agreement of bf16 with fp32")
    parser.add_argument("--scenes", type=int, default=60, help="scenes for the same with the trained miniature")
    parser.add_argument("--size", type=int, nargs=2, default=(480, 640), metavar=("H", "W"))
    parser.add_argument("--threads", type=int, help="torch threads; default: torch's own choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    size = (options.size[0], options.size[1])
    model = openai_model(0, **SHAPE)
    clips = {
        name: load_clip(model.state_dict(), kind="openai", device="cpu", dtype=dtype) for name, dtype in DTYPES.items()
    }
    figures: dict[str, Any] = {
        "machine": {
            "cpu": platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "capability": torch.backends.cpu.get_cpu_capability(),
            "bf16_computes_in": str(clips["bf16"].compute_dtype),
            "threads": torch.get_num_threads(),
        }
    }
    for name in DTYPES:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            row = pool.submit(per_image, name, size, options.rounds, options.threads).result()
        figures[f"50 masks, {name}"] = row
        print(name, row, flush=True)
    image, masks = scene_of(0, masks=50, size=size)
    cases = {
        "3 expressions of 1 reference": [EXPRESSIONS[:3]],
        "3 references of 1 expression": [[pair] for pair in EXPRESSIONS[:3]],
        "10 references of 1 expression": [[pair] for pair in EXPRESSIONS],
    }
    for name, references in cases.items():
        rounds = options.rounds if len(references) < 10 else 1
        figures[name] = compare(model, clips, image, masks, references, rounds)
        print(name, json.dumps(figures[name], indent=2), flush=True)
    figures["agreement"] = agreement(clips, options.images, size)
    print(figures["agreement"], flush=True)
    figures["agreement, trained"] = trained_agreement(options.scenes)
    print(figures["agreement, trained"])
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
