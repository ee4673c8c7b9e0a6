"""Peak memory and CPU seconds of evaluating methods on a data set in parquet files, images inside.

    python -m tests.benchmarks.bench_parquet --expressions 10000

On two busy cores, with one thread, this printed: 30000 rows of 10000 expressions on 1250 images with cropping,
global-local and region-token: 174 CPU seconds (1858 s), peak 1.15 GiB.

The file has the columns of RefCOCO-M, in row groups of 100 images. Some drawn scenes are repeated under other ids,
every expression with a number of its own, so that no text is embedded twice. The file is written in a process of its
own; the figures are those of the process that reads and evaluates it.
"""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import typer

PER_IMAGE = 8
SENTENCES = 2  # for each object


def write(folder: Path, expressions: int, scenes: int, size: int) -> None:
    """Write a file in the columns of RefCOCO-M."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tests.datasets.test_hub import REFCOCO_M, encoded
    from zsris_viz.datasets import load_dataset

    drawn = []
    for sample in load_dataset("scenes", "val", limit=scenes, size=size):
        file = io.BytesIO()
        sample.image.save(file, "PNG")
        phrases = [str(expression) for _, expression in sample.pairs()]
        masks = [encoded(np.asarray(mask)) for mask in sample.instances]
        drawn.append((file.getvalue(), phrases, masks))
    path = folder / "refcoco-m/data/validation-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    images = expressions // PER_IMAGE
    with pq.ParquetWriter(path, REFCOCO_M) as writer:
        for start in range(0, images, 100):
            rows = []
            for number in range(start, min(start + 100, images)):
                picture, phrases, masks = drawn[number % len(drawn)]
                things = [
                    {
                        "id": PER_IMAGE * number + place,
                        "image_id": number,
                        "category": "thing",
                        "sentences": [
                            f"{phrases[(place + n) % len(phrases)]} of {number}, {place}-{n}" for n in range(SENTENCES)
                        ],
                        "mask": masks[place % len(masks)],
                    }
                    for place in range(PER_IMAGE // SENTENCES)
                ]
                picture_entry = {"bytes": picture, "path": f"{number}.png"}
                rows.append({"image": picture_entry, "image_id": number, "file_name": "", "samples": things})
            writer.write_table(pa.Table.from_pylist(rows, schema=REFCOCO_M), row_group_size=100)


def main(
    expressions: int = 10_000,
    scenes: int = 100,
    size: int = 128,
    methods: str = "cropping,global-local,region-token",
    threads: int = 1,
    only_write: str = "",
) -> None:
    """Evaluate and print one line of figures."""
    if only_write:
        write(Path(only_write), expressions, scenes, size)
        return
    import torch

    from zsris_viz.evaluation import Evaluation, evaluate

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "tests.benchmarks.bench_parquet", "--only-write", folder]
        words += ["--expressions", str(expressions), "--scenes", str(scenes), "--size", str(size)]
        subprocess.run(words, check=True)
        start, before = time.perf_counter(), time.process_time()
        output = Path(folder) / "rows"
        evaluate("refcoco-m", methods.split(","), data_root=folder, output=output, progress=False)
        found = Evaluation.load(output)
        table = found.table(metrics=["miou", "oiou"])
        wall, seconds = time.perf_counter() - start, time.process_time() - before
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
    print(table[["method", "n", "images", "miou", "oiou"]].to_string(index=False))
    print(
        f"{len(found.rows)} rows of {len(found.chance_rows)} expressions on {expressions // PER_IMAGE} images with "
        f"{methods}: {seconds:.0f} CPU seconds ({wall:.0f} s), peak {peak:.2f} GiB"
    )


if __name__ == "__main__":
    typer.run(main)
