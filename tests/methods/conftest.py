"""Tiny models, in open_clip's form and in ours, and one image with proposals of every awkward kind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.factories import openai_model
from zsris_viz.models import load_clip

VIT = {"vision_layers": 4, "width": 128, "image_size": 64, "patch_size": 16}
RN = {"vision_layers": (1, 1, 1, 1), "width": 8, "image_size": 96, "patch_size": None}
REST = {"embed_dim": 32, "text_width": 64, "text_layers": 2, "vocab_size": 49408, "context_length": 77}

SENTENCE, PHRASE = "the small cat left of the bus", "the small cat"
EMPTY, FULL, SPECK = 3, 2, 4  # rows of `masks`


@pytest.fixture(scope="session")
def vit() -> Any:
    """clip: ours; model: open_clip's, the same weights."""
    model = openai_model(3, **VIT, **REST)
    return SimpleNamespace(model=model, clip=load_clip(model.state_dict(), kind="openai", device="cpu"))


@pytest.fixture(scope="session")
def rn() -> Any:
    """The same for a ModifiedResNet with a 3 x 3 map."""
    model = openai_model(4, **RN, **REST)
    return SimpleNamespace(model=model, clip=load_clip(model.state_dict(), kind="openai", device="cpu"))


@pytest.fixture(scope="session")
def image() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((120, 90), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def masks() -> torch.Tensor:
    """(7, 90, 120): an ellipse, a bar, the full image, an empty one, a lone pixel, two parts, an overlap."""
    rows, columns = np.mgrid[:90, :120]
    data = np.zeros((7, 90, 120), dtype=bool)
    data[0] = ((columns - 40) / 25) ** 2 + ((rows - 45) / 30) ** 2 < 1
    data[1, 60:80, 5:110] = True
    data[2] = True
    data[4, 3, 3] = True
    data[5, 10:40, 60:80] = data[5, 50:70, 95:119] = True
    data[6] = data[0] & (rows > 40)
    return torch.from_numpy(data)


@pytest.fixture
def present() -> list[int]:
    """Rows of the masks that have a pixel and that the authors' code can take."""
    return [0, 1, 2, 5, 6]
