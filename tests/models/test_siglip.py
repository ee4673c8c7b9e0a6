"""SigLIP and SigLIP 2 against transformers' own computation, on small models that save_pretrained wrote."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.methods import SceneFeatures, get_method, list_methods
from zsris_viz.models import LayeredModel, Siglip, load_clip

WORDS = ["</s>", "<unk>", "a", "left", "cat", "the", "dog", "red", "second", "bus"]
LETTERS = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *"abcdefghijklmnopqrstuvwxyz"]
LENGTH = 20
TEXTS = ["the left cat", "a red dog", "THE second bus"]
PICTURES = [
    Image.fromarray(np.random.default_rng(i).integers(0, 256, (40 + i, 56, 3), dtype=np.uint8)) for i in range(3)
]


def save_siglip(folder, family):
    """Write a small model of random weights with its tokenizer and processor."""
    torch.manual_seed(3)
    shared = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
    vision = {"patch_size": 8, **({"image_size": 32} if family == "siglip" else {"num_patches": 16})}
    text = {
        "vocab_size": len(LETTERS), "max_position_embeddings": LENGTH, "projection_size": 32,
        "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0,
    }  # fmt: skip
    config, model = {
        "siglip": (transformers.SiglipConfig, transformers.SiglipModel),
        "siglip2": (transformers.Siglip2Config, transformers.Siglip2Model),
    }[family]
    built = model(config(vision_config=shared | vision, text_config=shared | text)).eval()
    with torch.no_grad():
        for weight in built.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
        built.logit_bias.fill_(-1.5)
    built.save_pretrained(folder)
    if family == "siglip2":
        letters = {letter: i for i, letter in enumerate(LETTERS)}
        transformers.Siglip2Tokenizer(vocab=letters, merges=[]).save_pretrained(folder)  # pads on the left
        return built
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 0)])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="</s>", pad_token="</s>", unk_token="<unk>", padding_side="right"
    ).save_pretrained(folder)
    return built


@pytest.fixture(scope="module", params=["siglip", "siglip2"])
def pair(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    model = save_siglip(folder, request.param)
    return model, load_clip(folder, device="cpu"), folder


def library_images(model, images):
    """Features by transformers' own processing of squashed images."""
    squashed = [image.resize((32, 32), Image.Resampling.BICUBIC) for image in images]
    if model.config.model_type == "siglip":
        processor = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    else:
        processor = transformers.Siglip2ImageProcessor(patch_size=8, max_num_patches=16)
    with torch.no_grad():
        return model.get_image_features(**processor(images=squashed, return_tensors="pt")).pooler_output


