"""Checkpoints: they come back as they were, know their tower, and say what is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.factories import tiny_hf_model, tiny_vit_clip
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.methods.risclip import RisClipModel, load_model, save_model, tower_hash
from zsris_viz.methods.risclip.checkpoint import read_metadata
from zsris_viz.models import load_clip


def test_a_model_comes_back(clip: Any, model: RisClipModel, tmp_path: Path) -> None:
    path = save_model(tmp_path / "a" / "model.safetensors", model, training={"steps": 3})
    again = load_model(path, clip)
    assert again.architecture == model.architecture and not again.training
    for name, value in again.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
    metadata = read_metadata(path)
    assert json.loads(metadata["training"]) == {"steps": 3} and metadata["tower_name"] == clip.name
    half = load_model(save_model(tmp_path / "half.safetensors", model, dtype=torch.float16), clip)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.7 * path.stat().st_size
    for name, value in half.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, model.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_another_tower_is_refused(model: RisClipModel, tmp_path: Path) -> None:
    path = save_model(tmp_path / "model.safetensors", model)
    with pytest.raises(InvalidInputError, match=r"trained on the tower .*other weights .*zsris train risclip --config"):
        load_model(path, tiny_vit_clip(2))


def test_the_hash_of_a_tower() -> None:
    plain = tiny_hf_model(1)
    one, same, rounded = load_clip(plain), load_clip(plain), load_clip(plain, dtype=torch.bfloat16)
    assert tower_hash(one) == tower_hash(same) == tower_hash(rounded)
    assert tower_hash(one, exact=True) == tower_hash(same, exact=True) != tower_hash(rounded, exact=True)
    with torch.no_grad():
        same.text.blocks[0].mlp.fc1.bias[0] += 1e-6
    assert tower_hash(one, exact=True) != tower_hash(same, exact=True)
    with torch.no_grad():
        same.text.blocks[0].mlp.fc1.bias[0] += 1
    assert tower_hash(one) != tower_hash(same)


def test_files_that_are_none(clip: Any, model: RisClipModel, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(UnavailableError, match="zsris train risclip"):
        load_model(path, clip)
    save_model(path, model)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptFileError, match="damaged"):
        load_model(path, clip)
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InvalidInputError, match="no RISCLIP checkpoint"):
        load_model(path, clip)


def test_a_folder_that_cannot_be_made(model: RisClipModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="could not be written"):
        save_model(tmp_path / "file" / "model.safetensors", model)
