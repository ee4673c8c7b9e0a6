"""CPU seconds of evaluating all methods on many small images, for each method and together.

    python -m tests.benchmarks.bench_many_images --images 100

On a busy machine, with one thread: 11 methods on 10 scenes took 8.1 CPU seconds.
"""

from __future__ import annotations

import time

import torch
import typer

from zsris_viz.datasets import load_dataset
from zsris_viz.evaluation import evaluate
from zsris_viz.methods import method_class, method_names
from zsris_viz.models import load_clip
from zsris_viz.proposals import load_proposals


def main(images: int = 100, threads: int = 1) -> None:
    """Evaluate every method that a ViT serves and print what each took."""
    torch.set_num_threads(threads)
    model, proposals = load_clip("miniature"), load_proposals("ground-truth")
    names = [name for name in method_names() if method_class(name).info.accepts(model)]
    options = {"clip": model, "proposals": proposals, "progress": False}
    evaluate("scenes", names, limit=1, **options)  # loads weights and the parser
    data = load_dataset("scenes", "val", limit=images)
    start = time.process_time()
    for sample in data:
        sample.image.load()
    drawing = time.process_time() - start
    start = time.process_time()
    found = evaluate(data, names, **options)
    together = time.process_time() - start
    per_image = found.rows.groupby("method", sort=False)["seconds"].sum() / images
    for name, seconds in per_image.items():
        print(f"{name:16} {1000 * seconds:7.0f} ms an image (wall)")
    print(f"{len(names)} methods on {images} scenes: {together:.1f} CPU seconds, drawing alone {drawing:.1f}")


if __name__ == "__main__":
    typer.run(main)
