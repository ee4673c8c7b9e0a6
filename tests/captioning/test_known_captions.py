"""Captioners without a model: what they say follows from the layout of a scene."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from zsris_viz.errors import UnavailableError
from zsris_viz.masks import Masks
from zsris_viz.miniature.world.dataset import Scenes
from zsris_viz.miniature.world.known_captions import BACKGROUND, EmptyCaptions, KnownCaptions


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return Scenes("val", limit=2, size=64)


def test_regions_and_images_are_described_by_their_objects(scenes: Scenes) -> None:
    captioner, sample = KnownCaptions(scenes), scenes[1]
    captions = captioner.caption_regions(sample.image, sample.instances)
    assert len(captions) == len(sample.instances)
    (whole,) = captioner.caption_images(sample.image)
    for item, caption in zip(scenes.layout(1).objects, captions, strict=True):
        assert item.noun in caption and item.colour in caption
        assert caption in whole
    corner = torch.zeros(1, 64, 64, dtype=torch.bool)
    corner[0, 0, 0] = True
    assert captioner.caption_regions(sample.image, Masks(corner)) == [BACKGROUND]


def test_other_images_are_refused(scenes: Scenes) -> None:
    with pytest.raises(UnavailableError, match="other images"):
        KnownCaptions(scenes).caption_images(Image.new("RGB", (64, 64)))


def test_empty_captions(scenes: Scenes) -> None:
    sample = scenes[0]
    assert EmptyCaptions().caption_regions(sample.image, sample.instances) == [""] * len(sample.instances)
    assert EmptyCaptions().caption_images([sample.image, sample.image]) == ["", ""]
