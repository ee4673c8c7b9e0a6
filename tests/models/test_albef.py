"""ALBEF against timm's ViT and transformers' BERT, the modules of the authors' code, in a file of their layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.models.albef_file import DIM, SIDE, WIDTH, Authors, albef_file, vocabulary
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.methods import get_method
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.models import load_clip
from zsris_viz.models.preprocessing import CLIP_MEAN, CLIP_STD


@pytest.fixture(scope="module")
def authors() -> Authors:
    torch.manual_seed(0)
    return Authors(vocabulary=len(vocabulary())).eval()


@pytest.fixture(scope="module", params=["pre-trained", "retrieval"])
def file(request: Any, authors: Authors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return albef_file(tmp_path_factory.mktemp("albef"), authors, pretrained=request.param == "pre-trained")


def picture(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def words(text: str) -> list[int]:
    return [vocabulary().index(word) for word in ["[CLS]", *text.split()]]


def test_similarities_are_those_of_the_authors_modules(file: Path, authors: Authors) -> None:
    clip = load_clip(file, device="cpu")
    assert clip.kind == "blip" and clip.image_size == SIDE and "albef" in repr(clip)
    texts = ["the red cat", "a photo of the dog on the left"]
    ids = [words(text) for text in texts]
    arrays = [np.asarray(picture(seed).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for seed in (0, 1)]
    pixels = torch.from_numpy(np.stack(arrays) / 255).permute(0, 3, 1, 2).float()
    pixels = (pixels - torch.tensor(CLIP_MEAN)[:, None, None]) / torch.tensor(CLIP_STD)[:, None, None]
    expected = authors.similarity(pixels, ids)
    images, features = clip.embed_images([picture(0), picture(1)]), clip.embed_texts(texts)
    assert images.shape == features.shape == (2, DIM)
    torch.testing.assert_close(clip.similarity(images, features), expected, atol=1e-5, rtol=1e-5)
    assert expected.std() > 1e-3  # not all the same


def test_texts_are_treated_as_by_the_authors(file: Path) -> None:
    clip = load_clip(file, device="cpu")
    plain, odd = clip.embed_texts(["the red cat on the left"]), clip.embed_texts(["The Red-Cat, on the (left)!"])
    torch.testing.assert_close(odd, plain)
    with pytest.warns(Warning, match="30 tokens"):
        long = clip.embed_texts(["cat " * 40])
    torch.testing.assert_close(long, clip.embed_texts(["cat " * 29]))  # and [CLS]


def test_tas_and_cropping_use_it(file: Path, authors: Authors) -> None:
    clip = load_clip(file, device="cpu")
    masks = np.zeros((2, 40, 60), dtype=bool)
    masks[0, 5:30, 5:25], masks[1, 10:35, 30:55] = True, True
    scene = SceneFeatures(picture(), masks, clip)
    ranking = get_method("tas").predict(
        scene, "the red cat", captions=["a cat", "a dog"], image_caption="a dog", noun_phrase="the red cat"
    )
    assert ranking.scores.shape == (2,) and torch.isfinite(ranking.scores).all()
    with pytest.raises(UnavailableError):
        get_method("global-local").predict(scene, "the red cat", noun_phrase="the red cat")


def unreachable(*_: object, **__: object) -> None:
    raise OSError("no network")


def test_what_is_missing_or_damaged(
    file: Path, authors: Authors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = authors.checkpoint(False)["model"]
    assert load_clip(state, tokenizer=file.parent, device="cpu").embed_dim == DIM
    with pytest.raises(InvalidInputError, match="ALBEF"):
        load_clip(file, kind="openai")
    with pytest.raises(UnavailableError, match=r"no vocab\.txt"):
        load_clip(state, tokenizer=tmp_path, device="cpu")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    with pytest.raises(UnavailableError, match=r"vocab\.txt .*beside the checkpoint"):
        load_clip(state, device="cpu")
    del state["text_proj.bias"]
    with pytest.raises(CorruptFileError, match="text_proj"):
        load_clip(state, tokenizer=file.parent, device="cpu")
    state = authors.checkpoint(False)["model"]
    state["visual_encoder.blocks.0.mlp.fc1.weight"] = torch.full((512, WIDTH), torch.nan)
    with pytest.raises(CorruptFileError, match="no number"):
        load_clip(state, tokenizer=file.parent, device="cpu")
