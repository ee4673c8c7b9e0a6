"""Drawn scenes exported to the benchmarks' files: whole, exact, and evaluated to the same rows."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from zsris_viz.cli import app
from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.export import export
from zsris_viz.datasets.types import Dataset
from zsris_viz.errors import InvalidInputError

IMAGES = 3
LAYOUTS = [("refer", "refcoco"), ("phrasecut", "phrasecut")]


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    return load_dataset("scenes", "testB", limit=IMAGES, size=64)


@pytest.mark.parametrize(("layout", "name"), LAYOUTS)
def test_samples_survive(tmp_path: Path, scenes: Dataset, layout: str, name: str) -> None:
    export(scenes, tmp_path, layout, progress=False)
    copies = load_dataset(name, "testB", data_root=tmp_path)
    assert len(copies) == IMAGES and copies.name == "scenes"  # rows of drawn scenes are never taken for photographs'
    for index in range(IMAGES):
        one, copy = scenes[index], copies[index]
        assert (one.image_id, one.size, one.captions) == (copy.image_id, copy.size, copy.captions)
        assert np.array_equal(np.asarray(one.image), np.asarray(copy.image))
        assert one.instances is not None and copy.instances is not None
        assert np.array_equal(one.instances.data.numpy(), copy.instances.data.numpy())
        assert one.instance_categories == copy.instance_categories is not None
        for ref, twin in zip(one.references, copy.references, strict=True):
            assert ref.expressions == twin.expressions and np.array_equal(ref.mask, twin.mask)
            assert (ref.ref_id, ref.category, ref.distractors) == (twin.ref_id, twin.category, twin.distractors)


@pytest.mark.parametrize(("layout", "name"), LAYOUTS)
def test_evaluation_gives_the_same_rows(tmp_path: Path, scenes: Dataset, layout: str, name: str) -> None:
    from zsris_viz.evaluation import evaluate

    export(scenes, tmp_path, layout, progress=False)
    # Deterministic and of the pixels, the masks and the texts: the built-in towers on crops.
    options = {"methods": ["cropping", "global-local"], "parts": "gold", "progress": False}
    mine = evaluate(scenes, **options).rows
    theirs = evaluate(name, split="testB", data_root=tmp_path, **options).rows
    skipped = ["run_id", "seconds", "config_hash", "split_by"]
    assert len(mine) > 0 and mine.drop(columns=skipped).equals(theirs.drop(columns=skipped))


def test_the_formats_are_those_that_the_authors_read(tmp_path: Path, scenes: Dataset) -> None:
    from pycocotools import mask as coco

    export(scenes, tmp_path, "refer", progress=False)
    refs = pickle.loads((tmp_path / "refcoco/refs(unc).p").read_bytes())
    content = json.loads((tmp_path / "refcoco/instances.json").read_text())
    by_id = {one["id"]: one for one in content["annotations"]}
    assert set(content) >= {"images", "annotations", "categories"}
    for ref in refs:
        assert ref["category_id"] == by_id[ref["ann_id"]]["category_id"] and ref["split"] == "testB"
        assert ref["sent_ids"] == [sentence["sent_id"] for sentence in ref["sentences"]]
        # As in refer.py: anything but a list of polygons goes to pycocotools as it is.
        decoded = coco.decode(by_id[ref["ann_id"]]["segmentation"])
        assert decoded.shape == (64, 64, 1) and decoded.sum() == by_id[ref["ann_id"]]["area"]
    for image in content["images"]:
        assert (tmp_path / "images/mscoco/images/train2014" / image["file_name"]).is_file()
    export(scenes, tmp_path / "other", "phrasecut", progress=False)
    tasks = json.loads((tmp_path / "other/VGPhraseCut_v0/refer_testB.json").read_text())
    assert len({task["task_id"] for task in tasks}) == len(tasks)
    assert all(len(task["Polygons"]) == len(task["instance_boxes"]) == 1 for task in tasks)


@pytest.mark.parametrize(
    ("name", "split_by", "split"),
    [("refcoco+", "unc", "testB"), ("refcocog", "umd", "val"), ("refcocog", "google", "val")],
)
def test_as_each_benchmark_with_its_own_kind_of_images(tmp_path: Path, name: str, split_by: str, split: str) -> None:
    data = load_dataset("scenes", split, limit=2, size=64)
    export(data, tmp_path, "refer", name=name, split_by=split_by, images="jpeg", progress=False)
    assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["instances.json", f"refs({split_by}).p"]
    images = sorted((tmp_path / "images/mscoco/images/train2014").iterdir())
    assert [path.name for path in images] == [f"COCO_train2014_{number:012d}.jpg" for number in (1, 2)]
    assert images[0].read_bytes()[:3] == b"\xff\xd8\xff"
    copies = load_dataset(name, split, data_root=tmp_path, split_by=split_by)
    for index in range(2):
        far = np.abs(np.asarray(copies[index].image, float) - np.asarray(data[index].image, float))
        assert 0 < far.mean() < 8  # a little lossy
        for ref, twin in zip(data[index].references, copies[index].references, strict=True):
            assert ref.expressions == twin.expressions and np.array_equal(ref.mask, twin.mask)
    ref = pickle.loads((tmp_path / name / f"refs({split_by}).p").read_bytes())[0]
    assert ref["file_name"] == f"COCO_train2014_{ref['image_id']:012d}_{ref['ann_id']}.jpg"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "refcocog"}, "refcocog split by 'umd' has no 'testB' but train, val, test"),
        ({"name": "coco"}, r"refcoco, refcoco\+, refcocog"),
        ({"split_by": "umd"}, "unc, google"),
        ({"images": "gif"}, "png or jpeg"),
        ({"layout": "phrasecut", "name": "refcoco"}, "no schemes"),
    ],
)
def test_what_cannot_be_exported(tmp_path: Path, scenes: Dataset, options: dict, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        export(scenes, tmp_path / "new", **{"layout": "refer", "progress": False, **options})
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten_or_left_behind(
    tmp_path: Path, scenes: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInputError, match="refer or phrasecut"):
        export(scenes, tmp_path, "coco", progress=False)
    (tmp_path / "refcoco").mkdir()
    with pytest.raises(InvalidInputError, match="there already"):
        export(scenes, tmp_path, "refer", progress=False)
    (tmp_path / "refcoco").rmdir()
    monkeypatch.setattr("zsris_viz.datasets.export.encode_rle", lambda mask: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(scenes, tmp_path, "refer", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_on_the_command_line(tmp_path: Path) -> None:
    words = ["data", "export", "scenes", str(tmp_path), "--format", "refer", "--split", "val", "--limit", "2"]
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "folder": str(tmp_path / "refcoco"),
        "dataset": "refcoco",
        "split": "val",
        "images": 2,
    }
    assert len(load_dataset("refcoco", "val", data_root=tmp_path)) == 2
    jpeg = ["data", "export", "scenes", str(tmp_path / "g"), "--format", "refer", "--limit", "1", "--as", "refcocog"]
    result = CliRunner().invoke(app, [*jpeg, "--split-by", "google", "--images", "jpeg"])
    assert result.exit_code == 0 and "--dataset refcocog --split val --split-by google" in result.stdout
    assert len(load_dataset("refcocog", "val", data_root=tmp_path / "g", split_by="google")) == 1
    assert CliRunner().invoke(app, words).exit_code == 2  # there already
    other = CliRunner().invoke(app, ["data", "export", "refcoco", str(tmp_path), "--format", "refer"])
    assert other.exit_code == 2 and "cannot be exported" in other.stderr
