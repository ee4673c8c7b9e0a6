"""Parquet files of the Hugging Face hub: the published columns, written here with plain pyarrow."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pycocotools import mask as coco
from typer.testing import CliRunner

from tests.datasets.benchmark_files import CROWD_RUNS, PARTS, REFS, SIZE, SQUARE, make_refer
from zsris_viz import evaluate
from zsris_viz.cli import app
from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.export import export
from zsris_viz.datasets.fetch import fetch
from zsris_viz.datasets.parquet_rows import ParquetRows
from zsris_viz.datasets.verify import verify
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError

INT, TEXT = pa.int64(), pa.string()
IMAGE = pa.struct([("bytes", pa.binary()), ("path", TEXT)])
SENTENCE = pa.struct([("raw", TEXT), ("sent", TEXT), ("sent_id", INT), ("tokens", pa.list_(TEXT))])
OBJECT = pa.struct(
    [
        ("id", INT),
        ("image_id", INT),
        ("category", TEXT),
        ("supercategory", TEXT),
        ("label", TEXT),
        ("sentences", pa.list_(TEXT)),
        ("bbox", pa.list_(pa.float32())),
        ("mask", pa.struct([("counts", TEXT), ("size", pa.list_(pa.int32()))])),
    ]
)
REFCOCO_M = pa.schema([("image", IMAGE), ("image_id", INT), ("file_name", TEXT), ("samples", pa.list_(OBJECT))])
JXU124 = pa.schema(
    [
        ("sent_ids", pa.list_(INT)),
        ("file_name", TEXT),
        ("ann_id", INT),
        ("ref_id", INT),
        ("image_id", INT),
        ("split", TEXT),
        ("sentences", pa.list_(SENTENCE)),
        ("category_id", INT),
        ("raw_anns", TEXT),
        ("raw_image_info", TEXT),
        ("raw_sentences", TEXT),
        ("image_path", TEXT),
        ("bbox", pa.list_(pa.float64())),
        ("captions", pa.list_(TEXT)),
        ("global_image_id", TEXT),
        ("anns_id", TEXT),
    ]
)
LMMS_LAB = pa.schema(
    [
        ("question_id", TEXT),
        ("image", IMAGE),
        ("question", TEXT),
        ("answer", pa.list_(TEXT)),
        ("segmentation", pa.list_(pa.float32())),
        ("bbox", pa.list_(pa.float32())),
        ("iscrowd", pa.int8()),
        ("file_name", TEXT),
    ]
)


def write(path: Path, rows: list[dict[str, Any]], schema: pa.Schema, group: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, row_group_size=group)


def picture(value: int = 0, size: tuple[int, int] = SIZE) -> dict[str, Any]:
    file = io.BytesIO()
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": f"COCO_train2014_{value:012d}.jpg"}


def encoded(mask: np.ndarray) -> dict[str, Any]:
    rle = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"counts": rle["counts"].decode(), "size": list(rle["size"])}


def square(left: int = 2) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[3:11, left : left + 8] = True
    return mask


def thing(number: int, mask: Any, *sentences: str | None, category: str = "cat") -> dict[str, Any]:
    mask = encoded(mask) if isinstance(mask, np.ndarray) else mask
    return {"id": number, "image_id": 9, "category": category, "sentences": list(sentences), "mask": mask}


def image_row(number: int, *things: dict[str, Any], image: Any = "drawn") -> dict[str, Any]:
    return {"image": picture(number) if image == "drawn" else image, "image_id": number, "samples": list(things)}


def make_refcoco_m(root: Path) -> None:
    rows = [
        image_row(9, thing(1, square(), "left cat", "the cat"), thing(2, square(15), "dog")),
        image_row(25, thing(3, square(20), "right one")),
        image_row(30, thing(4, square(1), "alone", None)),
    ]
    write(root / "refcoco-m/data/validation-00000-of-00002.parquet", rows[:2], REFCOCO_M, group=1)
    write(root / "refcoco-m/data/validation-00001-of-00002.parquet", rows[2:], REFCOCO_M)


def test_refcoco_m(tmp_path: Path) -> None:
    make_refcoco_m(tmp_path)
    dataset = load_dataset("refcoco-m", "val", data_root=tmp_path)
    assert dataset.counts() == {"images": 3, "references": 4, "expressions": 6}
    first, _, last = (dataset[index] for index in range(3))
    assert (first.image_id, first.size, first.image.size) == ("9", SIZE, SIZE[::-1])
    assert [str(expression) for _, expression in first.pairs()] == ["left cat", "the cat", "dog"]
    assert [expression.sentence_id for _, expression in first.pairs()] == ["1_0", "1_1", "2_0"]
    assert np.array_equal(first.references[1].mask, square(15)) and first.references[1].category == "cat"
    assert first.instances.areas.tolist() == [64, 64] and np.asarray(first.image)[0, 0, 0] == 9
    assert [e.error for _, e in last.pairs()] == [None, "sentence 4_1 of reference 4 has no text"]
    assert np.asarray(dataset[0].image)[0, 0, 0] == 9  # read again after the others
    assert list(dataset.problems()) == ["sentence 4_1 of reference 4 has no text"]
    assert len(load_dataset("refcoco-m", data_root=tmp_path, limit=2)) == 2
    again = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(again[1].references[0].mask, square(20))
    with pytest.raises(InvalidInputError, match="it has val"):
        load_dataset("refcoco-m", "testA", data_root=tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnavailableError, match="zsris data fetch refcoco-m"):
        load_dataset("refcoco-m", data_root=tmp_path / "empty")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mask": {"counts": "abc", "size": list(SIZE)}}, "does not decode"),
        ({"mask": {"counts": "abc", "size": [10**6, 10**6]}}, "has the size"),
        ({"mask": None}, "neither polygons nor"),
        ({"sentences": [None]}, "has no text"),
    ],
    ids=["RLE cut off", "RLE of 10^12 pixels", "mask null", "sentence null"],
)
def test_malformed_objects_are_recorded(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    rows = [image_row(9, thing(1, square(), "cat") | change, thing(2, square(), "b"))]
    write(tmp_path / "refcoco-m/data/validation-0.parquet", rows, REFCOCO_M)
    wrong, right = (expression for _, expression in load_dataset("refcoco-m", data_root=tmp_path)[0].pairs())
    assert words in wrong.error and right.error is None


@pytest.mark.parametrize(
    "image",
    [{"bytes": None, "path": "x"}, {"bytes": b"no image", "path": "x"}, None],
    ids=["bytes null", "text for an image", "image null"],
)
def test_images_that_are_not_there(tmp_path: Path, image: Any) -> None:
    path = tmp_path / "refcoco-m/validation-0.parquet"
    write(path, [image_row(9, thing(1, square(), "cat"), image=image)], REFCOCO_M)
    with pytest.raises(CorruptFileError):
        _ = load_dataset("refcoco-m", data_root=tmp_path)[0].image
    write(path, [image_row(9, thing(1, square(), "cat"), image=picture(9, (5, 5)))], REFCOCO_M)
    with pytest.raises(CorruptFileError, match="its masks have others"):
        _ = load_dataset("refcoco-m", data_root=tmp_path)[0].image


def test_verify_and_list_know_it(tmp_path: Path) -> None:
    make_refcoco_m(tmp_path)
    checks = {check.what: check for check in verify("refcoco-m", tmp_path)}
    assert checks["moondream/refcoco-m"].status == "ok" and "3 rows in 2 files" in checks["moondream/refcoco-m"].detail
    assert checks["val (unc)"].status == "wrong" and "3 images (not 1,190)" in checks["val (unc)"].detail
    assert "has no text" in checks["val (unc) annotation"].detail
    (tmp_path / "empty").mkdir()
    assert verify("jxu124-refcoco", tmp_path / "empty")[0].status == "missing"
    shown = CliRunner().invoke(app, ["data", "list"]).stdout
    assert "refcoco-m" in shown and "lmms-lab-refcocog" in shown


def test_fetching_goes_into_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = {}

    def snapshot(repo: str, **options: Any) -> str:
        request.update(options, repo=repo)
        make_refcoco_m(tmp_path)
        return str(options["local_dir"])

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    result = CliRunner().invoke(app, ["data", "fetch", "refcoco-m", "--data-root", str(tmp_path)])
    assert result.exit_code == 0 and str(tmp_path / "refcoco-m") in result.stdout
    assert (request["repo"], request["repo_type"]) == ("moondream/refcoco-m", "dataset")
    assert request["allow_patterns"] == ["data/validation-*.parquet"]
    assert len(load_dataset("refcoco-m", data_root=tmp_path)) == 3
    monkeypatch.undo()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnavailableError, match=r"huggingface\.co/datasets/moondream/refcoco-m .*place them in"):
        fetch("refcoco-m", tmp_path / "other", progress=False)
    with pytest.raises(InvalidInputError, match="data"):
        fetch("refcoco-m")


def jxu124_rows(refs: list[dict[str, Any]], instances: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of jxu124's files, from the content of the published ones."""
    annotations = {entry["id"]: entry for entry in instances["annotations"]}
    images = {entry["id"]: entry for entry in instances["images"]}
    rows = []
    for ref in refs:
        image = images[ref["image_id"]]
        rows.append(
            {key: ref[key] for key in ("sent_ids", "file_name", "ann_id", "ref_id", "image_id", "split", "category_id")}
            | {
                "sentences": [{k: s[k] for k in ("raw", "sent", "sent_id", "tokens")} for s in ref["sentences"]],
                "raw_anns": json.dumps(annotations[ref["ann_id"]]),
                "raw_image_info": json.dumps(image),
                "image_path": f"coco/train2014/{image['file_name']}",
                "captions": [s["sent"] for s in ref["sentences"]],
            }
        )
    return rows