def library_texts(model, folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer([text.lower() for text in TEXTS], padding="max_length", max_length=LENGTH, return_tensors="pt")
    with torch.no_grad():
        return model.get_text_features(ids["input_ids"]).pooler_output


def test_features_are_those_of_transformers(pair):
    model, clip, folder = pair
    assert isinstance(clip, Siglip) and isinstance(clip, LayeredModel)
    assert (clip.kind, clip.image_size, clip.grid, clip.embed_dim, clip.context_length) == (
        "siglip",
        32,
        (4, 4),
        32,
        LENGTH,
    )
    images, texts = clip.embed_images(PICTURES), clip.embed_texts(TEXTS)
    torch.testing.assert_close(images, library_images(model, PICTURES), atol=1e-5, rtol=0)
    torch.testing.assert_close(texts, library_texts(model, folder), atol=1e-5, rtol=0)
    cosines = torch.nn.functional.normalize(images, dim=-1) @ torch.nn.functional.normalize(texts, dim=-1).T
    expected = torch.sigmoid(model.logit_scale.exp() * cosines + model.logit_bias).detach()
    torch.testing.assert_close(clip.probability(images, texts), expected, atol=1e-5, rtol=0)


def test_layers_are_those_of_transformers(pair):
    model, clip, _ = pair
    trace = clip.trace_image(PICTURES[0])
    if model.config.model_type == "siglip":
        model.set_attn_implementation("eager")
        out = model.vision_model(clip.pixels(PICTURES[0]), output_hidden_states=True, output_attentions=True)
        for ours, theirs in zip(trace.layers, out.hidden_states, strict=False):
            torch.testing.assert_close(ours, theirs.detach(), atol=1e-5, rtol=0)
        for ours, theirs in zip(trace.attentions[1:], out.attentions, strict=True):
            torch.testing.assert_close(ours, theirs.detach(), atol=1e-5, rtol=0)
    assert len(trace) == 4 and trace.grids == [(4, 4)] * 4 and trace.patches(2).shape == (1, 16, 32)
    expected = clip.embed_images(PICTURES[0])
    for layer in range(4):
        torch.testing.assert_close(clip.resume(trace.layers[layer], layer), expected, atol=1e-5, rtol=0)
    with pytest.raises(InvalidInputError, match="CLS"):
        trace.cls(-1)
    texts = clip.trace_texts(TEXTS)
    pooled = clip.project_text(texts.layers[-1][:, -1])
    torch.testing.assert_close(pooled, clip.embed_texts(TEXTS), atol=1e-5, rtol=0)
    torch.testing.assert_close(clip.resume_text(texts.layers[1], 1, texts.tokens), pooled, atol=1e-5, rtol=0)


def test_masks_act_on_every_block_and_on_the_pooling(pair):
    model, clip, _ = pair
    trace = clip.trace_image(PICTURES[0])
    masks = torch.rand(3, 16, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    hidden = trace.layers[1].expand(3, -1, -1)
    with torch.no_grad():
        for block in model.vision_model.encoder.layers[1:]:
            hidden = block(hidden * masks[..., None], None)
        expected = model.vision_model.head(model.vision_model.post_layernorm(hidden * masks[..., None]))
    found = clip.resume(trace.layers[1], 1, token_mask=masks, batch_size=2)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    one = clip.project(trace.layers[3][0, 5])
    alone = clip.resume(trace.layers[3][:, 5:6], 3)[0]
    torch.testing.assert_close(one, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(clip.dense_values(trace)[0, 5], one, atol=1e-5, rtol=0)
    with pytest.raises(InvalidInputError, match="no CLS"):
        clip.resume(trace.layers[1], 1, token_mask=torch.ones(1, 15))


def test_other_sizes_interpolate_positions(pair):
    _, clip, _ = pair
    assert clip.trace_image(torch.randn(1, 3, 48, 64)).grids[0] == (6, 8)
    with pytest.raises(InvalidInputError, match="patches of 8"):
        clip.embed_images(torch.randn(1, 3, 30, 32))


def test_tokens_know_their_characters(pair):
    model, clip, _ = pair
    tokens = clip.tokenize(["the left cat", "a"])
    assert tokens.ids.shape == (2, LENGTH) and tokens.end.tolist() == [LENGTH - 1] * 2
    assert [len(spans) for spans in tokens.spans] == [LENGTH] * 2
    if model.config.model_type == "siglip":
        assert tokens.tokens_of(4, 8) == [1] and tokens.words()[2] == ("cat", (9, 12), [2])
        assert tokens.pieces[0][:4] == ["the", "left", "cat", "</s>"] and set(tokens.pieces[0][4:]) == {""}
        with pytest.warns(ZsrisWarning, match=f"reads {LENGTH}"):
            assert clip.tokenize("a " * (LENGTH - 2) + "red dog").lost[0] == "dog"
    else:  # a token for each letter
        left = tokens.tokens_of(4, 8)
        assert [tokens.pieces[0][token] for token in left] == list("left")
        assert left == [LENGTH - 12 + 4 + i for i in range(4)], "padding comes first"
        with pytest.raises(InvalidInputError, match="cut off"):
            clip.tokenize("a" * (LENGTH + 1), on_overflow="error")
    for bad, error in (("", InvalidInputError), ([], InvalidInputError), ([3], InvalidTypeError)):
        with pytest.raises(error):
            clip.tokenize(bad)
    with pytest.raises(InvalidInputError, match=f"{LENGTH} tokens"):
        clip.tokenize("a", length=5)
    with pytest.raises(InvalidInputError, match="on_overflow='cut' is unknown"):
        clip.tokenize("a", on_overflow="cut")


def test_methods_that_read_cls_are_refused_and_name_another(pair):
    _, clip, _ = pair
    masks = np.zeros((2, 40, 56), dtype=bool)
    masks[0, :20], masks[1, 20:] = True, True
    scene = SceneFeatures(PICTURES[0], masks, clip)
    assert {"cropping", "text-only", "tas"} <= {info.name for info in list_methods() if info.accepts(clip)}
    assert get_method("cropping").predict(scene, "the left cat").chosen in (0, 1)
    with pytest.raises(UnavailableError, match="cropping"):
        get_method("global-local").predict(scene, "the left cat")


def test_half_precision_features_are_fp32(pair):
    _, clip, folder = pair
    half = load_clip(folder, device="cpu", dtype="bfloat16")
    assert half.dtype == torch.bfloat16 and half.embed_images(PICTURES).dtype == torch.float32
    assert torch.cosine_similarity(half.embed_images(PICTURES), clip.embed_images(PICTURES)).min() > 0.99
    assert load_clip(folder, device="cpu", preprocess="glclip").preprocess.name == "glclip"
    with pytest.raises(InvalidInputError, match="no CLIP"):
        load_clip(folder, kind="openai")
