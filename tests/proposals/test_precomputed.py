"""Proposals from files: every form, ids and sizes that do not fit, damaged and unknown files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from zsris_viz import evaluate, load_dataset, segment
from zsris_viz.cli import app
from zsris_viz.datasets.types import Sample
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError, ZsrisWarning
from zsris_viz.masks import Masks
from zsris_viz.proposals import GroundTruth, Precomputed, load_proposals, save_proposals

DATA = load_dataset("scenes", "val", limit=3, size=48)


def rows_of(scale: float = 1.0, *, uncompressed: bool = False) -> list[dict[str, Any]]:
    """COCO results with the annotated objects of all scenes; later objects score higher."""
    rows = []
    for sample in (DATA[index] for index in range(3)):
        for number, (mask, rle) in enumerate(zip(sample.instances, sample.instances.to_rle(), strict=True)):
            if uncompressed:
                flat = mask.numpy().T.ravel()
                edges = np.flatnonzero(np.diff(np.concatenate([[False], flat])))
                rle = {"size": [48, 48], "counts": np.diff([0, *edges, flat.size]).tolist()}
            rows.append(
                {"image_id": sample.image_id, "category_id": 1, "segmentation": rle, "score": scale * (number + 1)}
            )
    return rows


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("uncompressed", [False, True])
def test_coco_results(tmp_path: Path, uncompressed: bool) -> None:
    source = Precomputed(write(tmp_path / "free.json", rows_of(uncompressed=uncompressed)))
    for index in range(3):
        sample = DATA[index]
        masks = source.propose_for(sample)
        assert torch.equal(masks.data, sample.instances.data.flip(0))
        assert masks.scores.tolist() == list(range(len(sample.instances), 0, -1))
    assert Precomputed(source.file, max_masks=1).propose_for(DATA[0]).scores.tolist() == [len(DATA[0].instances)]
    assert Precomputed(source.file, min_score=2).propose_for(DATA[0]).scores.min() == 2
    assert not len(Precomputed(source.file, min_score=99).propose_for(DATA[0]))


def test_coco_annotations_and_file_names(tmp_path: Path) -> None:
    rows = rows_of()
    ids = {DATA[index].image_id: 581857 + index for index in range(3)}
    images = [
        {"id": number, "height": 48, "width": 48, "file_name": f"COCO_train2014_{number:012d}.jpg"}
        for number in ids.values()
    ]
    images.append({"id": 7, "height": 30, "width": 20, "file_name": "bare.jpg"})
    notes = [{**row, "image_id": ids[row["image_id"]]} for row in rows]
    source = Precomputed(write(tmp_path / "coco.json", {"images": images, "annotations": notes}))
    truth = DATA[0].instances
    for image_id in (581857, "581857", "COCO_train2014_000000581857", "COCO_train2014_000000581857.jpg"):
        assert len(source.propose_for(Sample(image_id, [], DATA[0].image))) == len(truth)  # type: ignore[arg-type]
    bare = Image.new("RGB", (20, 30))
    assert len(source.propose_for(Sample("7", [], bare))) == 0
    for stranger in ("COCO_train2014_000000581860", "581860", "dog"):
        with pytest.raises(InvalidInputError, match="no proposals for image"):
            source.propose_for(Sample(stranger, [], DATA[0].image))
    with pytest.raises(InvalidInputError, match=r"30 x 20 pixels.* is 20 x 30"):
        source.propose_for(Sample("7", [], bare.rotate(90, expand=True)))


def test_numbers_behind_other_names_are_other_images(tmp_path: Path) -> None:
    rows = [{**row, "image_id": f"scenes-train-{number:06d}"} for number, row in enumerate(rows_of())]
    source = Precomputed(write(tmp_path / "a.json", rows))
    with pytest.raises(InvalidInputError, match="no proposals for image 'scenes-val-000000'"):
        source.propose_for(DATA[0])
    twice = [{**row, "image_id": name} for row, name in zip(rows_of(), ("a-1", "1", "b-01"), strict=False)]
    assert len(Precomputed(write(tmp_path / "b.json", twice)).propose_for(Sample("1", [], DATA[0].image))) == 1
    with pytest.raises(InvalidInputError, match="no proposals"):  # a-1 and 1 could both be meant
        Precomputed(write(tmp_path / "b.json", twice)).propose_for(Sample("a-001", [], DATA[0].image))


def test_own_form_by_id_and_by_content(tmp_path: Path) -> None:
    for name in ("own.json", "own.json.gz"):
        path = save_proposals(
            tmp_path / name,
            ((DATA[i].image_id, DATA[i].image, DATA[i].instances) for i in range(3)),
            source="hand",
            settings={"a": 1},
        )
        source = Precomputed(path)
        for index in range(3):
            for masks in (source.propose_for(DATA[index]), source.propose(DATA[index].image)):
                assert torch.equal(masks.data, DATA[index].instances.data) and masks.source == "hand"
                assert masks.scores is None
        with pytest.raises(InvalidInputError, match="this picture"):
            source.propose(Image.new("RGB", (48, 48)))
        assert source.settings["made_by"] == "hand" and len(source.settings["sha256"]) == 16
    assert not list(tmp_path.glob(".*"))
    with pytest.raises(InvalidInputError, match="no scores"):
        Precomputed(path, min_score=0.5).propose_for(DATA[0])


def test_writing_refuses_what_could_not_be_read(tmp_path: Path) -> None:
    image = DATA[0].image
    for images, words in (
        ([("a", image, DATA[0].instances), ("a", image, DATA[0].instances)], "twice"),
        ([("a", Image.new("RGB", (48, 47)), DATA[0].instances)], "48 x 48"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            save_proposals(tmp_path / "x.json", images)
    with pytest.raises(InvalidInputError, match=r"json\.gz"):
        save_proposals(tmp_path / "x.pkl", [])
    assert not list(tmp_path.iterdir())


def test_images_of_another_size_and_missing_images(tmp_path: Path) -> None:
    source = Precomputed(write(tmp_path / "a.json", rows_of()))
    larger = load_dataset("scenes", "val", size=64)[0]
    with pytest.raises(InvalidInputError, match=r"48 x 48 pixels .* is 64 x 64"):
        source.propose_for(larger)
    other = load_dataset("scenes", "test", size=48)[0]
    with pytest.raises(InvalidInputError, match="this dataset and split"):
        source.propose_for(other)
    assert len(Precomputed(source.file, missing="empty").propose_for(other)) == 0
    with pytest.warns(ZsrisWarning):
        rows = evaluate(
            load_dataset("scenes", "test", limit=1, size=48), "cropping", proposals=source, progress=False
        ).rows
    assert (rows["iou"] == 0).all() and rows["error"].str.contains("no proposals").all()


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ('{"format": "zsris-proposals", "version": 2, "images": {}}', InvalidInputError, "version 2.*reads.*version 1"),
        ('{"format": "other", "version": 1, "images": {}}', InvalidInputError, "'other'"),
        ('{"format": "zsris-proposals", "version": 1}', CorruptFileError, "images"),
        ('{"format": "zsris-proposals", "version": 1, "images": {"a": {}}}', CorruptFileError, "size"),
        ('{"masks": []}', InvalidInputError, "COCO results"),
        ("3", InvalidInputError, "COCO results"),
        ("[3]", CorruptFileError, "proposal 0"),
        ('[{"image_id": 1, "segmentation": [[0, 0, 5, 5, 5, 0]]}]', CorruptFileError, "polygons"),
        ('[{"image_id": 1, "segmentation": {"counts": "a"}, "score": "x"}]', CorruptFileError, "size"),
        ('[{"image_id": 1', CorruptFileError, "complete JSON"),
        ("", CorruptFileError, "complete JSON"),
    ],
    ids=[
        "another version",
        "another format",
        "no images",
        "image without size",
        "no results",
        "number",
        "number in a list",
        "polygons",
        "score of text",
        "cut off",
        "empty",
    ],
)
def test_files_that_are_none(tmp_path: Path, content: str, error: type, words: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(error, match=words):
        Precomputed(path)


def test_some_scores_damaged_masks_and_damaged_archives(tmp_path: Path) -> None:
    rows = rows_of()
    del rows[1]["score"]
    with pytest.raises(InvalidInputError, match="all or none"):
        Precomputed(write(tmp_path / "a.json", rows))
    bad = [{"image_id": DATA[0].image_id, "segmentation": {"size": [48, 48], "counts": "PP"}, "score": 1.0}]
    source = Precomputed(write(tmp_path / "b.json", bad))
    with pytest.warns(ZsrisWarning, match="1 of 1 masks"):
        assert len(source.propose_for(DATA[0])) == 0
    assert len(source.problems) == 1 and "decode" in source.problems[0]
    packed = gzip.compress(json.dumps(rows_of()).encode())
    (tmp_path / "c.json.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(CorruptFileError):
        Precomputed(tmp_path / "c.json.gz")
    with pytest.raises(UnavailableError, match="does not exist"):
        Precomputed(tmp_path / "none.json")
    for change in ({"missing": "skip"}, {"max_masks": 0}):
        with pytest.raises(InvalidInputError, match=next(iter(change))):
            Precomputed(tmp_path / "b.json", **change)  # type: ignore[arg-type]


HOSTILE: list[dict[str, object]] = [
    {"score": None},
    {"score": "0.9"},
    {"score": float("nan")},
    {"score": float("inf")},
    {"score": True},
    {"score": [1]},
    {"image_id": None},
    {"image_id": [1]},
    {"segmentation": None},
    {"segmentation": "text"},
    {"segmentation": {"size": None, "counts": "a"}},
    {"segmentation": {"size": ["4", "4"], "counts": "a"}},
    {"segmentation": {"size": [4.5, 4], "counts": "a"}},
    {"segmentation": {"size": [4], "counts": "a"}},
    {"segmentation": {"size": [-4, 4], "counts": "a"}},
    {"segmentation": {"size": [10**9, 10**9], "counts": "a"}},
    {"segmentation": {"size": [48, 48], "counts": None}},
    {"segmentation": {"size": [48, 48], "counts": 7}},
    {"segmentation": {"size": [48, 48], "counts": [None, 4]}},
    {"segmentation": {"size": [48, 48], "counts": ["4", "4"]}},
    {"segmentation": {"size": [48, 48]}},
]


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: json.dumps(change).replace('"', "")[1:-1])
def test_a_hostile_row_is_recorded_and_the_others_are_used(tmp_path: Path, change: dict[str, object]) -> None:
    rows = rows_of()
    bad = {**rows[0], **change}
    with pytest.warns(ZsrisWarning, match="1 of .* cannot be used"):
        source = Precomputed(write(tmp_path / "rows.json", [bad, *rows]))
    assert len(source.problems) == 1 and source.problems[0].startswith("proposal 0")
    own = [row for row in rows if str(row["image_id"]) == str(DATA[0].image_id)]
    assert len(source.propose_for(DATA[0])) == len(own)


@pytest.mark.parametrize(
    "change",
    [{"size": None}, {"size": "48"}, {"masks": None}, {"masks": [3]}, {"scores": ["a"]}, {"scores": [None]}],
    ids=lambda change: json.dumps(change)[1:-1].replace('"', ""),
)
def test_a_hostile_image_of_the_own_form_is_recorded(tmp_path: Path, change: dict[str, object]) -> None:
    images = [(sample.image_id, sample.image, sample.instances[:1]) for sample in (DATA[0], DATA[1])]
    path = save_proposals(tmp_path / "own.json", images)
    content = json.loads(path.read_text())
    content["images"][str(DATA[0].image_id)] |= change
    path.write_text(json.dumps(content))
    with pytest.warns(ZsrisWarning, match="1 of 2 entries"):
        source = Precomputed(path)
    assert len(source.propose_for(DATA[1])) == 1
    with pytest.raises(InvalidInputError, match="no proposals for image"):
        source.propose_for(DATA[0])


def test_detectron2_predictions(tmp_path: Path) -> None:
    # as detectron2's COCOEvaluator writes them: one dict for each image
    rows = rows_of()
    predictions = [
        {
            "image_id": sample.image_id,
            "instances": [
                {**row, "category_id": 0, "bbox": [1.0, 2.0, 3.0, 4.0]}
                for row in rows
                if row["image_id"] == sample.image_id
            ],
        }
        for sample in DATA
    ]
    predictions.append({"image_id": "empty", "instances": []})
    torch.save(predictions, tmp_path / "instances_predictions.pth")
    source = load_proposals(f"precomputed:{tmp_path / 'instances_predictions.pth'}")
    other = Precomputed(write(tmp_path / "rows.json", rows))
    for sample in DATA:
        assert torch.equal(source.propose_for(sample).data, other.propose_for(sample).data)
    assert source.entries["empty"].masks == []


def test_a_predictions_file_with_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return open, (str(tmp_path / "ran"), "w")

    torch.save([{"image_id": 1, "instances": [Evil()]}], tmp_path / "evil.pth")
    with pytest.raises(CorruptFileError, match="plain values"):
        Precomputed(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


def test_a_thousand_proposals(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    centres, radii = rng.integers(0, 64, (1000, 2)), rng.uniform(2, 20, 1000)
    y, x = np.mgrid[:64, :64]
    masks = np.stack([np.hypot(y - a, x - b) < r for (a, b), r in zip(centres, radii, strict=True)])
    image = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path = save_proposals(tmp_path / "many.json.gz", [("one", image, Masks(masks, scores=rng.random(1000).tolist()))])
    source = load_proposals(f"precomputed:{path}")
    found = source.propose(image)
    assert len(found) == 1000 and np.array_equal(found.areas.sort().values.numpy(), np.sort(masks.sum((1, 2))))
    filtered = load_proposals(f"precomputed:{path}+filter").propose(image)
    assert 0 < len(filtered) < 1000


def test_by_name_and_on_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path / "proposals.json", rows_of())
    with pytest.raises(InvalidInputError, match="precomputed:FILE"):
        load_proposals("precomputed")
    with pytest.raises(InvalidInputError, match="precomputed:FILE"):
        load_proposals("precomputed:")
    found = evaluate(DATA, "cropping", proposals=f"precomputed:{path}", progress=False).rows
    expected = evaluate(DATA, "cropping", proposals=GroundTruth(), progress=False).rows
    assert found["iou"].tolist() == expected["iou"].tolist()
    answer = CliRunner().invoke(
        app, ["evaluate", "--methods", "cropping", "--proposals", f"precomputed:{path}", "--limit", "1", "--json"]
    )
    assert answer.exit_code == 0 and "no proposals of this size" not in answer.output
    one = save_proposals(tmp_path / "one.json", [("x", DATA[0].image, DATA[0].instances)])
    assert segment(DATA[0].image, "the dog", proposals=f"precomputed:{one}").mask.any()


def test_a_large_picture_keeps_its_size(tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 1200, 3), dtype=np.uint8))
    mask = np.zeros((40, 1200), dtype=bool)
    mask[10:30, 500:700] = True
    picture.save(tmp_path / "dog-0012.png")
    path = write(tmp_path / "a.json", [{"image_id": 12, "segmentation": Masks.from_arrays(mask).to_rle()[0]}])
    found = segment(tmp_path / "dog-0012.png", "the dog", proposals=f"precomputed:{path}")
    assert np.array_equal(found.mask, mask) and found.image.size == (1200, 40)
