"""Seconds of all probes on 200 drawn scenes with the miniature, its controls included.

    python tests/benchmarks/bench_probes.py --threads 2 --output bench.json

Wall-clock and CPU seconds of this process. The aim is 60 seconds on two idle cores. Nothing here is a test: the figures
depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from zsris_viz.datasets import load_dataset
from zsris_viz.models import load_clip
from zsris_viz.probes import probe_names, run_probes


def measure(clip: Any, data: Any, probes: list[str], parts: str) -> dict[str, float]:
    """Seconds and rows of one run."""
    wall, cpu = time.perf_counter(), time.process_time()
    table = run_probes(clip, data, probes, parts=parts)
    return {
        "wall_seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "rows": len(table),
    }


def main() -> None:
    """Run everything, print it and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", default="miniature")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--parts", choices=("gold", "parser"), default="gold")
    parser.add_argument("--each", action="store_true", help="each probe by itself too")
    parser.add_argument("--threads", type=int, help="torch threads; default: torch's own choice")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    clip = load_clip(options.clip, device="cpu")
    data = load_dataset("scenes", "val", limit=options.scenes)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    figures: dict[str, Any] = {
        "machine": {
            "cpu": platform.processor() or platform.machine(),
            "threads": torch.get_num_threads(),
            "load": load,
        },
        "clip": clip.name,
        "scenes": options.scenes,
        "all probes": measure(clip, data, list(probe_names()), options.parts),
    }
    print(json.dumps(figures, indent=2), flush=True)
    for name in probe_names() if options.each else ():
        figures[name] = measure(clip, data, [name], options.parts)
        print(name, figures[name], flush=True)
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
