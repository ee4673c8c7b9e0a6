"""Crops: boxes, backgrounds, squares, and resizing, against numpy and Pillow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.benchmarks.authors_flow import freesolo_box
from tests.methods import plain
from zsris_viz.errors import InvalidInputError
from zsris_viz.masks import Masks
from zsris_viz.methods.crops import CropVariant, build_crops, crop_boxes, freesolo_boxes, gaussian_blur
from zsris_viz.models import get_preprocess

PREPROCESS = get_preprocess("clip", 64)
LEVEL = 1 / 255 / 0.26  # one of 256 grey levels after normalisation


def mask(*rectangles: tuple[int, int, int, int], size: tuple[int, int] = (10, 12)) -> Masks:
    data = np.zeros((1, *size), dtype=bool)
    for left, top, right, bottom in rectangles:
        data[0, top:bottom, left:right] = True
    return Masks(data)


def test_box_rules_on_literal_masks():
    assert crop_boxes(mask((2, 3, 6, 8)), "tight").tolist() == [[2, 3, 6, 8]]
    assert crop_boxes(mask((2, 3, 6, 8)), "sam").tolist() == [[2, 3, 5, 7]]
    assert crop_boxes(mask((2, 3, 6, 8)), "image").tolist() == [[0, 0, 12, 10]]
    # mean of columns 2..5 is 3.5, half their count 2: 1.5 to 5.5, truncated
    assert crop_boxes(mask((2, 3, 6, 8)), "freesolo").tolist() == [[1, 2, 5, 7]]
    # columns 0, 1 and 9, 10: mean 5, half the count 2
    assert freesolo_boxes(mask((0, 4, 2, 6), (9, 4, 11, 6)))[0, [0, 2]].tolist() == [3, 7]


@pytest.mark.parametrize("rule", ["tight", "sam", "freesolo", "image"])
def test_no_box_is_empty_or_outside(rule):
    for corner in (mask((0, 0, 1, 1)), mask((11, 9, 12, 10)), mask()):
        left, top, right, bottom = crop_boxes(corner, rule)[0].tolist()
        assert 0 <= left < right <= 12 and 0 <= top < bottom <= 10


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_freesolo_boxes_are_the_authors(seed):
    rng = np.random.default_rng(seed)
    data = torch.from_numpy(rng.random((20, 30)) < rng.choice([0.02, 0.3]))
    if data.any():
        assert freesolo_boxes(Masks(data[None]))[0].tolist() == freesolo_box(data)


def test_black_crops_are_pillows(image, masks, present):
    crops = build_crops(image, Masks(masks), CropVariant(), PREPROCESS)
    assert crops.shape == (7, 3, 64, 64) and crops.dtype == torch.float32
    for row in present:
        expected = plain.black_crop(image, masks[row], 64)
        assert (crops[row] - expected).abs().max() < 1.5 * LEVEL  # Pillow rounds between the two passes
        assert (crops[row] - expected).abs().mean() < 0.2 * LEVEL


def test_official_crops_are_exact(image, masks, present):
    variant = CropVariant(fill="imagenet-mean", box="freesolo", pipeline="normalised")
    crops = build_crops(image, Masks(masks), variant, get_preprocess("glclip", 64))
    for row in present:
        torch.testing.assert_close(crops[row], plain.official_crop(image, masks[row], 64), atol=1e-6, rtol=0)


def test_tas_crops_are_exact(image, masks, present):
    variant = CropVariant(square="pad", box="sam", pipeline="transform")
    crops = build_crops(image, Masks(masks), variant, PREPROCESS)
    for row in present:
        torch.testing.assert_close(crops[row], plain.tas_crop(image, masks[row], 64), atol=1e-6, rtol=0)


def test_fill_colours():
    white = Image.new("RGB", (12, 10), "white")
    left = mask((0, 0, 6, 10))
    normal = PREPROCESS.normalise(torch.ones(3, 1, 1)).flatten()
    for fill, expected in (
        ("black", PREPROCESS.normalise(torch.zeros(3, 1, 1)).flatten()),
        ("mean", torch.zeros(3)),
        ("imagenet-mean", PREPROCESS.normalise(torch.tensor([0.485, 0.456, 0.406])[:, None, None]).flatten()),
        ("none", normal),
    ):
        crop = build_crops(white, left, CropVariant(fill=fill, box="image"), PREPROCESS)[0]
        assert torch.allclose(crop[:, 32, 8], normal, atol=1e-5)
        assert torch.allclose(crop[:, 32, -4], expected, atol=LEVEL)


def test_pad_keeps_proportions_and_squash_does_not():
    tall = mask((2, 0, 4, 10))
    image = Image.new("RGB", (12, 10), "white")
    normal = float(PREPROCESS.normalise(torch.ones(3, 1, 1))[0, 0, 0])
    padded = build_crops(image, tall, CropVariant(square="pad"), PREPROCESS)[0, 0]
    squashed = build_crops(image, tall, CropVariant(square="squash"), PREPROCESS)[0, 0]
    assert torch.allclose(squashed, torch.full((64, 64), normal), atol=1e-4)
    assert padded[32, 32] == pytest.approx(normal, abs=1e-3) and padded[32, 3] < 0 and padded[32, 60] < 0
    assert 0.15 < (padded > 0).float().mean() < 0.25


def test_blur_replaces_the_background_only(image, masks):
    blurred = build_crops(image, Masks(masks[:1]), CropVariant(fill="blur", box="image", sigma=4.0), PREPROCESS)[0]
    plain_image = build_crops(image, Masks(masks[:1]), CropVariant(fill="none", box="image"), PREPROCESS)[0]
    inside = PREPROCESS.resize_tensor(masks[:1].float()) == 1
    assert torch.equal(blurred[:, inside[0]], plain_image[:, inside[0]])
    assert (blurred - plain_image)[:, 0, -8:].abs().max() > 5 * LEVEL


def test_gaussian_blur_is_opencvs():
    cv2 = pytest.importorskip("cv2")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 150, 3), dtype=np.uint8)
    expected = cv2.GaussianBlur(pixels, (75, 75), 0, 0)
    ours = gaussian_blur(torch.from_numpy(pixels).permute(2, 0, 1), 11.6).permute(1, 2, 0).numpy()
    assert np.abs(ours.astype(int) - expected).max() <= 2  # OpenCV adds in fixed point


def test_a_blur_larger_than_the_image_works():
    crop = build_crops(
        Image.new("RGB", (2, 1), "red"), Masks(np.array([[[1, 0]]], bool)), CropVariant(fill="blur"), PREPROCESS
    )
    assert torch.isfinite(crop).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"fill": "pink"},
        {"square": "round"},
        {"box": "loose"},
        {"pipeline": "x"},
        {"sigma": 0},
    ],
)
def test_unknown_settings_are_refused(wrong):
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        CropVariant(**wrong)
