from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
import torch

from tests.factories import openai_model, openai_state_dict, tiny_hf_model
from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.models import load_clip, loading


class Payload:
    """Unpickling this would make a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (str(self.target),))


@pytest.fixture(scope="module")
def openai_vit():
    return openai_model(0)


@pytest.fixture(scope="module")
def square():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(4))


@pytest.fixture(scope="module")
def expected(openai_vit, square):
    with torch.no_grad():
        return openai_vit.encode_image(square)


def copy_folder(source: Path, target: Path) -> Path:
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_openai_state_dict_in_memory(openai_vit, square, expected):
    state = openai_vit.state_dict()
    clip = load_clip(state, kind="openai", device="cpu")
    torch.testing.assert_close(clip.embed_images(square), expected, atol=1e-5, rtol=0)
    assert (clip.kind, clip.activation, clip.grid, clip.heads, clip.num_layers) == ("vit", "quick_gelu", (4, 4), 2, 2)
    with torch.no_grad():
        state["visual.proj"].mul_(1.0)
        kept = clip.model.visual_projection.weight
    assert kept.data_ptr() != state["visual.proj"].data_ptr(), "weights are copied"


def test_half_precision_checkpoints_load_in_the_asked_dtype(openai_vit, square, expected):
    state = {key: value.half() for key, value in openai_vit.state_dict().items()}
    clip = load_clip(state, kind="openai", device="cpu")
    assert clip.model.visual_projection.weight.dtype == torch.float32
    assert torch.cosine_similarity(clip.embed_images(square), expected).min() > 0.9999


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("form", ["torchscript", "zip", "legacy", "safetensors", "ddp"])
def test_openai_checkpoint_files(openai_vit, square, expected, tmp_path, form):
    path = tmp_path / ("model.safetensors" if form == "safetensors" else "model.pt")
    state = openai_vit.state_dict()
    if form == "torchscript":
        ids = torch.zeros(1, 77, dtype=torch.long)
        inputs = {"encode_image": square[:1], "encode_text": ids}
        torch.jit.trace_module(openai_vit, inputs, check_trace=False).save(str(path))
    elif form == "safetensors":
        from safetensors.torch import save_file

        save_file({key: value.contiguous() for key, value in state.items()}, path)
    elif form == "ddp":
        torch.save({f"module.{key}": value for key, value in state.items()}, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    # Only OpenAI's own format tells the activation.
    clip = load_clip(path, device="cpu", kind=None if form == "torchscript" else "openai")
    torch.testing.assert_close(clip.embed_images(square), expected, atol=1e-5, rtol=0)
    assert clip.activation == "quick_gelu" and clip.name == str(path)


def test_the_activation_is_said_and_not_guessed(square):
    plain = openai_model(0, quick_gelu=False)
    clip = load_clip(plain.state_dict(), device="cpu", kind="open_clip")
    with torch.no_grad():
        torch.testing.assert_close(clip.embed_images(square), plain.encode_image(square), atol=1e-5, rtol=0)
    assert clip.activation == "gelu" and "gelu" in repr(clip)
    quick = load_clip(plain.state_dict(), device="cpu", kind="openai")
    assert (quick.embed_images(square) - clip.embed_images(square)).abs().max() > 1e-3


def test_state_dicts_must_come_with_their_kind(openai_vit, square, expected, tmp_path):
    state = openai_vit.state_dict()
    path = tmp_path / "epoch_3.pt"
    torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    for source in (state, {"state_dict": state}, path):
        with pytest.raises(InvalidInputError, match="kind='open_clip'"):
            load_clip(source)
    clip = load_clip(path, kind="openai", device="cpu")
    torch.testing.assert_close(clip.embed_images(square), expected, atol=1e-5, rtol=0)


def test_kind_is_for_openai_layout_only(small_folder, hf_model):
    with pytest.raises(InvalidInputError, match="leave kind out"):
        load_clip(small_folder, kind="openai")
    with pytest.raises(InvalidInputError, match="leave kind out"):
        load_clip(hf_model, kind="openai")
    with pytest.raises(InvalidInputError, match="'open_clip'"):
        load_clip(hf_model, kind="laion")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_runs_code_is_refused(tmp_path, legacy):
    target = tmp_path / "made-by-payload"
    path = tmp_path / "model.pt"
    torch.save({"weight": Payload(target)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CorruptFileError, match="refused"):
        load_clip(path)
    path.write_bytes(pickle.dumps(Payload(target)))
    with pytest.raises(CorruptFileError):
        load_clip(path)
    assert not target.exists()


def test_a_folder_with_such_a_pickle_is_refused(small_folder, tmp_path):
    target = tmp_path / "made-by-payload"
    folder = tmp_path / "model"
    folder.mkdir()
    (copy_folder(small_folder, folder) / "model.safetensors").unlink()
    torch.save({"weight": Payload(target)}, folder / "pytorch_model.bin")
    with pytest.raises(CorruptFileError):
        load_clip(folder)
    assert not target.exists()


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 broken"], ids=["empty", "text", "zip"])
def test_garbage_is_named(tmp_path, content):
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"model\.pt"):
        load_clip(path)


def test_truncated_files_are_named(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CorruptFileError, match=r"model\.pt"):
        load_clip(path)


def test_incomplete_and_strange_state_dicts():
    state = openai_state_dict()
    for key, named in (("visual.ln_post.bias", "post_layernorm"), ("ln_final.weight", "ln_final")):
        with pytest.raises(CorruptFileError, match=named):
            load_clip({name: value for name, value in state.items() if name != key}, kind="openai")
    with pytest.raises(CorruptFileError, match="surplus"):
        load_clip(state | {"surplus": torch.zeros(1)}, kind="openai")
    with pytest.raises(CorruptFileError, match="do not fit"):
        load_clip(state | {"visual.ln_post.bias": torch.zeros(3)}, kind="openai")
    with pytest.raises(InvalidInputError, match="OpenAI's layout"):
        load_clip(tiny_hf_model().state_dict())
    with pytest.raises(InvalidInputError, match="state dict"):
        load_clip({"a": 1})
    with pytest.raises(InvalidInputError, match="state dict"):
        load_clip({})


def test_a_small_vocabulary_is_announced():
    with pytest.warns(ZsrisWarning, match="first 1000 entries"):
        clip = load_clip(openai_state_dict(vocab_size=1000), kind="openai", device="cpu")
    assert clip.embed_texts(["the left cat"]).shape == (1, 32)


def test_hugging_face_folder(small_folder, pixels):
    clip = load_clip(small_folder, device="cpu")
    model = tiny_hf_model(seed=0, vocab_size=1000)
    with torch.no_grad():
        expected = model.get_image_features(pixels).pooler_output
    features = clip.embed_images(pixels)
    assert torch.cosine_similarity(features, expected).min() > 0.9999  # stored in fp16
    assert clip.model.visual_projection.weight.dtype == torch.float32 and clip.embed_dim == 32
    assert load_clip(str(small_folder), device="cpu", dtype=torch.bfloat16).dtype == torch.bfloat16


def test_loading_a_folder_is_silent(small_folder, capfd):
    from transformers.utils import logging

    load_clip(small_folder, device="cpu")
    assert capfd.readouterr().err == "" and logging.is_progress_bar_enabled()


def test_a_given_model_is_copied(hf_model, pixels):
    model = tiny_hf_model(seed=3)
    model.train()
    clip = load_clip(model, device="cpu", dtype=torch.bfloat16)
    assert model.training and model.visual_projection.weight.requires_grad
    assert model.visual_projection.weight.dtype == torch.float32
    assert not clip.model.training


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        ("truncated", CorruptFileError, "fetch"),
        ("no weights", UnavailableError, "no weights"),
        ("no config", UnavailableError, "config.json"),
        ("bad config", CorruptFileError, "JSON"),
        ("list config", CorruptFileError, "object"),
        ("other model", InvalidInputError, "'bert'"),
        ("incomplete", CorruptFileError, "incomplete"),
        ("bad tokenizer", CorruptFileError, "tokenizer"),
        ("no tokenizer", UnavailableError, "tokenizer files"),
    ],
    ids=[
        "truncated",
        "no weights",
        "no config",
        "bad config",
        "list config",
        "other model",
        "incomplete",
        "bad tokenizer",
        "no tokenizer",
    ],
)
def test_damaged_folders_are_named(small_folder, tmp_path, damage, error, message):
    folder = copy_folder(small_folder, tmp_path)
    weights, config = folder / "model.safetensors", folder / "config.json"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-4000])
    elif damage == "no weights":
        weights.unlink()
    elif damage == "no config":
        config.unlink()
    elif damage == "bad config":
        config.write_text("{")
    elif damage == "list config":
        config.write_text("[]")
    elif damage == "other model":
        config.write_text('{"model_type": "bert"}')
    elif damage == "incomplete":
        from safetensors.torch import load_file, save_file

        state = load_file(weights)
        state.pop("visual_projection.weight")
        save_file(state, weights, metadata={"format": "pt"})
    else:
        for file in [*folder.glob("tokenizer*"), *folder.glob("vocab*"), *folder.glob("merges*")]:
            if damage == "bad tokenizer":
                file.write_text("{")
            else:
                file.unlink()
    with pytest.raises(error, match=message):
        load_clip(folder, device="cpu")


def test_missing_miniature_names_the_command(monkeypatch):
    monkeypatch.setattr(loading, "MINIATURES", {"miniature": "nothing-here"})
    with pytest.raises(UnavailableError, match=r"python -m zsris_viz\.miniature train"):
        load_clip("miniature")


@pytest.mark.parametrize("name", ["resnet", "./nowhere", "model.pt", "folder/model.pt", ""])
def test_unknown_names_list_what_there_is(name):
    with pytest.raises(InvalidInputError, match=r"miniature.*RN50"):
        load_clip(name)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_named(small_folder, small_rn_folder, tmp_path, value):
    from safetensors.torch import load_file, save_file

    state = openai_state_dict()
    state["visual.conv1.weight"][0, 0, 0, 0] = value
    with pytest.raises(CorruptFileError, match=r"patch_embedding\.weight"):
        load_clip(state, kind="openai", device="cpu")
    for folder, name in ((small_folder, "visual_projection.weight"), (small_rn_folder, "visual.conv1.weight")):
        weights = copy_folder(folder, tmp_path) / "model.safetensors"
        damaged = load_file(weights)
        damaged[name].view(-1)[7] = value
        save_file(damaged, weights, metadata={"format": "pt"})
        with pytest.raises(CorruptFileError, match=name):
            load_clip(tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("device", "error", "message"),
    [("nope", InvalidInputError, "'nope'"), (3.5, InvalidInputError, "3.5"), ("hpu", UnavailableError, "'cpu'")],
    ids=["nope", "number", "hpu"],
)
def test_devices_that_are_not_there(hf_model, device, error, message):
    with pytest.raises(error, match=message):
        load_clip(hf_model, device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_a_gpu(hf_model):
    with pytest.raises(UnavailableError, match="CUDA"):
        load_clip(hf_model, device="cuda")


def test_code_in_a_folder_never_runs(small_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    folder = tmp_path / "model"
    folder.mkdir()
    config = json.loads((copy_folder(small_folder, folder) / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    (folder / "own.py").write_text(f"open({str(tmp_path / 'made')!r}, 'w')")
    (folder / "config.json").write_text(json.dumps(config))
    load_clip(folder, device="cpu")
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "unknown-type"}))
    with pytest.raises(InvalidInputError):
        load_clip(folder, device="cpu")
    assert not (tmp_path / "made").exists()


def test_odd_arguments_are_refused(hf_model):
    with pytest.raises(InvalidTypeError, match="int"):
        load_clip(3)
    with pytest.raises(InvalidInputError, match="sdpa"):
        load_clip(hf_model, attention="flash")
    with pytest.raises(InvalidInputError, match="float"):
        load_clip(hf_model, dtype=torch.int8)
    with pytest.raises(InvalidInputError, match="preprocess"):
        load_clip(hf_model, preprocess="imagenet")
    with pytest.raises(InvalidInputError, match="tokens"):
        load_clip(tiny_hf_model(vocab_size=600), tokenizer=load_clip(hf_model, device="cpu").tokenizer)


def test_an_id_that_cannot_be_had_says_so():
    """The test session is offline, so nothing is asked of the network."""
    with pytest.raises(UnavailableError, match="miniature"):
        load_clip("openai/clip-vit-base-patch16")


def test_openai_models_by_name(monkeypatch, tmp_path, openai_vit, square, expected):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UnavailableError, match="ViT-B-32"):
        load_clip("ViT-B/32")
    cache = tmp_path / ".cache" / "clip"
    cache.mkdir(parents=True)
    torch.save(openai_vit.state_dict(), cache / "ViT-B-32.pt")
    torch.testing.assert_close(load_clip("ViT-B/32", device="cpu").embed_images(square), expected, atol=1e-5, rtol=0)


def test_importing_the_package_is_quick():
    """Nothing heavy is loaded before it is used."""
    import subprocess
    import sys

    code = (
        "import sys, zsris_viz.models; print([m for m in ('torch', 'transformers', 'open_clip') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
