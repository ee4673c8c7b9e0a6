"""Peak memory and CPU seconds of the evaluation itself: many images, three methods that cost next to nothing.

    python -m tests.benchmarks.bench_evaluation --expressions 10000

On two busy cores this printed: 30000 rows of 10000 expressions and 3 methods: 40 CPU seconds, peak 0.74 GiB.

Images are drawn and masks are compared at full size; methods choose by a hash, so what is measured is everything around
the models: comparing, storing, joining and reading the rows.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time

import numpy as np
import typer
from PIL import Image

from tests.evaluation.small_world import ByHash, NoClip
from zsris_viz.datasets.types import Expression, Reference, Sample
from zsris_viz.evaluation import Evaluation, evaluate
from zsris_viz.masks import Masks

PER_IMAGE = 4
OBJECTS = 8
SIZE = (240, 320)


class ManyImages:
    """Images of random boxes, two of which are meant by two expressions each."""

    name, split, split_by = "many", "val", "own"

    def __init__(self, images: int) -> None:
        self._images = images

    def __len__(self) -> int:
        return self._images

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        masks = np.zeros((OBJECTS, *SIZE), bool)
        for mask in masks:
            y, x = rng.integers(0, SIZE[0] - 60), rng.integers(0, SIZE[1] - 60)
            mask[y : y + rng.integers(20, 60), x : x + rng.integers(20, 60)] = True
        references = [
            Reference(
                f"{index}-{place}",
                tuple(Expression(f"object {place} of {index}, {n}", f"{index}-{place}-{n}") for n in range(2)),
                masks[place],
                "thing",
            )
            for place in range(PER_IMAGE // 2)
        ]
        picture = Image.new("RGB", SIZE[::-1], (index % 256, 0, 0))
        return Sample(f"image-{index}", references, picture, instances=Masks(masks))


def main(expressions: int = 10_000) -> None:
    """Evaluate and print one line of figures."""
    methods = {f"by hash {salt}": ByHash(salt=salt) for salt in range(3)}
    before = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        evaluate(
            ManyImages(expressions // PER_IMAGE), methods, clip=NoClip(), parts="gold", output=folder, progress=False
        )
        found = Evaluation.load(folder)
        table = found.table(metrics=["miou", "oiou"])
    seconds = time.process_time() - before
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
    print(
        f"{len(found.rows)} rows of {len(found.chance_rows)} expressions and {len(methods)} methods: "
        f"{seconds:.0f} CPU seconds, peak {peak:.2f} GiB; {len(table)} lines in the table"
    )


if __name__ == "__main__":
    typer.run(main)
