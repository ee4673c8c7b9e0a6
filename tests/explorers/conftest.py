"""Small random models, one image with objects, and a parser that needs no model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.factories import tiny_rn_clip, tiny_vit_clip
from zsris_viz.masks import Masks

TEXT = "the small cat left of the bus"


class Parser:
    """Reads every text as noun phrase = its first three words, and "left" as its context."""

    def parse(self, text: str) -> Any:
        words = text.split()
        return SimpleNamespace(
            noun_phrase=" ".join(words[:3]),
            head=words[-1],
            context_tokens=tuple(word for word in words if word == "left"),
            direction=None,
            relation=None,
            relation_object=None,
            tokens=[SimpleNamespace(text=word) for word in words],
        )


@pytest.fixture(scope="session")
def vit() -> Any:
    return tiny_vit_clip()


@pytest.fixture
def own_vit() -> Any:
    """One that a test may break."""
    return tiny_vit_clip(layers=2)


@pytest.fixture(scope="session")
def rn() -> Any:
    return tiny_rn_clip(image_size=96)


@pytest.fixture(scope="session")
def image() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((90, 60), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def masks() -> Masks:
    """Four on 60 x 90 pixels: a disc, a bar, the disc's upper half (smaller, inside it), an empty one."""
    rows, columns = np.mgrid[:60, :90]
    data = np.zeros((4, 60, 90), dtype=bool)
    data[0] = (columns - 30) ** 2 + (rows - 30) ** 2 < 300
    data[1, 45:55, 50:88] = True
    data[2] = data[0] & (rows < 30)
    return Masks(torch.from_numpy(data))


@pytest.fixture
def parser() -> Parser:
    return Parser()
