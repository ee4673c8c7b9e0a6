"""Reading of the next sample of a dataset, its image included, while the current one is evaluated."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from zsris_viz.datasets.types import Dataset, Sample


def read_ahead(dataset: Dataset, indices: Sequence[int]) -> Iterator[tuple[int, Sample]]:
    """Yield the samples of a dataset, each read by a second thread while the caller works on the one before.

    Only the second thread reads, so that a dataset need not allow several readers.

    Args:
        dataset: The dataset.
        indices: Numbers of the samples, in the order in which they are yielded.

    Yields:
        The number of a sample, and the sample.

    Raises:
        Exception: What the dataset raises for a sample, when it is its turn.

    Example:
        >>> from zsris_viz.datasets import load_dataset
        >>> [(index, sample.image_id) for index, sample in read_ahead(load_dataset("scenes", "val", limit=3), [2, 0])]
        [(2, 'scenes-val-000002'), (0, 'scenes-val-000000')]
    """

    def read(index: int) -> Sample:
        sample = dataset[index]
        with contextlib.suppress(Exception):  # whoever needs the image meets the error
            sample.image  # noqa: B018 - opened here, and kept
        return sample

    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        pending = reader.submit(read, indices[0]) if indices else None
        for number, index in enumerate(indices):
            assert pending is not None
            sample = pending.result()
            pending = reader.submit(read, indices[number + 1]) if number + 1 < len(indices) else None
            yield index, sample