def test_jxu124_has_the_samples_of_the_published_files(tmp_path: Path) -> None:
    make_refer(tmp_path / "published")
    instances = json.loads((tmp_path / "published/refcoco/instances.json").read_text())
    rows = jxu124_rows(REFS, instances)
    for prefix, split in (("validation", "val"), ("test", "testA"), ("train", "train")):
        chosen = [row for row in rows if row["split"] == split]
        write(tmp_path / f"hub/jxu124/refcoco/data/{prefix}-00000-of-00001-abc.parquet", chosen, JXU124, group=1)
    (tmp_path / "published/images").rename(tmp_path / "hub/images")
    (tmp_path / "published/images").symlink_to(tmp_path / "hub/images")
    for split, text in (("val", "sent"), ("val", "raw"), ("testA", "sent"), ("train", "sent")):
        theirs = load_dataset("refcoco", split, data_root=tmp_path / "published", text=text)
        ours = load_dataset("refcoco", split, data_root=tmp_path / "hub", text=text)
        assert ours.counts() == theirs.counts() and (ours.name, ours.split_by) == ("refcoco", "unc")
        for one, other in zip(ours, theirs, strict=True):
            assert (one.image_id, one.size) == (other.image_id, other.size)
            for mine, known in zip(one.references, other.references, strict=True):
                assert (mine.ref_id, mine.expressions) == (known.ref_id, known.expressions)
                assert np.array_equal(mine.mask, known.mask)
            assert np.array_equal(np.asarray(one.image), np.asarray(other.image))
    assert load_dataset("refcoco", "val", data_root=tmp_path / "hub")[0].references[0].category == "person"  # number 1
    with pytest.raises(InvalidInputError, match="holds no rows of the split 'test'"):
        load_dataset("refcoco", "test", data_root=tmp_path / "hub", split_by="google")


