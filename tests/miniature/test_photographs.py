"""Built-in models warn on photographs and are silent on drawn scenes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image

from zsris_viz import load_captioner, load_dataset, segment
from zsris_viz.errors import ZsrisWarning
from zsris_viz.miniature.photographs import is_drawn

PHOTOGRAPH = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8))


def test_drawn_scenes_of_every_split_are_recognised() -> None:
    for split in ("val", "testA", "testB"):
        scenes = load_dataset("scenes", split)
        assert all(is_drawn(scenes[index].image) for index in range(10))


def test_pictures_that_are_no_scenes() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    assert not is_drawn(Image.fromarray(noise)) and not is_drawn(PHOTOGRAPH)


def test_segment_and_captioner_warn() -> None:
    with pytest.warns(ZsrisWarning, match="miniature CLIP.*drawn scenes only"):
        segment(PHOTOGRAPH, "the cat")
    with pytest.warns(ZsrisWarning, match="miniature captioner.*drawn scenes only"):
        load_captioner("miniature", cache=False, max_tokens=2).caption_images(PHOTOGRAPH)
    scene = load_dataset("scenes", "val", limit=1)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", ZsrisWarning)
        segment(scene.image, "the cat", "cropping", proposals=scene.instances)
