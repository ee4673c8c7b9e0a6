"""Masks against numpy two-liners, by hand-made examples and by hypothesis."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.nn import functional as F

from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError
from zsris_viz.masks import Masks

stacks = hnp.arrays(
    bool,
    st.tuples(st.integers(1, 5), st.integers(1, 70), st.integers(1, 70)),
    elements=st.booleans(),
    fill=st.booleans(),
)
quick = settings(max_examples=40, deadline=None)


def example() -> Masks:
    """A 2 x 2 square at (x 1-2, y 0-1), a single pixel at (3, 3), an empty and a full mask on 4 x 5 pixels."""
    data = np.zeros((4, 4, 5), dtype=bool)
    data[0, 0:2, 1:3] = True
    data[1, 3, 3] = True
    data[3] = True
    return Masks(data)


def test_literal_quantities() -> None:
    masks = example()
    assert masks.size == (4, 5)
    assert masks.areas.tolist() == [4, 1, 0, 20]
    assert masks.boxes.tolist() == [[1, 0, 3, 2], [3, 3, 4, 4], [0, 0, 0, 0], [0, 0, 5, 4]]
    assert masks.centroids[0].tolist() == [1.5, 0.5]
    assert masks.centroids[3].tolist() == [2.0, 1.5]
    assert masks.centroids[2].isnan().all()
    assert masks.iou()[0].tolist() == pytest.approx([1, 0, 0, 4 / 20])
    assert masks.iou()[2].tolist() == [0, 0, 0, 0]
    assert masks.overlap_of_smaller()[0].tolist() == [1, 0, 0, 1]
    assert len(masks.nonempty()) == 3


@quick
@given(stacks, stacks)
def test_iou_and_intersections_agree_with_numpy(a: np.ndarray, b: np.ndarray) -> None:
    b = np.resize(b, (len(b), *a.shape[1:]))
    masks = Masks(a)
    shared = (a[:, None] & b[None]).sum((2, 3))
    union = (a[:, None] | b[None]).sum((2, 3))
    assert np.array_equal(masks.intersections(Masks(b)).numpy(), shared)
    assert np.allclose(masks.iou(b).numpy(), shared / np.maximum(union, 1), atol=1e-6)
    assert np.array_equal(masks.intersections().numpy(), (a[:, None] & a[None]).sum((2, 3)))


@quick
@given(stacks)
def test_boxes_and_centroids_agree_with_numpy(a: np.ndarray) -> None:
    masks = Masks(a)
    for mask, box, centroid, area in zip(a, masks.boxes.tolist(), masks.centroids.numpy(), masks.areas, strict=True):
        y, x = np.nonzero(mask)
        assert area == len(x)
        if len(x):
            assert box == [x.min(), y.min(), x.max() + 1, y.max() + 1]
            assert np.allclose(centroid, [x.mean(), y.mean()], atol=1e-4)
            assert not mask[: box[1]].any() and not mask[:, box[2] :].any()
        else:
            assert box == [0, 0, 0, 0]


@quick
@given(stacks)
def test_rle_round_trip_and_agreement_with_pycocotools(a: np.ndarray) -> None:
    from pycocotools import mask as coco

    rles = json.loads(json.dumps(Masks(a).to_rle()))
    assert np.array_equal(Masks.from_rle(rles).data.numpy(), a)
    assert np.array_equal(
        coco.decode([{**rle, "counts": rle["counts"].encode()} for rle in rles]).transpose(2, 0, 1), a
    )


def test_rle_with_long_runs() -> None:
    data = np.zeros((1, 700, 900), dtype=bool)
    data[0, 100:600, 450:] = True
    assert torch.equal(Masks.from_rle(Masks(data).to_rle()).data[0], torch.from_numpy(data[0]))


def test_uncompressed_rle_runs_down_the_columns() -> None:
    masks = Masks.from_rle([{"size": [2, 3], "counts": [1, 2, 3]}])
    assert masks.data[0].int().tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    "damage",
    [lambda c: c[:-3], lambda c: c + "11", lambda c: "", lambda c: "é" + c, lambda c: "\x01"],
    ids=["cut off", "too long", "empty", "not ASCII", "control character"],
)
def test_damaged_rle(damage) -> None:
    rle = Masks(np.random.default_rng(0).random((1, 20, 20)) > 0.5).to_rle()[0]
    with pytest.raises(CorruptFileError, match="does not decode"):
        Masks.from_rle([{**rle, "counts": damage(rle["counts"])}])


def test_wrong_rle() -> None:
    with pytest.raises(InvalidInputError, match="dict with 'size' and 'counts'"):
        Masks.from_rle([{"counts": "abc"}])
    with pytest.raises(InvalidInputError, match="do not add up"):
        Masks.from_rle([{"size": [2, 3], "counts": [5]}])
    with pytest.raises(InvalidTypeError, match="counts"):
        Masks.from_rle([{"size": [2, 3], "counts": 6}])
    with pytest.raises(InvalidInputError, match="at least 1"):
        Masks.from_rle([{"size": [0, 3], "counts": [0]}])


def test_no_masks() -> None:
    masks = Masks.from_arrays([], size=(6, 7))
    assert (len(masks), masks.size, masks.boxes.shape, masks.centroids.shape) == (0, (6, 7), (0, 4), (0, 2))
    assert masks.iou(np.ones((6, 7), bool)).shape == (0, 1)
    assert masks.overlap_of_smaller().shape == (0, 0)
    assert masks.to_grid(3, 3).shape == (0, 3, 3)
    assert masks.mean_of(torch.zeros(6, 7)).shape == (0,)
    assert len(masks.nonempty()) == 0 and len(masks.select([])) == 0
    assert masks.to_rle() == []
    with pytest.raises(InvalidInputError, match=r"size=\(H, W\)"):
        Masks.from_arrays([])


def test_select_and_indexing_keep_scores_and_source() -> None:
    masks = Masks(example().data, scores=[0.1, 0.2, 0.3, 0.4], source="test")
    chosen = masks.select([2, 0])
    assert chosen.scores is not None and chosen.scores.tolist() == pytest.approx([0.3, 0.1])
    assert chosen.source == "test"
    assert masks[1].shape == (4, 5) and len(masks[1:3]) == 2
    assert len(masks[masks.areas > 0]) == 3 and len(masks.select([True, False, False, True])) == 2
    assert [int(mask.sum()) for mask in masks] == [4, 1, 0, 20]
    with pytest.raises(InvalidInputError, match="outside"):
        masks.select([9])
    with pytest.raises(InvalidInputError, match="one value per mask"):
        masks.select([True, False])
    with pytest.raises(IndexError):
        masks[4]


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (np.zeros((4, 5)), InvalidInputError, "from_arrays"),
        (np.full((1, 4, 5), 0.5), InvalidInputError, "map > 0.5"),
        (np.arange(20).reshape(1, 4, 5), InvalidInputError, "labels == k"),
        (np.full((1, 4, 5), np.nan), InvalidInputError, "0 or 1"),
        ([[True]], InvalidTypeError, "from_arrays"),
        (np.array([[["a"]]]), InvalidTypeError, "dtype"),
    ],
)
def test_what_is_no_mask(data: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Masks(data)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int64, np.float32])
def test_numbers_that_are_masks(dtype: type) -> None:
    expected = example().data
    ones = expected.numpy().astype(dtype)
    assert torch.equal(Masks(ones).data, expected)
    if dtype is not bool:
        assert torch.equal(Masks(ones * dtype(255)).data, expected)


def test_different_and_wrong_sizes() -> None:
    with pytest.raises(InvalidInputError, match="different sizes"):
        Masks.from_arrays([np.ones((3, 4), bool), np.ones((4, 3), bool)])
    masks = example()
    assert masks.validate((4, 5)) is masks
    with pytest.raises(InvalidInputError, match="transposed"):
        masks.validate((5, 4))
    with pytest.raises(InvalidInputError, match="9 x 9"):
        masks.iou(np.ones((9, 9), bool))
    with pytest.raises(InvalidInputError, match="one score per mask"):
        Masks(masks.data, scores=[1.0])


def test_grid_is_bilinear_and_keeps_one_cell() -> None:
    data = torch.zeros(4, 64, 64, dtype=torch.bool)
    data[0, 10:50, 20:60] = True
    data[1, 0, 17] = True  # falls between the sampling points of a 4 x 4 grid
    data[3] = True
    masks = Masks(data)
    plain = F.interpolate(data[:, None].float(), size=(4, 4), mode="bilinear")[:, 0]
    assert torch.equal(masks.to_grid(4, 4, keep_one=False), plain)
    assert plain[1].sum() == 0
    kept = masks.to_grid(4, 4)
    assert kept[1].nonzero().tolist() == [[0, 1]] and kept[1, 0, 1] == 1
    assert torch.equal(kept[[0, 2, 3]], plain[[0, 2, 3]]) and kept[2].sum() == 0
    smooth = F.interpolate(data[:, None].float(), size=(4, 4), mode="bilinear", antialias=True)[:, 0]
    assert torch.allclose(masks.to_grid(4, 4, antialias=True), smooth)
    with pytest.raises(InvalidInputError, match="at least 1"):
        masks.to_grid(0, 4)


def test_grid_in_parts_equals_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = Masks(torch.rand(7, 30, 40, generator=torch.Generator().manual_seed(0)) > 0.7)
    whole = masks.to_grid(5, 6)
    monkeypatch.setattr("zsris_viz.mask_arrays.FLOAT_PIXELS", 2 * 30 * 40)
    assert torch.equal(masks.to_grid(5, 6), whole)


def test_mean_of_a_map() -> None:
    masks = example()
    values = torch.arange(20.0).reshape(4, 5)
    means = masks.mean_of(values)
    assert means[[0, 1, 3]].tolist() == pytest.approx([(1 + 2 + 6 + 7) / 4, 18, 9.5])
    assert means[2] == -torch.inf
    with pytest.raises(InvalidInputError, match="resize it first"):
        masks.mean_of(torch.zeros(5, 4))


def test_a_thousand_masks_are_intersected_quickly() -> None:
    rng = np.random.default_rng(0)
    data = np.zeros((1000, 240, 320), dtype=bool)
    for mask, x, y, w, h in zip(data, *rng.integers([0, 0, 4, 4], [300, 220, 120, 120], (1000, 4)).T, strict=True):
        mask[y : y + h, x : x + w] = True
    masks = Masks(data)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # waiting threads would count as CPU time
    try:
        start = time.process_time()
        shared = masks.intersections()
        seconds = time.process_time() - start
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(shared.diagonal(), masks.areas)
    assert seconds < 3  # about 0.2; a million pairs one by one would take half a minute


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (torch.zeros(1, 4, 4, device="meta"), "meta"),
        (torch.zeros(1, 4, 4).to_sparse(), "sparse"),
        (torch.zeros(1, 4, 4, dtype=torch.complex64), "complex"),
        (None, "NoneType"),
        ("masks", "str"),
        (3, "int"),
    ],
    ids=["meta", "sparse", "complex", "None", "text", "number"],
)
def test_tensors_without_comparable_values(data: object, words: str) -> None:
    with pytest.raises(InvalidTypeError, match=words):
        Masks.from_arrays(data)  # type: ignore[arg-type]


def test_tensors_of_unusual_types() -> None:
    expected = torch.tensor([[[1, 0], [0, 1]]]).bool()
    for dtype in (torch.bfloat16, torch.float16, torch.float64, torch.int8, torch.uint8):
        assert torch.equal(Masks(expected.to(dtype)).data, expected)
    quantised = torch.quantize_per_tensor(expected.float(), 1.0, 0, torch.qint8)
    assert torch.equal(Masks(quantised).data, expected)
    assert torch.equal(Masks(expected.float().requires_grad_()).data, expected)


@quick
@given(stacks)
def test_coverage_counts_masks(a: np.ndarray) -> None:
    assert np.array_equal(Masks(a).coverage.numpy(), a.sum(0))


def test_a_run_of_masks_is_no_copy() -> None:
    masks = Masks(torch.rand(5, 4, 4) > 0.5)
    for index in ([1, 2, 3], [True] * 5, slice(0, 2), [4]):
        part = masks.select(index).data
        assert part.untyped_storage().data_ptr() == masks.data.untyped_storage().data_ptr()
    for index in ([3, 2, 1], [0, 2], [-2, -1], [1, 1]):
        assert torch.equal(masks.select(index).data, masks.data[index])


@pytest.mark.parametrize("size", [None, [5], ["a", 1], [10**6, 10**6], [-1, 5], [float("inf"), 2]], ids=str)
def test_sizes_of_encodings(size: object) -> None:
    with pytest.raises(InvalidInputError, match="has the size"):
        Masks.from_rle([{"size": size, "counts": [5]}])


def test_intersections_in_tiles_are_those_of_whole_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    masks = Masks(torch.rand(5, 150, 200, generator=generator) > 0.5)
    others = Masks(torch.rand(3, 150, 200, generator=generator) > 0.9)
    whole = masks.intersections(), masks.intersections(others)
    monkeypatch.setattr("zsris_viz.mask_arrays.SMALL", 0)
    assert torch.equal(masks.intersections(), whole[0]) and torch.equal(masks.intersections(others), whole[1])
    assert torch.equal(whole[1], (masks.data[:, None] & others.data[None]).sum(dim=(2, 3)))
