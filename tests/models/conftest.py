"""Tiny models in each published format, made once per run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.factories import tiny_hf_model, tiny_rn_clip, tiny_vit_clip
from zsris_viz.models import ClipTokenizer, save_clip_rn


@pytest.fixture(scope="session")
def hf_model() -> Any:
    return tiny_hf_model(seed=0)


@pytest.fixture(scope="session")
def vit() -> Any:
    return tiny_vit_clip(seed=0)


@pytest.fixture(scope="session")
def rn() -> Any:
    return tiny_rn_clip(seed=0)


@pytest.fixture(scope="session")
def pixels() -> torch.Tensor:
    return torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def rn_pixels() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder of a ViT with 1,000 tokens, fp16, as the miniature ships."""
    folder = tmp_path_factory.mktemp("hf-clip")
    tiny_hf_model(seed=0, vocab_size=1000).half().save_pretrained(str(folder))
    ClipTokenizer.openai(vocab_size=1000).hf.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="session")
def small_rn_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An RN folder with 1,000 tokens, fp16."""
    clip = tiny_rn_clip(seed=0, vocab_size=1000)
    return save_clip_rn(clip.model, tmp_path_factory.mktemp("rn-clip"), tokenizer=clip.tokenizer)
