"""One tiny tower and a few small drawn scenes for all probes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import tiny_rn_clip, tiny_vit_clip
from zsris_viz.datasets import load_dataset


@pytest.fixture(scope="session")
def clip() -> Any:
    """4 layers on a 7 x 7 grid of 8-pixel patches."""
    return tiny_vit_clip(layers=4, width=32, heads=2, text_layers=3, vocab_size=600)


@pytest.fixture(scope="session")
def rn() -> Any:
    return tiny_rn_clip(vocab_size=600)


@pytest.fixture(scope="session")
def data() -> Any:
    return [load_dataset("scenes", "val", size=56)[index] for index in range(6)]
