"""Milliseconds that the explorers take: made for the first time, and redrawn when something moves.

    python tests/benchmarks/bench_explorers.py --output bench.json

On the built-in miniature and a drawn scene, with its objects as proposals. `cpu` is the time of this process, `wall`
the clock's; on a busy machine only the first says something about the code. What the browser needs to decode and show a
picture is not in it. Nothing here is a test: the figures depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from zsris_viz import load_clip, load_dataset
from zsris_viz.explorers import AttentionExplorer, CompareExplorer, LayerExplorer, MethodExplorer


def measured(actions: Sequence[Callable[[], Any]]) -> dict[str, float]:
    """Median and largest CPU and wall milliseconds over the actions."""
    cpu, wall = [], []
    for action in actions:
        clock, processor = time.perf_counter(), time.process_time()
        action()
        wall.append(1000 * (time.perf_counter() - clock))
        cpu.append(1000 * (time.process_time() - processor))
    return {
        "actions": len(cpu),
        "cpu_median": statistics.median(cpu),
        "cpu_largest": max(cpu),
        "wall_median": statistics.median(wall),
        "wall_largest": max(wall),
    }


def moves(control: Any, values: Sequence[Any], rounds: int) -> list[Callable[[], None]]:
    """Setting a control to each value in turn, `rounds` times."""
    return [lambda value=value: setattr(control, "value", value) for _ in range(rounds) for value in values]


def run(rounds: int) -> dict[str, dict[str, float]]:
    """All figures by name."""
    clip, sample = load_clip("miniature", device="cpu"), load_dataset("scenes", "val", limit=5)[4]
    reference, spoken = max(sample.pairs(), key=lambda pair: len(pair[1].text))
    given = {"truth": reference.mask, "clip": clip}
    text, masks = spoken.text, sample.instances
    made: dict[str, Any] = {}
    found: dict[str, dict[str, float]] = {}

    def make(name: str, maker: Callable[[], Any]) -> None:
        found[f"{name}: made"] = measured([lambda: made.setdefault(name, maker())])

    make("LayerExplorer", lambda: LayerExplorer(sample.image, text, **given))
    layers = made["LayerExplorer"]
    back_and_forth = [*range(clip.num_layers, -1, -1), *range(clip.num_layers)]
    found["LayerExplorer: slider move"] = measured(moves(layers.layer, back_and_forth, rounds))
    texts = [f"the {colour} thing" for colour in ("red", "green", "blue", "black")]
    found["LayerExplorer: another expression"] = measured(moves(layers.expression, texts, 1))
    found["LayerExplorer: negation switched"] = measured(moves(layers.negate, [False], 1))

    make("AttentionExplorer", lambda: AttentionExplorer(sample.image, text, proposals=masks, **given))
    attention = made["AttentionExplorer"]
    found["AttentionExplorer: text layer moved"] = measured(
        moves(attention.layer, [*range(1, clip.text_layers), clip.text_layers], rounds)
    )
    found["AttentionExplorer: image layer moved"] = measured(
        moves(attention.image_layer, [*range(1, clip.num_layers), clip.num_layers], rounds)
    )
    places = range(1, len(attention.state.tokens) - 1)
    found["AttentionExplorer: token clicked"] = measured(
        [lambda place=place: attention.tokens.click(f"0,{place}") for place in places]
    )

    make("MethodExplorer", lambda: MethodExplorer(sample.image, text, proposals=masks, **given))
    methods = made["MethodExplorer"]
    found["MethodExplorer: mask toggled"] = measured(
        [lambda n=n: methods.table.click(str(n)) for _ in range(rounds) for n in range(len(masks))]
    )
    make("CompareExplorer", lambda: CompareExplorer(sample.image, text, "the left thing", proposals=masks, **given))
    found["CompareExplorer: another expression"] = measured(moves(made["CompareExplorer"].expressions[1], texts, 1))
    return found


def main() -> None:
    """Run everything, print it and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    parser.add_argument("--rounds", type=int, default=5, help="how often each slider goes back and forth")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = run(options.rounds)
    for name, row in found.items():
        print(f"{name:<42} cpu {row['cpu_median']:7.1f} ms (largest {row['cpu_largest']:7.1f})", end="")
        print(f"   wall {row['wall_median']:7.1f} ms (largest {row['wall_largest']:7.1f})")
    if options.output:
        machine = {"cpu": platform.processor() or platform.machine(), "torch": torch.__version__}
        told = {"machine": machine | {"threads": options.threads}, "milliseconds": found}
        options.output.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
