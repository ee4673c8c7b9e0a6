"""The refer format: pickles that hold only data, masks of every kind, lazy images."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.datasets.benchmark_files import CROWD_RUNS, PARTS, REFS, SIZE, make_grefcoco, make_refer
from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.outlines import coco_mask
from zsris_viz.datasets.plain_pickle import load_plain
from zsris_viz.datasets.types import Dataset
from zsris_viz.datasets.verify import verify
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError, ZsrisWarning


class Evil:
    """Runs a command when it is unpickled, unless the reader refuses it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.path}'",)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_refer(tmp_path)
    return tmp_path


def square() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[3:11, 2:10] = True
    return mask


def test_a_split(root: Path) -> None:
    dataset = load_dataset("refcoco", "val", data_root=root)
    assert isinstance(dataset, Dataset)
    assert (dataset.name, dataset.split, dataset.split_by, len(dataset)) == ("refcoco", "val", "unc", 1)
    sample = dataset[0]
    assert (sample.image_id, sample.size, sample.image.size) == ("9", SIZE, SIZE[::-1])
    assert [ref.ref_id for ref in sample.references] == ["1", "3"]
    assert [(str(one), one.sentence_id) for one in sample.references[0].expressions] == [
        ("left cat", "10"),
        ("the cat on the left", "11"),
    ]
    assert sample.references[0].category == "cat"
    assert sample.references[0].distractors == 1  # the other cat; the crowd does not count
    assert np.array_equal(sample.references[0].mask, square())
    assert (
        load_dataset("refcoco", "val", data_root=root, text="raw")[0].references[0].expressions[0].text == "Left cat!"
    )


def test_parts_crowds_and_what_has_no_pixels(root: Path) -> None:
    sample = load_dataset("refcoco", "val", data_root=root)[0]
    parts = np.zeros(SIZE, bool)
    parts[0:4, 0:4] = parts[10:16, 20:26] = True
    assert np.array_equal(sample.references[1].mask, parts)
    instances = sample.instances
    assert instances is not None and instances.areas.tolist() == [64, 16 + 36, 64]  # no crowd, no two-cornered thing
    assert sample.instance_categories == ("cat", "cat", "dog")
    crowd = load_dataset("refcoco", "testA", data_root=root)[0]
    flat = np.zeros(SIZE[0] * SIZE[1], bool)
    flat[100:140] = True
    assert np.array_equal(crowd.references[0].mask, flat.reshape(SIZE[::-1]).T)
    assert crowd.references[0].distractors == 0
    assert crowd.instances is not None and crowd.instances.areas.tolist() == [40]  # referred to, so choosable


def test_segmentations() -> None:
    from zsris_viz.mask_io import encode_rle

    mask = coco_mask(PARTS, SIZE)
    compressed = encode_rle(mask)
    for given in (compressed, [compressed], {**compressed, "counts": compressed["counts"].encode()}):
        assert np.array_equal(coco_mask(given, SIZE), mask)
    overlapping = [[0, 0, 6, 0, 6, 6, 0, 6], [3, 3, 9, 3, 9, 9, 3, 9]]
    assert coco_mask(overlapping, SIZE).sum() == 36 + 36 - 9
    assert coco_mask([], SIZE).sum() == 0
    for wrong in ("text", [1, 2], {"size": [5, 5], "counts": [25]}, [["a"] * 6]):
        with pytest.raises(CorruptFileError):
            coco_mask(wrong, SIZE)
    assert coco_mask({"size": list(SIZE), "counts": CROWD_RUNS}, SIZE).sum() == 40


@pytest.mark.parametrize("name, scheme", [("refcoco+", "unc"), ("refcocog", "umd"), ("refcocog", "google")])
def test_names_and_schemes(tmp_path: Path, name: str, scheme: str) -> None:
    make_refer(tmp_path, name, scheme, images=False)
    dataset = load_dataset(name, "val", data_root=tmp_path, split_by=scheme)
    assert (dataset.name, dataset.split_by, dataset[0].size) == (name, scheme, SIZE)  # no image is opened
    assert load_dataset(name, "train", data_root=tmp_path / name, split_by=scheme)[0].image_id == "25"


