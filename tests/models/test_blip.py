"""BLIP and BLIP-2 behind the two calls, against transformers' own forward pass on small random models."""

import shutil

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from tests.captioning.tiny_models import blip2_itc_folder, blip_itc_folder, git_folder
from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.methods import SceneFeatures, get_method, list_methods
from zsris_viz.models import BlipModel, ImageTextModel, LayeredModel, load_blip, load_clip

PICTURES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30 + 9 * seed, 40, 3), dtype=np.uint8))
    for seed in range(3)
]
TEXTS = ["the red cat", "a dog on the left of the bus", "bus"]


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    return blip_itc_folder(tmp_path_factory.mktemp("blip"))


@pytest.fixture(scope="module")
def blip2(tmp_path_factory):
    return blip2_itc_folder(tmp_path_factory.mktemp("blip2"))


def published(folder, cls):
    """(B, T) similarities by the model's own forward pass, one picture and one text at a time."""
    model = getattr(transformers, cls).from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    rows = []
    for picture in PICTURES:
        pixels = processor.image_processor(images=picture, return_tensors="pt").pixel_values
        row = []
        for text in TEXTS:
            words = processor.tokenizer(text, return_tensors="pt")
            with torch.no_grad():
                inputs = {"pixel_values": pixels, "input_ids": words.input_ids, "attention_mask": words.attention_mask}
                if cls.startswith("Blip2"):
                    row.append(model(**inputs, use_image_text_matching_head=False).logits_per_image.item())
                else:
                    row.append(model(**inputs, use_itm_head=False).itm_score.item())
        rows.append(row)
    return torch.tensor(rows)


@pytest.mark.parametrize(
    ("family", "cls", "queries"),
    [("blip", "BlipForImageTextRetrieval", 1), ("blip-2", "Blip2ForImageTextRetrieval", 3)],
)
def test_similarities_are_the_published_models(blip, blip2, family, cls, queries):
    folder = blip if family == "blip" else blip2
    clip = load_clip(folder, device="cpu")
    assert isinstance(clip, BlipModel) and (clip.kind, clip.family, clip.queries) == ("blip", family, queries)
    images, texts = clip.embed_images(PICTURES, batch_size=2), clip.embed_texts(TEXTS, batch_size=2)
    assert images.shape == (3, clip.embed_dim) == (3, queries * 16) and texts.shape == (3, 16)
    expected = published(folder, cls)
    # The published preprocessing resizes tensors, ours lets Pillow do it: 8-bit rounding differs.
    torch.testing.assert_close(clip.similarity(images, texts), expected, atol=0.02, rtol=0)
    prepare = transformers.AutoProcessor.from_pretrained(folder).image_processor
    pixels = torch.cat([prepare(images=picture, return_tensors="pt").pixel_values for picture in PICTURES])
    torch.testing.assert_close(clip.similarity(clip.embed_images(pixels), texts), expected, atol=1e-5, rtol=1e-4)
    assert (clip.calls.images, clip.calls.texts) == (6, 3)
    assert clip.embed_images(pixels[:0]).shape == (0, clip.embed_dim)


def test_a_model_without_layers_is_refused_by_the_methods_that_need_them(blip2):
    clip = load_clip(blip2, device="cpu")
    assert isinstance(clip, ImageTextModel) and not isinstance(clip, LayeredModel) and "3 x 16" in repr(clip)
    assert [info.name for info in list_methods() if info.accepts(clip)] == ["text-only", "cropping", "tas"]
    scene = SceneFeatures(PICTURES[2], np.ones((1, 48, 40), dtype=bool), clip)
    with pytest.raises(UnavailableError, match="'blip'"):
        get_method("global-local").predict(scene, "the cat")
    with pytest.raises(UnavailableError, match="cropping, text-only or tas"):
        scene.trace()


def test_cropping_and_tas_choose_by_the_published_similarity(blip2):
    clip = load_clip(blip2, device="cpu")
    masks = np.zeros((3, 48, 40), dtype=bool)
    for row, box in enumerate([(2, 2, 20, 15), (20, 10, 44, 30), (5, 22, 30, 38)]):
        masks[row, box[0] : box[2], box[1] : box[3]] = True
    scene = SceneFeatures(PICTURES[2], masks, clip)
    crops = clip.embed_images(scene.crops())
    expected = clip.similarity(crops, clip.embed_texts(["the cat"]))[:, 0]
    torch.testing.assert_close(get_method("cropping").predict(scene, "the cat").scores, expected)
    captions = ["a red cat", "the bus", "a dog"]
    ranking = get_method("tas").predict(
        scene, "the cat", captions=captions, negatives=["a photo of the bus", "a photo of a dog"], direction=None
    )
    texts = torch.nn.functional.normalize(clip.embed_texts([*captions, "the cat"]), dim=-1)
    negatives = clip.similarity(crops, clip.embed_texts(["a photo of the bus", "a photo of a dog"])).mean(1)
    torch.testing.assert_close(ranking.scores, expected + 0.1 * texts[:3] @ texts[3] - 0.7 * negatives)


def test_texts(blip):
    clip = load_clip(blip, device="cpu")
    with pytest.warns(ZsrisWarning, match="35 tokens"):
        long = clip.embed_texts("cat " * 100)
    torch.testing.assert_close(long, clip.embed_texts("cat " * 33))  # 33 words, start and end
    assert clip.embed_texts("", allow_empty=True).shape == (1, 16)
    with pytest.raises(InvalidInputError, match="empty"):
        clip.embed_texts(["a cat", " "])
    with pytest.raises(InvalidTypeError, match="strings"):
        clip.embed_texts([1, 2])


def test_what_is_given_or_damaged(blip, tmp_path):
    with pytest.raises(InvalidInputError, match="tokenizer"):
        load_clip(blip, kind="openai")
    with pytest.raises(UnavailableError, match="miniature"):
        load_clip("Salesforce/blip-itm-base-coco")
    with pytest.raises(InvalidInputError, match="'git'"):
        load_blip(git_folder(tmp_path / "git"))
    broken = shutil.copytree(blip, tmp_path / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CorruptFileError):
        load_clip(broken)
    assert load_clip(blip, device="cpu", preprocess="glclip").preprocess.name == "glclip"
