"""CPU seconds for crops through CLIP's RN50: the plain flow and this package's, in fp32 and, where fast, in bf16.

    python tests/benchmarks/bench_resnet.py --crops 50 --rounds 3

Random weights in OpenAI's layout. The plain flow is that of the authors: open_clip's model as it is, one crop after the
other, without inference mode. Each flow runs `--rounds` times and the smallest CPU time counts, because other programs
on the machine only ever add to it. Nothing here is a test: the figures depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.factories import FULL_SIZES, openai_model
from zsris_viz.models import load_clip


def cpu_seconds(run: Callable[[], Tensor], rounds: int) -> tuple[float, Tensor]:
    """Return the smallest CPU time of some runs, and the last result."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        result = run()
        best = min(best, time.process_time() - start)
    return best, result.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--crops", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model = openai_model(0, **FULL_SIZES["RN50"])
    state = model.state_dict()
    pixels = torch.randn(options.crops, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    plain, expected = cpu_seconds(
        lambda: torch.cat([model.encode_image(crop[None]) for crop in pixels]), options.rounds
    )
    figures: dict[str, float | int] = {"threads": torch.get_num_threads(), "crops": options.crops, "plain": plain}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        clip = load_clip(state, kind="openai", device="cpu", dtype=dtype)
        if clip.compute_dtype != dtype:
            continue
        seconds, features = cpu_seconds(lambda clip=clip: clip.embed_images(pixels), options.rounds)
        figures[name] = seconds
        figures[f"{name}_ratio"] = plain / seconds
        figures[f"{name}_difference"] = float((features - expected).abs().max())
        figures[f"{name}_cosine"] = float(torch.cosine_similarity(features, expected).min())
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
