"""Folders of a ViT CLIP without transformers' modules: the same weights and features, and what is left to it."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
import torch
from packaging.version import Version
from safetensors.torch import load_file, save_file

from tests.factories import tiny_hf_model
from zsris_viz.models import load_clip
from zsris_viz.models.vit_modules import VitModel, read_vit_folder

TEXTS = ["the left cat", "a red cup behind the second car from the right"]


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_weights_and_features_are_those_of_transformers(tmp_path, small_folder, pixels, activation):
    model = tiny_hf_model(seed=3, vocab_size=1000, hidden_act=activation)
    model.save_pretrained(str(tmp_path))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(small_folder / name, tmp_path)
    clip = load_clip(tmp_path)
    assert isinstance(clip.model, VitModel)
    assert {name: value.tolist() for name, value in clip.model.state_dict().items()} == {
        name: value.tolist() for name, value in model.state_dict().items()
    }
    ids = clip.tokenize(TEXTS).ids
    with torch.no_grad():
        images, texts = model.get_image_features(pixels), model.get_text_features(ids)
    torch.testing.assert_close(clip.embed_images(pixels), images.pooler_output, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(clip.embed_texts(TEXTS), texts.pooler_output, atol=1e-5, rtol=1e-5)


def test_position_ids_of_older_files_are_left_out(tmp_path, small_folder):
    folder = shutil.copytree(small_folder, tmp_path / "clip")
    weights = load_file(folder / "model.safetensors")
    weights["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    weights["vision_model.embeddings.position_ids"] = torch.arange(50)[None]
    save_file(weights, folder / "model.safetensors")
    model = read_vit_folder(folder, torch.float32)
    assert model is not None
    assert model.text_projection.weight.dtype == torch.float32  # the file has fp16


def test_other_files_are_left_to_transformers(tmp_path, small_folder):
    """Another file of weights, another activation, a tensor too many."""
    pickled = shutil.copytree(small_folder, tmp_path / "pickled")
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    assert read_vit_folder(pickled, torch.float32) is None
    assert load_clip(pickled).embed_dim == 32

    activation = tmp_path / "activation"
    tiny_hf_model(seed=0, vocab_size=1000, hidden_act="silu").save_pretrained(str(activation))
    assert read_vit_folder(activation, torch.float32) is None

    more = shutil.copytree(small_folder, tmp_path / "more")
    save_file({**load_file(more / "model.safetensors"), "more": torch.zeros(1)}, more / "model.safetensors")
    assert read_vit_folder(more, torch.float32) is None


def test_the_miniature_is_loaded_without_modules_for_training():
    """transformers' modules and torch's compiler would take longer to import than all the rest."""
    code = (
        "import sys; from zsris_viz import load_clip; load_clip('miniature').embed_texts('the left cat')\n"
        "heavy = ('transformers.modeling_utils', 'torch._dynamo', 'torchvision', 'matplotlib', 'spacy', 'skimage')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # The oldest torch that is allowed imports its compiler with its distributed tensors.
    assert done.stdout.strip() in ("[]", "['torch._dynamo']" if Version(torch.__version__) < Version("2.15") else "[]")
