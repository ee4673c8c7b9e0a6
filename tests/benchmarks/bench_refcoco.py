"""Memory and time of an evaluation on a set in RefCOCO's own files: 2,000 expressions, four methods.

    python tests/benchmarks/bench_refcoco.py --output bench_refcoco.json

Drawn scenes are exported as RefCOCO: JPEG files with COCO's names, instances.json and a pickle of references. Another
process then evaluates them with the built-in miniature, in an output folder, and reports its peak memory (RSS) and the
time for each image in quarters of the run: if the last quarter takes as long as the first, time is linear and nothing
piles up. CPU time is reported too, because other programs on the machine do not add to it. Nothing here is a test: the
figures depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

METHODS = "region-token,score-map,cropping,global-local"
MOST_GB = 2.0


def make(folder: Path, expressions: int, size: int) -> dict[str, Any]:
    """Export as many training scenes as hold so many expressions; returns what was written."""
    from zsris_viz.datasets import load_dataset
    from zsris_viz.datasets.export import export

    scenes: Any = load_dataset("scenes", "train", size=size)
    images = count = 0
    while count < expressions:
        count += sum(len(described) for _, described in scenes.expressions_of(images))
        images += 1
    started = time.perf_counter()
    export(load_dataset("scenes", "train", size=size, limit=images), folder, "refer", images="jpeg", progress=False)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        "images": images,
        "expressions": count,
        "files": len(files),
        "mb": round(sum(path.stat().st_size for path in files) / 1e6, 1),
        "seconds": round(time.perf_counter() - started, 1),
    }


class Watched:
    """A dataset that notes when each image was asked for."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.name, self.split, self.split_by = dataset.name, dataset.split, dataset.split_by
        self.settings = {"benchmark": "bench_refcoco"}
        self.times: list[tuple[float, float]] = []

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        self.times.append((time.perf_counter(), time.process_time()))
        return self.dataset[index]


def run(folder: str, methods: str, answer: Any) -> None:
    """Evaluate in this process and send what was measured."""
    import torch

    from zsris_viz.datasets import load_dataset
    from zsris_viz.evaluation import evaluate

    torch.set_num_threads(1)
    data = Watched(load_dataset("refcoco", "train", data_root=folder))
    before = peak_gb()
    found = evaluate(data, methods.split(","), output=Path(folder) / "run", progress=False)
    data.times.append((time.perf_counter(), time.process_time()))
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(data.times, data.times[1:], strict=False)]
    # The first image also loads the parser and warms up the tower.
    warm, quarter = steps[1:], (len(steps) - 1) // 4
    quarters = [warm[start * quarter : (start + 1) * quarter] for start in range(4)]
    answer.send(
        {
            "rows": len(found.rows),
            "expressions": int(found.rows["sentence_id"].nunique()),
            "images": len(data),
            "failed": len(found.errors),
            "peak_gb": round(peak_gb(), 3),
            "peak_gb_before": round(before, 3),
            "wall_ms_per_image": [round(1000 * sum(wall for wall, _ in part) / len(part), 1) for part in quarters],
            "cpu_ms_per_image": [round(1000 * sum(cpu for _, cpu in part) / len(part), 1) for part in quarters],
            "wall_seconds": round(sum(wall for wall, _ in steps), 1),
            "cpu_seconds": round(sum(cpu for _, cpu in steps), 1),
            "table": found.table(metrics=("miou", "oiou"), intervals=False).to_dict("records"),
        }
    )


def peak_gb() -> float:
    """Largest resident memory of this process so far, in GB."""
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e9


def main() -> None:
    """Make the set, evaluate it, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--expressions", type=int, default=2000)
    parser.add_argument("--size", type=int, default=224, help="pixels of an image's side")
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--output", type=Path, default=None, help="JSON file for the figures")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder), given.expressions, given.size)
        print("set:", made, flush=True)
        context = multiprocessing.get_context("spawn")  # a process without the export's memory
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=run, args=(folder, given.methods, there))
        process.start()
        there.close()
        try:
            measured = here.recv()
        except EOFError:
            sys.exit("the evaluation ended without an answer")
        process.join()
    cpu = measured["cpu_ms_per_image"]
    report = {
        "set": made,
        "methods": given.methods.split(","),
        **measured,
        "last_quarter_over_first": round(cpu[-1] / cpu[0], 3),
        "under_2_gb": measured["peak_gb"] < MOST_GB,
        "machine": f"{platform.machine()}, Python {platform.python_version()}, 1 thread",
    }
    print(json.dumps(report, indent=1))
    if given.output is not None:
        given.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
