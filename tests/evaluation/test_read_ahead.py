"""Samples that are read by a second thread."""

from __future__ import annotations

import threading

import pytest

from zsris_viz.datasets.types import Sample
from zsris_viz.evaluation.read_ahead import read_ahead


class Recorded:
    """Samples that note the threads that read and open them; number 3 cannot be read, number 1 has no image."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.threads: set[str] = set()

    def __getitem__(self, index: int) -> Sample:
        self.read.append(index)
        self.threads.add(threading.current_thread().name)
        if index == 3:
            raise KeyError(index)
        return Sample(f"{index}", [], image="missing.png" if index == 1 else self._image)

    def _image(self):  # type: ignore[no-untyped-def]
        from PIL import Image

        self.threads.add(threading.current_thread().name)
        return Image.new("RGB", (4, 3))


def test_samples_in_their_order_one_ahead() -> None:
    data = Recorded()
    samples = read_ahead(data, [2, 0, 4, 5])  # type: ignore[arg-type]
    assert next(samples)[0] == 2
    assert next(samples)[0] == 0
    assert set(data.read) <= {2, 0, 4}  # 5 is not read yet
    assert [(index, sample.image_id) for index, sample in samples] == [(4, "4"), (5, "5")]
    assert all(name.startswith("read-ahead") for name in data.threads)


def test_an_error_comes_at_its_turn() -> None:
    samples = read_ahead(Recorded(), [0, 3, 2])  # type: ignore[arg-type]
    assert next(samples)[0] == 0
    with pytest.raises(KeyError):
        next(samples)


def test_an_image_that_cannot_be_opened_is_left_to_the_caller() -> None:
    ((index, sample),) = read_ahead(Recorded(), [1])  # type: ignore[arg-type]
    assert index == 1
    with pytest.raises(ValueError, match=r"missing\.png"):
        sample.image.load()


def test_no_samples() -> None:
    assert list(read_ahead(Recorded(), [])) == []  # type: ignore[arg-type]
