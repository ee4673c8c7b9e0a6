"""PhraseCut's files: phrases, polygons by its authors' rule, and rectangles that give any mask exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.datasets.benchmark_files import BOX, SIZE, make_phrasecut
from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.outlines import phrasecut_mask, phrasecut_polygons
from zsris_viz.datasets.types import Dataset
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError, ZsrisWarning


def box() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[1:4, 1:5] = True
    return mask


def test_a_split(tmp_path: Path) -> None:
    make_phrasecut(tmp_path)
    dataset = load_dataset("phrasecut", "test", data_root=tmp_path)
    assert isinstance(dataset, Dataset)
    assert (dataset.name, dataset.split, dataset.split_by, len(dataset)) == ("phrasecut", "test", "", 2)
    first, second = dataset[0], dataset[1]
    assert [(ref.ref_id, str(ref.expressions[0])) for ref in first.references] == [
        ("71__1", "cat"),
        ("71__2", "black cat"),
    ]
    assert [ref.expressions[0].kind for ref in (*first.references, *second.references)] == ["noun", None, "relation"]
    assert np.array_equal(first.references[0].mask, box())
    assert first.references[0].category == "cat" and first.references[0].distractors is None
    assert first.instances is not None and len(first.instances) == 1  # both phrases mean the same thing
    assert first.image.size == SIZE[::-1] and first.size == SIZE


def test_a_phrase_may_mean_several_things(tmp_path: Path) -> None:
    make_phrasecut(tmp_path)
    sample = load_dataset("phrasecut", "test", data_root=tmp_path)[1]
    assert sample.instances is not None and len(sample.instances) == 2
    assert sample.instance_categories == ("cat", "cat")
    both = sample.instances.data.numpy().any(axis=0)
    assert np.array_equal(sample.references[0].mask, both)
    assert (
        both[5, 20:23].all() and both[10, 10:15].all() and not both[14, 14]
    )  # a line; a triangle, corners cut to whole


def test_places_sizes_and_names(tmp_path: Path) -> None:
    folder = make_phrasecut(tmp_path, "val")
    assert len(load_dataset("phrasecut", "val", data_root=folder)) == 2
    (folder / "image_data_split.json").unlink()
    assert load_dataset("phrasecut", "val", data_root=tmp_path, limit=1)[0].size == SIZE  # from the image
    with pytest.raises(UnavailableError, match=r"refer_miniv\.json.*phrasecut\.yaml"):
        load_dataset("phrasecut", "val_miniv", data_root=tmp_path)
    (folder / "refer_miniv.json").write_text("[]")
    whole = load_dataset("phrasecut", "val_miniv", data_root=tmp_path)
    assert (len(whole), whole.split) == (2, "val_miniv")


def test_errors(tmp_path: Path) -> None:
    folder = make_phrasecut(tmp_path)
    for options, words in (
        ({"split": "testA"}, "miniv"),
        ({"split_by": "unc"}, "unc"),
        ({"data_root": None}, "data_root"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            load_dataset("phrasecut", **{"split": "test", "data_root": tmp_path, **options})
    (folder / "images/71.jpg").unlink()
    with pytest.raises(InvalidInputError, match=r"71\.jpg is missing.*phrasecut\.yaml"):
        _ = load_dataset("phrasecut", "test", data_root=tmp_path)[0].image
    tasks = json.loads((folder / "refer_test.json").read_text())
    for content in ({}, [{"phrase": "cat"}]):
        (folder / "refer_test.json").write_text(json.dumps(content))
        with pytest.raises(CorruptFileError):
            load_dataset("phrasecut", "test", data_root=tmp_path)
    (folder / "refer_test.json").write_text(json.dumps([*tasks, 3]))
    with pytest.warns(ZsrisWarning, match="phrase 3 of refer_test"):
        assert len(load_dataset("phrasecut", "test", data_root=tmp_path)) == 2
    with pytest.raises(CorruptFileError, match="corners"):
        phrasecut_mask([[[1, 2], [3]]], SIZE)


def test_unseen_categories(tmp_path: Path) -> None:
    folder = make_phrasecut(tmp_path)
    tasks = json.loads((folder / "refer_test.json").read_text())
    tasks[2]["phrase_structure"]["name"] = "lantern"
    (folder / "refer_test.json").write_text(json.dumps(tasks))
    unseen = load_dataset("phrasecut", "test", data_root=tmp_path, categories="unseen")
    assert unseen.counts() == {"images": 1, "references": 1, "expressions": 1}
    assert unseen[0].references[0].category == "lantern"
    with pytest.raises(InvalidInputError, match="all or unseen"):
        load_dataset("phrasecut", "test", data_root=tmp_path, categories="seen")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"phrase": None}, "has no text"),
        ({"Polygons": [[[[1, float("nan")], [4, 1], [4, 3]]]]}, "not numbers or far outside"),
        ({"Polygons": [[[[1, 1e9], [4, 1], [4, 3]]]]}, "not numbers or far outside"),
        ({"Polygons": None}, "not polygons"),
        ({"Polygons": [[[1, 2], [3, 4]]]}, "corners"),
        ({"Polygons": [["text"]]}, "not a list of polygons"),
    ],
    ids=[
        "phrase null",
        "coordinate NaN",
        "coordinate 1e9",
        "not polygons",
        "corners of one number",
        "text for a polygon",
    ],
)
def test_a_malformed_phrase_is_recorded(tmp_path: Path, change: dict, words: str) -> None:
    folder = make_phrasecut(tmp_path)
    tasks = json.loads((folder / "refer_test.json").read_text())
    tasks[0] |= change
    (folder / "refer_test.json").write_text(json.dumps(tasks))
    dataset = load_dataset("phrasecut", "test", data_root=tmp_path)
    wrong, right = dataset[0].references
    assert words in wrong.expressions[0].error and right.expressions[0].error is None
    assert np.array_equal(right.mask, box()) and len(dataset[0].instances) == 1
    assert [words in problem for problem in dataset.problems()] == [True]
    assert dataset.counts()["expressions"] == 3


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_rectangles_give_the_mask_exactly(mask: np.ndarray) -> None:
    polygons = phrasecut_polygons(mask)
    assert np.array_equal(phrasecut_mask(polygons, mask.shape), mask)
    areas = [(corners[2][0] - corners[0][0] + 1) * (corners[2][1] - corners[0][1] + 1) for corners in polygons]
    assert sum(areas) == mask.sum()  # no overlap


def test_outlines_count() -> None:
    assert np.array_equal(phrasecut_mask([BOX], SIZE), box())
    assert phrasecut_mask([[[1, 1]], []], SIZE).sum() == 0  # a single corner is none