def test_limit_takes_images_in_order(root: Path) -> None:
    assert len(load_dataset("refcoco", "val", data_root=root, limit=5)) == 1
    with pytest.raises(InvalidInputError, match="limit"):
        load_dataset("refcoco", "val", data_root=root, limit=0)
    with pytest.raises(IndexError):
        load_dataset("refcoco", "val", data_root=root)[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "minival"}, "testA"),
        ({"split": "test"}, "train, testA|val, train, testA"),
        ({"split_by": "umd"}, "unc, google"),
        ({"text": "tokens"}, "sent or raw"),
        ({"data_root": None}, "--data-root"),
    ],
)
def test_what_does_not_exist(root: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        load_dataset("refcoco", **{"split": "val", "data_root": root, **options})


def test_missing_files_say_what_to_do(root: Path) -> None:
    with pytest.raises(UnavailableError, match=r"refs\(google\)\.p.*zsris data fetch refcoco"):
        load_dataset("refcoco", "val", data_root=root, split_by="google")
    (root / "refcoco/instances.json").unlink()
    with pytest.raises(UnavailableError, match=r"instances\.json.*refcoco\.yaml"):
        load_dataset("refcoco", "val", data_root=root)
    with pytest.raises(UnavailableError, match="not a folder"):
        load_dataset("refcoco", "val", data_root=root / "nowhere")


def test_a_missing_image_names_path_and_manifest(root: Path) -> None:
    image = root / "images/mscoco/images/train2014/COCO_train2014_000000000009.jpg"
    image.unlink()
    sample = load_dataset("refcoco", "val", data_root=root)[0]
    with pytest.raises(InvalidInputError, match=r"000000000009\.jpg is missing.*refcoco\.yaml"):
        _ = sample.image
    for other in image.parent.iterdir():
        other.unlink()
    image.parent.rmdir()
    with pytest.raises(UnavailableError, match="not a folder"):
        _ = load_dataset("refcoco", "val", data_root=root)[0].image


def test_a_rotated_photograph_stays_as_it_is_stored(root: Path) -> None:
    path = root / "images/mscoco/images/train2014/COCO_train2014_000000000009.jpg"
    exif = Image.Exif()
    exif[0x0112] = 3
    pixels = np.zeros((*SIZE, 3), np.uint8)
    pixels[:5] = 255
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    shown = np.asarray(load_dataset("refcoco", "val", data_root=root)[0].image)
    assert shown[:4].mean() > 200 and shown[-4:].mean() < 50


def test_a_malicious_pickle_is_refused(root: Path, tmp_path: Path) -> None:
    harmed = tmp_path / "harmed"
    path = root / "refcoco/refs(unc).p"
    for content in (Evil(harmed), [*REFS, {"sentences": Evil(harmed)}], OrderedDict(a=Evil(harmed)), eval, Path("x")):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(CorruptFileError, match="refused"):
            load_dataset("refcoco", "val", data_root=root)
    assert not harmed.exists()
    for raw in (b"cos\nsystem\n(S'true'\ntR.", b"c__builtin__\neval\n(S'1'\ntR.", b"Vx\nPabc\n.", b"\x82\x01."):
        path.write_bytes(raw)
        with pytest.raises(CorruptFileError):
            load_plain(path)


def test_pickles_of_python_2_and_of_every_protocol(tmp_path: Path) -> None:
    path = tmp_path / "p.p"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps([{"a": 1, "b": b"caf\xe9", "c": (1.5, None, {2})}, "é"], protocol=protocol))
        assert load_plain(path) == [{"a": 1, "b": "café", "c": (1.5, None, {2})}, "é"]
    # [{'sent': 'caf\xc3\xa9', u'n': 3L}] as Python 2 writes it: byte strings for str, also as keys
    path.write_bytes(b"\x80\x02]q\x00}q\x01(U\x04sentU\x05caf\xc3\xa9X\x01\x00\x00\x00n\x8a\x01\x03ua.")
    assert load_plain(path) == [{"sent": "café", "n": 3}]


@pytest.mark.parametrize(
    "content",
    [b"", b"not a pickle", pickle.dumps(REFS)[:200], pickle.dumps({"a": 1}), b"]q\x00h\x00a."],
    ids=["empty", "text", "cut off", "no list", "contains itself"],
)
def test_damaged_references(root: Path, content: bytes) -> None:
    (root / "refcoco/refs(unc).p").write_bytes(content)
    with pytest.raises(CorruptFileError):
        load_dataset("refcoco", "val", data_root=root)


