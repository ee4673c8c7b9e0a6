"""A tiny tower and tiny settings for all tests of RISCLIP."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.factories import tiny_vit_clip
from zsris_viz.methods.risclip import Architecture, RisClipModel, Training
from zsris_viz.models.vit import VitClip

SMALL: dict[str, Any] = {
    "cfe_pairs": 2, "cfe_width": 8, "cfe_heads": 2, "ske_layers": 1, "ske_width": 16, "ske_heads": 2,
    "decoder_width": 8, "cells": 4,
}  # fmt: skip


@pytest.fixture(scope="session")
def clip() -> VitClip:
    """56 px, 7 x 7 grid, 6 blocks of 64, 3 text blocks of 64, D = 32."""
    return tiny_vit_clip(1)


@pytest.fixture
def model(clip: VitClip) -> RisClipModel:
    """A RISCLIP in which nothing is zero any more."""
    torch.manual_seed(0)
    made = RisClipModel(clip, Architecture(**SMALL))
    scramble(made)
    return made.eval()


def scramble(model: torch.nn.Module, seed: int = 5) -> None:
    """Every parameter random, so that no term can be left out unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)


def settings(**changed: Any) -> Training:
    """A training of a few steps."""
    defaults: dict[str, Any] = {
        "architecture": SMALL, "steps": {"align": 3, "decode": 2, "joint": 3}, "batch": 2, "expressions": 2,
        "validation": None, "validate_every": 2, "log_every": 1, "checkpoint_minutes": 1000, "rate": 3e-3,
    }  # fmt: skip
    return Training.model_validate(defaults | changed)
