"""Models of open_clip against open_clip's own computation: small configurations, random weights, no download."""

from __future__ import annotations

import json

import open_clip
import pytest
import torch

from zsris_viz.errors import InvalidInputError, UnavailableError, ZsrisWarning
from zsris_viz.methods import list_methods
from zsris_viz.models import ImageTextModel, LayeredModel, VitClip, load_clip

TEXTS = ["the left cat", "a red cup behind the second car", "Don’t wait 🐱"]
VISION = {"image_size": 64, "layers": 3, "width": 96, "patch_size": 16, "head_width": 24, "mlp_ratio": 3.0}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 80, "heads": 5, "layers": 2}
CONFIGS = {
    "tiny-laion": {"embed_dim": 48, "vision_cfg": VISION, "text_cfg": TEXT},
    "tiny-quickgelu": {"embed_dim": 48, "quick_gelu": True, "vision_cfg": VISION, "text_cfg": TEXT},
    "tiny-custom": {"embed_dim": 48, "custom_text": True, "vision_cfg": VISION, "text_cfg": TEXT},
    "tiny-scaled": {"embed_dim": 48, "vision_cfg": VISION | {"ls_init_value": 0.1}, "text_cfg": TEXT},
    "tiny-pooled": {"embed_dim": 48, "vision_cfg": VISION | {"attentional_pool": True}, "text_cfg": TEXT},
    "tiny-eva": {
        "embed_dim": 48,
        "custom_text": True,
        "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": None, "image_size": 160},
        "text_cfg": TEXT,
    },
}
LAYERED = ("tiny-laion", "tiny-quickgelu", "tiny-custom")


@pytest.fixture(scope="module", autouse=True)
def configs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("configs")
    for name, config in CONFIGS.items():
        if name == "tiny-eva":
            config["vision_cfg"]["timm_proj"] = "linear"
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    return folder


def made(name, folder):
    """Return a random model and the file with its weights."""
    torch.manual_seed(5)
    model = open_clip.create_model(name).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape))
    torch.save(model.state_dict(), folder / "weights.pt")
    return model, folder / "weights.pt"


@pytest.mark.parametrize("name", CONFIGS)
def test_features_are_those_of_open_clip(name, tmp_path):
    model, file = made(name, tmp_path)
    clip = load_clip(f"open_clip:{name}/{file}", device="cpu")
    assert isinstance(clip, ImageTextModel) and isinstance(clip, LayeredModel) == (name in LAYERED)
    assert clip.kind == ("vit" if name in LAYERED else "open_clip") and name in repr(clip)
    pixels = torch.randn(2, 3, clip.image_size, clip.image_size)
    with torch.no_grad():
        images, texts = model.encode_image(pixels), model.encode_text(open_clip.get_tokenizer(name)(TEXTS))
    torch.testing.assert_close(clip.embed_images(pixels), images, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(clip.embed_texts(TEXTS), texts, atol=1e-5, rtol=1e-5)
    assert clip.embed_dim == images.shape[-1] == 48
    accepted = {info.name for info in list_methods() if info.accepts(clip)}
    assert {"cropping", "tas"} <= accepted and ("global-local" in accepted) == (name in LAYERED)
    if isinstance(clip, VitClip):
        assert clip.activation == ("quick_gelu" if name == "tiny-quickgelu" else "gelu") and clip.heads == 4
        trace = clip.trace_image(pixels)
        torch.testing.assert_close(clip.resume(trace.layers[1], 1), images, atol=1e-5, rtol=1e-5)


def test_a_folder_with_open_clips_own_configuration(tmp_path):
    model, _ = made("tiny-laion", tmp_path)
    (tmp_path / "weights.pt").rename(tmp_path / "open_clip_pytorch_model.bin")
    half = (0.5, 0.5, 0.5)
    settings = {"model_cfg": CONFIGS["tiny-laion"], "preprocess_cfg": {"mean": half, "std": half}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(settings))
    clip = load_clip(f"open_clip:local-dir:{tmp_path}", device="cpu")
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(clip.embed_images(pixels), model.encode_image(pixels), atol=1e-5, rtol=1e-5)
    assert clip.preprocess.mean == half and clip.preprocess.name == "open_clip"


def test_names_and_weights_that_do_not_exist(tmp_path):
    with pytest.raises(InvalidInputError, match="ViT-B-32"):
        load_clip("open_clip:ViT-B-33/openai")
    with pytest.raises(InvalidInputError, match="metaclip_400m"):
        load_clip("open_clip:ViT-B-16")
    with pytest.raises(InvalidInputError, match="dfn2b"):
        load_clip("open_clip:ViT-B-16/nothing")
    with pytest.raises(InvalidInputError, match="leave them out"):
        load_clip("open_clip:ViT-B-16/dfn2b", kind="openai")
    (tmp_path / "weights.pt").write_bytes(b"no weights")
    with pytest.raises(UnavailableError, match="tiny-laion"):
        load_clip(f"open_clip:tiny-laion/{tmp_path / 'weights.pt'}")


def test_damaged_weights_are_named(tmp_path):
    model, file = made("tiny-laion", tmp_path)
    state = model.state_dict()
    state["visual.proj"][0, 0] = float("nan")
    torch.save(state, file)
    with pytest.raises(UnavailableError, match=r"visual\.proj"):
        load_clip(f"open_clip:tiny-laion/{file}")


def test_texts_of_embedding_models_are_checked(tmp_path):
    _, file = made("tiny-scaled", tmp_path)
    clip = load_clip(f"open_clip:tiny-scaled/{file}", device="cpu", dtype="bfloat16")
    assert clip.embed_texts("", allow_empty=True).dtype == torch.float32
    with pytest.warns(ZsrisWarning, match="1 text.* more than the 77 tokens"):
        clip.embed_texts(["a cat", "cat " * 76])
    with pytest.raises(InvalidInputError, match="empty"):
        clip.embed_texts([" "])
    with pytest.raises(TypeError, match="int"):
        clip.embed_texts([1])