def malformed(root: Path, **changes: Any) -> Dataset:
    """The dataset after changes to its files: "annotation", "image" and "reference" are updates of the first entry."""
    path = root / "refcoco/instances.json"
    content = json.loads(path.read_text())
    content["annotations"][0] |= changes.get("annotation", {})
    content["images"][0] |= changes.get("image", {})
    path.write_text(json.dumps(content | changes.get("content", {})))
    refs = [{**REFS[0], **changes.get("reference", {})}, *REFS[1:], *changes.get("references", [])]
    (root / "refcoco/refs(unc).p").write_bytes(pickle.dumps(refs))
    return load_dataset("refcoco", "val", data_root=root)


def polygon(x: float) -> dict[str, Any]:
    return {"segmentation": [[2, 3, x, 3, 10, 11, 2, 11]]}


SENTENCES = [{"sent": None, "sent_id": 10}, {"sent": "the cat", "sent_id": 11}]


@pytest.mark.parametrize(
    ("changes", "words", "sound"),
    [
        ({"annotation": polygon(float("nan"))}, "annotation 11 of image 9: .*not numbers or far outside", 1),
        ({"annotation": polygon(float("inf"))}, "annotation 11 of image 9: .*not numbers or far outside", 1),
        ({"annotation": polygon(1e9)}, "annotation 11 of image 9: .*not numbers or far outside", 1),
        ({"annotation": polygon(1e6)}, "annotation 11 of image 9: .*not numbers or far outside", 1),
        ({"annotation": polygon(-200)}, "annotation 11 of image 9: .*not numbers or far outside", 1),
        ({"annotation": {"segmentation": [[0, 0, 30, 20] * 50_000]}}, "goes around the image too often", 1),
        ({"annotation": {"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}}, "not a list of corners", 1),
        ({"annotation": {"segmentation": None}}, "neither polygons nor", 1),
        ({"annotation": {"segmentation": {"size": [20, 30], "counts": ["a"]}}}, "not whole numbers", 1),
        ({"annotation": {"segmentation": {"size": [10**6, 10**6], "counts": [10**12]}}}, "has the size", 1),
        ({"annotation": {"segmentation": {"size": None, "counts": [600]}}}, "has the size None", 1),
        ({"annotation": {"segmentation": {"size": [20, 30], "counts": 5}}}, "must be text", 1),
        ({"annotation": {"id": None}}, "names the object 11", 1),
        ({"annotation": {"image_id": 25}}, "names the object 11", 1),
        ({"reference": {"ann_id": [11]}}, r"names the object \[11\]", 1),
        ({"reference": {"sentences": SENTENCES}}, "sentence 10 of reference 1 has no text", 2),
        ({"reference": {"sentences": ["text", {"sent": "the cat"}]}}, "sentence 1-0 of reference 1 has no text", 2),
        ({"image": {"height": None}}, "height None", 0),
        ({"image": {"height": 10**9}}, "height 1000000000", 0),
        ({"image": {"id": 99}}, "lacks the image 9", 0),
        ({"content": {"annotations": []}}, "names the object 11", 0),
    ],
    ids=[
        "coordinate NaN",
        "coordinate inf",
        "coordinate 1e9",
        "coordinate 1e6",
        "coordinate -200",
        "200,000 corners",
        "seven coordinates",
        "no segmentation",
        "run lengths of text",
        "RLE of 10^12 pixels",
        "RLE size null",
        "RLE counts 5",
        "annotation id null",
        "annotation of another image",
        "list for an id",
        "sentence null",
        "sentence text",
        "image height null",
        "image height 10^9",
        "image id unknown",
        "no annotations",
    ],
)
def test_malformed_annotations_are_recorded(root: Path, changes: dict[str, Any], words: str, sound: int) -> None:
    dataset = malformed(root, **changes)
    expressions = [expression for _, expression in dataset[0].pairs()]
    assert len(expressions) == 3 and sum(expression.error is None for expression in expressions) == sound
    assert re.search(words, expressions[0].error or "")
    assert expressions[0].text != "None"
    assert any(re.search(words, problem) for problem in dataset.problems())


def test_a_malformed_object_that_nobody_refers_to_is_no_proposal(root: Path) -> None:
    whole = load_dataset("refcoco", "val", data_root=root)[0].instances
    path = root / "refcoco/instances.json"
    content = json.loads(path.read_text())
    content["annotations"][2]["segmentation"] = [[float("nan")] * 6]
    path.write_text(json.dumps(content))
    dataset = load_dataset("refcoco", "val", data_root=root)
    assert len(dataset[0].instances) == len(whole) - 1
    assert [re.search("annotation 13 of image 9", problem) is not None for problem in dataset.problems()] == [True]


def test_entries_that_belong_to_no_image_are_left_out(root: Path) -> None:
    with pytest.warns(ZsrisWarning, match=r"3 annotations of refcoco .*reference 4 of .*zsris data verify"):
        dataset = malformed(root, references=[{"ref_id": 9}, 5, {**REFS[0], "sentences": None}])
    assert dataset.counts()["references"] == 2 and len(list(dataset.problems())) == 3
    with pytest.warns(ZsrisWarning, match="has no image_id"):
        malformed(root, annotation={"image_id": None})


def test_an_evaluation_counts_malformed_annotations_as_failed(root: Path) -> None:
    from zsris_viz import evaluate

    dataset = malformed(root, annotation=polygon(float("nan")))
    found = evaluate(dataset, ["cropping"], proposals="ground-truth", progress=False).rows
    assert len(found) == 3 and (found.iou[:2] == 0).all() and found.iou[2] > 0
    assert found.error[:2].str.contains("annotation 11 of image 9").all() and found.error.isna()[2]


def test_lone_surrogates_can_be_stored(root: Path) -> None:
    dataset = malformed(
        root, reference={"sentences": [{"sent": "cat \ud800", "sent_id": "\ud801"}], "ref_id": "\ud802"}
    )
    ((reference, expression), *_) = dataset[0].pairs()
    assert (expression.text, expression.sentence_id, reference.ref_id) == ("cat \ufffd", "\ufffd", "\ufffd")
    assert f"{expression.text}{expression.sentence_id}{reference.ref_id}".encode()


def test_verify_names_malformed_annotations(root: Path) -> None:
    malformed(root, annotation=polygon(1e9))
    lines = [check.detail for check in verify("refcoco", root) if check.what == "val (unc) annotation"]
    assert len(lines) == 1 and "annotation 11 of image 9" in lines[0]


@pytest.mark.parametrize(
    "name",
    ["../secret.jpg", "/etc/secret.jpg", "a/../../secret.jpg", "..\\secret.jpg", "C:\\s.jpg", "a\0b"],
    ids=["up", "absolute", "up in the middle", "backslashes", "drive", "null byte"],
)
def test_images_outside_the_folder_are_not_opened(root: Path, name: str) -> None:
    Image.new("RGB", SIZE[::-1]).save(root / "images/mscoco/images/secret.jpg")
    dataset = malformed(root, image={"file_name": name})
    with pytest.raises(CorruptFileError, match="outside the folder"):
        _ = dataset[0].image


def test_files_that_are_no_annotation_files(root: Path) -> None:
    path = root / "refcoco/instances.json"
    content = json.loads(path.read_text())
    for wrong in ({**content, "annotations": {}}, {"images": []}, [content], None):
        path.write_text(json.dumps(wrong))
        with pytest.raises(CorruptFileError, match="COCO annotation file"):
            load_dataset("refcoco", "val", data_root=root)
    path.write_text(json.dumps(content)[:50])
    with pytest.raises(CorruptFileError, match="JSON"):
        load_dataset("refcoco", "val", data_root=root)


def test_no_target_and_several_targets(tmp_path: Path) -> None:
    make_grefcoco(tmp_path)
    sample = load_dataset("grefcoco", "val", data_root=tmp_path)[0]
    single, several, none = sample.references
    assert np.array_equal(single.mask, square()) and (single.category, single.distractors) == ("cat", 1)
    assert several.mask.sum() == (coco_mask(PARTS, SIZE) | square()).sum() and several.category == "cat, dog"
    assert not none.mask.any() and none.category == "" and none.expressions[0].error is None
    assert sample.instances.areas.tolist() == [64, 16 + 36, 64]
