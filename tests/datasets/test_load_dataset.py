"""Datasets by name, subsets, and what a sample consists of."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from zsris_viz.datasets import dataset_names, load_dataset
from zsris_viz.datasets.types import Dataset, Expression, Reference, Sample, Subset
from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError
from zsris_viz.masks import Masks


def test_scenes_by_name() -> None:
    dataset = load_dataset("scenes", "val", limit=3, size=64)
    assert isinstance(dataset, Dataset)
    assert (dataset.name, dataset.split, len(dataset)) == ("scenes", "val", 3)
    sample = dataset[0]
    assert sample.size == (64, 64) and sample.image.mode == "RGB" and sample.image.size == (64, 64)
    assert sample.instances is not None and sample.instances.size == (64, 64)
    for reference, expression in sample.pairs():
        assert reference.mask.shape == (64, 64) and reference.mask.dtype == bool
        assert str(expression) == expression.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "coco", "split": "val"}, "scenes"),
        ({"name": "scenes", "split": "dev"}, "testA"),
        ({"name": "scenes", "split": "val", "split_by": "umd"}, "umd"),
        ({"name": "scenes", "split": "val", "limit": 0}, "limit"),
    ],
)
def test_what_does_not_exist(arguments: dict, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        load_dataset(**arguments)


def test_an_unknown_option() -> None:
    with pytest.raises(InvalidTypeError, match="colour"):
        load_dataset("scenes", "val", colour="red")


def test_data_root_is_of_no_effect_without_files(tmp_path) -> None:
    assert len(load_dataset("scenes", "val", data_root=tmp_path, limit=1)) == 1
    assert set(dataset_names()) >= {"scenes"}


def sample() -> Sample:
    """Two references with three expressions on a 4 x 6 image."""
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = True
    expressions = tuple(Expression(text, f"s{number}") for number, text in enumerate(["a", "b"]))
    references = [
        Reference("r0", expressions, mask, "cat"),
        Reference("r1", expressions[:1], ~mask, "dog", distractors=1),
    ]
    return Sample("i0", references, lambda: Image.new("L", (6, 4), 3), instances=lambda: Masks(np.stack([mask, ~mask])))


def test_a_sample_is_lazy() -> None:
    one = sample()
    assert [(reference.ref_id, expression.text) for reference, expression in one.pairs()] == [
        ("r0", "a"),
        ("r0", "b"),
        ("r1", "a"),
    ]
    assert one.image is one.image and one.image.mode == "RGB"
    assert one.size == (4, 6) and one.instances is one.instances
    assert "2 references" in repr(one)


def test_a_bad_image_is_an_error_only_when_it_is_opened(tmp_path) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(b"no")
    bad = Sample("bad", [], path)
    assert bad.references == ()
    with pytest.raises(CorruptFileError):
        _ = bad.image


def test_a_subset() -> None:
    whole = load_dataset("scenes", "val", limit=5, size=32)
    first = Subset(whole, 2)
    assert (len(first), first.name, first.split) == (2, "scenes", "val")
    picked = Subset(whole, indices=[4, 1])
    assert [picked[0].image_id, picked[-1].image_id] == [whole[4].image_id, whole[1].image_id]
    with pytest.raises(IndexError):
        first[2]
    with pytest.raises(InvalidInputError, match="limit"):
        Subset(whole, 0)
