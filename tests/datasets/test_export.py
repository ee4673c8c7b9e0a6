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
    assert CliRunner().invoke(app, words).exit_code == 2  # there already
    other = CliRunner().invoke(app, ["data", "export", "refcoco", str(tmp_path), "--format", "refer"])
    assert other.exit_code == 2 and "cannot be exported" in other.stderr
