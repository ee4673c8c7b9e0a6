"""Peak memory and time of a 12-megapixel photograph with 80 regions, each case in a process of its own.

    python tests/benchmarks/bench_photograph.py

Prints one Markdown row a case: peak resident memory in MB, wall and CPU seconds, imports included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (4000, 3000)
START = "import sys; path = sys.argv[1]\n"
CASES = {
    "segment": START + "from zsris_viz import segment; segment(path, 'the red patch')",
    "zsris segment": START
    + "import sys; sys.argv = ['zsris', 'segment', path, 'the red patch']\nfrom zsris_viz.cli import main; main()",
    "proposals at the working size": START
    + "from zsris_viz.proposals import load_proposals\n"
    + "from zsris_viz.proposals.working_size import propose_at_working_size\n"
    + "working, masks = propose_at_working_size(path, load_proposals('felzenszwalb'))\n"
    + "masks.boxes, masks.overlap_of_smaller(), masks.coverage",
    "overlap filter of 80 full-size regions": START
    + "from zsris_viz.proposals.filtered import Filtered\nfrom zsris_viz.proposals import load_proposals\n"
    + "Filtered(load_proposals('felzenszwalb')).propose(path)",
}


def photograph(path: Path) -> None:
    """Write a JPEG of soft colour patches and noise: some hundred regions."""
    rng = np.random.default_rng(0)
    patches = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(patches.resize(SIZE, Image.Resampling.BICUBIC)).astype(np.int16)
    pixels += rng.integers(-8, 8, (SIZE[1], SIZE[0], 1), dtype=np.int16)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def measure(script: str, path: Path) -> tuple[float, float, float]:
    """Return peak MB, wall seconds and CPU seconds of a script in a process of its own."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the case ended with status {status}")
    return usage.ru_maxrss / 1024, time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure every case."""
    print("| case | peak MB | wall s | CPU s |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photograph.jpg"
        photograph(path)
        for name, script in CASES.items():
            memory, wall, cpu = measure(script, path)
            print(f"| {name} | {memory:.0f} | {wall:.1f} | {cpu:.1f} |", flush=True)


if __name__ == "__main__":
    main()