def test_an_export_is_evaluated_to_the_same_rows(tmp_path: Path) -> None:
    scenes = load_dataset("scenes", "testB", limit=1, size=64)
    export(scenes, tmp_path / "published", "refer", progress=False)
    refs = pickle.loads((tmp_path / "published/refcoco/refs(unc).p").read_bytes())
    instances = json.loads((tmp_path / "published/refcoco/instances.json").read_text())
    write(tmp_path / "hub/refcoco/data/testB-00000-of-00001.parquet", jxu124_rows(refs, instances), JXU124)
    (tmp_path / "hub/images").symlink_to(tmp_path / "published/images")
    rows = []
    for root in (tmp_path / "published", tmp_path / "hub"):
        dataset = load_dataset("refcoco", "testB", data_root=root)
        rows.append(evaluate(dataset, ["cropping"], proposals="felzenszwalb", progress=False).rows)
    same = ["expression", "chosen", "intersection", "union", "iou", "upper_bound_iou"]
    assert len(rows[0]) > 2
    pd.testing.assert_frame_equal(rows[0][same], rows[1][same])


def lmms_row(number: int, image: int, outline: list[float], *answers: str, crowd: int = 0) -> dict[str, Any]:
    return {
        "question_id": str(number),
        "image": picture(image),
        "question": "Please carefully observe the area circled in the image and come up with a caption for the area.",
        "answer": list(answers),
        "segmentation": outline,
        "bbox": [2, 3, 8, 8],
        "iscrowd": crowd,
        "file_name": f"COCO_train2014_{image:012d}_{number}.jpg",
    }


