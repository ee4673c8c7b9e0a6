"""Loading of published checkpoints, on small random ones in their form, against transformers' own calls."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from tests.captioning.tiny_models import blip2_folder, blip_folder, blip_itc_folder, git_folder
from zsris_viz.captioning import load_captioner
from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError, UnavailableError

PICTURES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30 + 7 * seed, 40, 3), dtype=np.uint8))
    for seed in range(4)
]


@pytest.fixture(scope="module")
def git(tmp_path_factory):
    return git_folder(tmp_path_factory.mktemp("git"))


@pytest.fixture(scope="module")
def blip2(tmp_path_factory):
    return blip2_folder(tmp_path_factory.mktemp("blip2"))


def test_git(git):
    from transformers import AutoProcessor, GitForCausalLM

    captioner = load_captioner(git, batch_size=3, cache=False, device="cpu")
    model, processor = GitForCausalLM.from_pretrained(git).eval(), AutoProcessor.from_pretrained(git)
    expected = []
    for picture in PICTURES:
        pixels = processor(images=picture, return_tensors="pt").pixel_values
        with torch.no_grad():
            out = model.generate(pixel_values=pixels, max_length=24, num_beams=1, do_sample=False)
        expected.append(" ".join(processor.batch_decode(out, skip_special_tokens=True)[0].split()))
    assert captioner.caption_images(PICTURES) == expected
    assert len(set(expected)) > 1 and all(expected)
    assert captioner.settings["kind"] == "git" and captioner.max_tokens == 24
    assert captioner.settings["weights"] != "" and captioner.kind == "git" and captioner.beams == 1


def test_blip(tmp_path):
    from transformers import AutoProcessor, BlipForConditionalGeneration

    folder = blip_folder(tmp_path / "blip")
    captioner = load_captioner(folder, batch_size=3, cache=False, device="cpu")
    model, processor = (
        BlipForConditionalGeneration.from_pretrained(folder).eval(),
        AutoProcessor.from_pretrained(folder),
    )
    expected = []
    for picture in PICTURES:
        pixels = processor(images=picture, return_tensors="pt").pixel_values
        with torch.no_grad():
            out = model.generate(pixel_values=pixels, max_length=20, num_beams=3, do_sample=False)
        expected.append(" ".join(processor.batch_decode(out, skip_special_tokens=True)[0].split()))
    assert captioner.caption_images(PICTURES) == expected and any(expected)
    assert captioner.kind == "blip" and captioner.settings["beams"] == 3
    with pytest.raises(InvalidInputError, match="BLIP-2"):
        load_captioner(folder, prompt="a photo of")


def test_weights_that_are_no_numbers_are_refused(git, tmp_path):
    from safetensors.torch import load_file, save_file

    copy = tmp_path / "nan"
    shutil.copytree(git, copy)
    state = load_file(copy / "model.safetensors")
    state[next(name for name in state if name.endswith("weight"))].fill_(float("inf"))
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CorruptFileError, match="no number"):
        load_captioner(copy)


@pytest.mark.parametrize("old", [False, True])
def test_blip2(tmp_path, blip2, old):
    from transformers import Blip2ForConditionalGeneration, BlipImageProcessor

    folder = blip2_folder(tmp_path, old=True) if old else blip2
    captioner = load_captioner(folder, max_tokens=6, beams=2, batch_size=3, cache=False, device="cpu")
    model = Blip2ForConditionalGeneration.from_pretrained(blip2).eval()  # old and new hold the same weights
    images = BlipImageProcessor(size={"height": 28, "width": 28})
    expected = []
    for picture in PICTURES:
        pixels = images(images=picture, return_tensors="pt").pixel_values
        with torch.no_grad():
            out = model.generate(pixel_values=pixels, max_new_tokens=6, num_beams=2, do_sample=False)
        expected.append(" ".join(captioner.processor.tokenizer.decode(out[0], skip_special_tokens=True).split()))
    assert captioner.caption_images(PICTURES) == expected
    assert len(set(expected)) > 1
    assert captioner.settings | {"weights": ""} == {
        "kind": "blip-2", "weights": "", "dtype": "float32", "eight_bit": False, "max_tokens": 6, "beams": 2,
        "prompt": "",
    }  # fmt: skip


def test_a_prompt_is_continued_and_left_out(blip2):
    plain = load_captioner(blip2, max_tokens=5, beams=1, cache=False, device="cpu")
    prompted = load_captioner(blip2, max_tokens=5, beams=1, cache=False, device="cpu", prompt="a cat")
    captions = prompted.caption_images(PICTURES[:2])
    assert not any(caption.startswith("a cat a cat") for caption in captions) and prompted.settings["prompt"] == "a cat"
    assert captions != plain.caption_images(PICTURES[:2])
    ids = prompted._prompt_ids()[0].tolist()
    assert ids[:3] == [prompted.model.config.image_token_index] * 3
    assert prompted.processor.tokenizer.decode(ids[3:], skip_special_tokens=True) == "a cat"


def test_dtype_and_settings(git, blip2):
    half = load_captioner(git, dtype=torch.bfloat16, device="cpu", cache=False)
    assert next(half.model.parameters()).dtype == torch.bfloat16 and half.settings["dtype"] == "bfloat16"
    assert len(half.caption_images(PICTURES[:1])) == 1
    for wrong in ({"max_tokens": 0}, {"beams": 0}, {"max_tokens": -2}):
        with pytest.raises(InvalidInputError, match=next(iter(wrong))):
            load_captioner(git, **wrong)
    with pytest.raises(InvalidTypeError, match="dtype"):
        load_captioner(git, dtype=torch.int64)
    with pytest.raises(InvalidTypeError, match="colour"):
        load_captioner(git, colour="red")
    with pytest.raises(InvalidInputError, match="prompt"):
        load_captioner(git, prompt="a photo of")


def test_eight_bit_needs_bitsandbytes(git, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else find(name))
    with pytest.raises(UnavailableError, match="pip install bitsandbytes"):
        load_captioner(git, eight_bit=True, device="cpu")
    assert load_captioner(git, device="cpu", cache=False).eight_bit is False


def test_damaged_and_foreign_folders(git, tmp_path):
    broken = shutil.copytree(git, tmp_path / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(CorruptFileError, match=r"truncated|damaged|read"):
        load_captioner(broken)
    weights.unlink()
    with pytest.raises(UnavailableError, match=r"model\.safetensors"):
        load_captioner(broken)
    lacking = shutil.copytree(git, tmp_path / "lacking")
    from safetensors.torch import load_file, save_file

    state = load_file(lacking / "model.safetensors")
    state.pop("git.visual_projection.visual_projection.0.weight")
    save_file(state, lacking / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CorruptFileError, match="incomplete"):
        load_captioner(lacking)
    (lacking / "config.json").write_text("{ no json")
    with pytest.raises(CorruptFileError, match="JSON"):
        load_captioner(lacking)
    (lacking / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(InvalidInputError, match="gpt2"):
        load_captioner(lacking)
    with pytest.raises(CorruptFileError, match="incomplete"):  # a BLIP that compares, without a text decoder
        load_captioner(blip_itc_folder(tmp_path / "blip"))
