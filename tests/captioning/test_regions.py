"""What a captioner sees of a proposal, against a few lines of numpy."""

import numpy as np
import pytest
import torch
from PIL import Image

from zsris_viz.captioning import region_images
from zsris_viz.errors import InvalidInputError
from zsris_viz.images import gaussian_blur
from zsris_viz.masks import Masks


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def masks():
    data = np.zeros((3, 40, 50), dtype=bool)
    data[0, 10:30, 5:15] = True
    data[0, 12:14, 7:9] = False
    data[1, 0, 0] = True
    return data


def test_a_region_is_the_box_with_its_background_replaced(picture, masks):
    blurred = gaussian_blur(torch.from_numpy(picture).permute(2, 0, 1), 3.0).permute(1, 2, 0).numpy()
    for style, ground in (("blur", blurred), ("black", np.zeros_like(picture)), ("none", picture)):
        found = region_images(Image.fromarray(picture), Masks(masks), style, sigma=3.0)
        assert [image.size for image in found] == [(10, 20), (1, 1), (1, 1)]
        expected = np.where(masks[0][:, :, None], picture, ground)[10:30, 5:15]
        assert np.array_equal(np.asarray(found[0]), expected)


def test_margin_and_square(picture, masks):
    (wide, *_) = region_images(Image.fromarray(picture), Masks(masks), "none", margin=0.5)
    assert np.array_equal(np.asarray(wide), picture[0:40, 0:20])  # 5 more to each side, 10 above and below
    (square, *_) = region_images(Image.fromarray(picture), Masks(masks), "none", square="pad")
    assert square.size == (20, 20)
    assert np.array_equal(np.asarray(square)[:, 5:15], picture[10:30, 5:15])
    assert not np.asarray(square)[:, :5].any() and not np.asarray(square)[:, 15:].any()


def test_no_masks_and_wrong_settings(picture, masks):
    image = Image.fromarray(picture)
    assert region_images(image, Masks(masks[:0])) == []
    for wrong in ({"style": "grey"}, {"square": "round"}, {"margin": -1}, {"margin": float("nan")}, {"sigma": 0}):
        with pytest.raises(InvalidInputError, match=next(iter(wrong))):
            region_images(image, Masks(masks), **wrong)
    with pytest.raises(InvalidInputError):
        region_images(image.resize((20, 20)), Masks(masks))