def test_lmms_lab(tmp_path: Path) -> None:
    rows = [
        lmms_row(1, 9, SQUARE, "left cat", "cat"),
        lmms_row(2, 25, PARTS[0], "corner"),
        lmms_row(3, 9, PARTS[1], "the other"),
        lmms_row(4, 30, CROWD_RUNS, "crowd", crowd=1),
    ]
    write(tmp_path / "lmms-lab/RefCOCOplus/data/testA-00000-of-00001.parquet", rows, LMMS_LAB, group=2)
    dataset = load_dataset("refcoco+", "testA", data_root=tmp_path)
    assert dataset.counts() == {"images": 3, "references": 4, "expressions": 5} and dataset.images() == []
    sample = dataset[0]
    assert [ref.ref_id for ref in sample.references] == ["1", "3"] and sample.image_id == "9"
    assert np.array_equal(sample.references[0].mask, square()) and sample.references[1].mask.sum() == 36
    assert sample.instance_categories is None and len(sample.instances) == 2
    assert np.asarray(dataset[1].image)[0, 0, 0] == 25
    assert "reference 4 of image 30" in dataset[2].references[0].expressions[0].error


def test_published_files_come_first_and_other_columns_are_refused(tmp_path: Path) -> None:
    make_refer(tmp_path)
    write(tmp_path / "refcoco/data/val-0.parquet", [{"a": 1}], pa.schema([("a", INT)]))
    assert load_dataset("refcoco", "val", data_root=tmp_path)[0].image_id == "9"
    (tmp_path / "refcoco/instances.json").unlink()
    with pytest.raises(CorruptFileError, match="columns a, which are of no known layout"):
        load_dataset("refcoco", "val", data_root=tmp_path)
    (tmp_path / "refcoco/data/val-0.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(CorruptFileError, match="not a complete parquet file"):
        load_dataset("refcoco", "val", data_root=tmp_path)


def test_columns_of_other_types_are_recorded(tmp_path: Path) -> None:
    rows = [{"image": "x", "image_id": 9, "samples": 3}]
    schema = pa.schema([("image", TEXT), ("image_id", INT), ("samples", INT)])
    write(tmp_path / "refcoco-m/data/validation-0.parquet", rows, schema)
    sample = load_dataset("refcoco-m", data_root=tmp_path)[0]
    with pytest.raises(CorruptFileError):
        _ = sample.image


def test_a_flipped_bit_is_recorded_or_refused(tmp_path: Path) -> None:
    make_refcoco_m(tmp_path)
    path = tmp_path / "refcoco-m/data/validation-00000-of-00002.parquet"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            for sample in load_dataset("refcoco-m", data_root=tmp_path):
                _ = sample.image, sample.instances
        except (CorruptFileError, InvalidInputError):
            continue


def test_rows_in_any_order(tmp_path: Path) -> None:
    schema = pa.schema([("a", INT), ("b", TEXT)])
    numbers = list(range(1000))
    for part, chosen in enumerate((numbers[:300], numbers[300:])):
        write(tmp_path / f"{part}.parquet", [{"a": n, "b": str(n)} for n in chosen], schema, group=70)
    rows = ParquetRows(sorted(tmp_path.glob("*.parquet")))
    assert len(rows) == 1000 and [(number, row["a"]) for number, row in rows.scan(["a"])] == [(n, n) for n in numbers]
    for number in [*numbers, *np.random.default_rng(0).permutation(1000)[:200]]:
        assert rows.row(int(number), ["a"]) == {"a": number} and rows.row(int(number), ["b"]) == {"b": str(number)}


@pytest.mark.slow
def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    """10,000 expressions on 2,500 images, in row groups of 500."""
    noise = np.random.default_rng(0).integers(0, 256, (150, 133, 3), np.uint8)
    masks = [encoded(np.pad(square(), ((0, 130), (0, 103)))), encoded(np.pad(square(15), ((0, 130), (0, 103))))]
    schema = REFCOCO_M
    path = tmp_path / "refcoco-m/data/validation-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, 2500, 500):
            rows = []
            for number in range(start, start + 500):
                file = io.BytesIO()
                Image.fromarray(np.roll(noise, number, axis=0)).save(file, "PNG")
                things = [thing(2 * number + k, masks[k], f"one {k}", f"two {k}") for k in range(2)]
                rows.append({"image": {"bytes": file.getvalue(), "path": ""}, "image_id": number, "samples": things})
            writer.write_table(pa.Table.from_pylist(rows, schema=schema), row_group_size=1000)
    del rows, things
    process = psutil.Process()
    dataset = load_dataset("refcoco-m", data_root=tmp_path)
    assert dataset.counts()["expressions"] == 10_000
    before, peak = process.memory_info().rss, 0
    for index in range(len(dataset)):
        sample = dataset[index]
        assert sample.image.size == (133, 150) and sum(1 for _ in sample.pairs()) == 4
        peak = max(peak, process.memory_info().rss)
    print(f"{path.stat().st_size / 1e6:.0f} MB in the file, {(peak - before) / 1e6:.0f} MB more in memory")
    assert peak - before < 100e6
