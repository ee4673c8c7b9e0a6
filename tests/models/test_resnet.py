from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from tests.factories import TINY_RN, openai_model, tiny_rn_clip
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.models import RNModel, load_clip, save_clip_rn


@pytest.fixture(scope="module")
def library():
    return openai_model(0, **TINY_RN)


@pytest.fixture(scope="module")
def feature_map(rn, rn_pixels):
    return rn.feature_map(rn_pixels)


def test_attributes_describe_the_tower(rn):
    assert (rn.kind, rn.grid, rn.patch_size, rn.image_size) == ("rn", (2, 2), 32, 64)
    assert (rn.num_layers, rn.width, rn.heads, rn.embed_dim) == (4, 256, 4, 32)
    assert not rn.has_cls and rn.activation == "quick_gelu" and "ResNetClip" in repr(rn)


def test_features_are_open_clips(rn, library, rn_pixels, feature_map):
    with torch.no_grad():
        expected = library.encode_image(rn_pixels)
    torch.testing.assert_close(rn.embed_images(rn_pixels), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(rn.pool(feature_map), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(rn.embed_images(rn_pixels, batch_size=1), expected, atol=1e-5, rtol=0)


def test_trace_holds_the_stages(rn, library, rn_pixels, feature_map):
    trace = rn.trace_image(rn_pixels)
    with torch.no_grad():
        stages = library.visual.forward_intermediates(rn_pixels, intermediates_only=True)["image_intermediates"]
    assert len(trace) == 5 and trace.grids == [(16, 16), (16, 16), (8, 8), (4, 4), (2, 2)]
    for number, stage in enumerate(stages):
        torch.testing.assert_close(trace.map(number), stage, atol=1e-5, rtol=0)
    torch.testing.assert_close(trace.map(4), feature_map)
    assert trace.attentions == [None] * 5
    with pytest.raises(InvalidInputError, match=r"clip\.pool"):
        trace.cls(4)


def test_masked_pooling_takes_query_keys_and_values_from_the_masked_map(rn, library, feature_map):
    masks = torch.tensor([[[1.0, 0.0], [0.5, 0.0]], [[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]])
    masked = feature_map[:1] * masks[:, None]
    with torch.no_grad():
        expected = library.visual.attnpool(masked)
    pooled, weights = rn.pool(masked, return_weights=True, batch_size=2)
    torch.testing.assert_close(pooled, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(pooled[1], rn.pool(feature_map)[0], atol=1e-5, rtol=0)
    assert weights.shape == (3, 4, 5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4))


def test_dense_values_are_two_convolutions(rn, feature_map, rn_pixels):
    pool = rn.model.visual.attnpool
    expected = F.conv2d(feature_map, pool.v_proj.weight[..., None, None], pool.v_proj.bias)
    expected = F.conv2d(expected, pool.c_proj.weight[..., None, None], pool.c_proj.bias)
    for source in (feature_map, rn_pixels, rn.trace_image(rn_pixels)):
        torch.testing.assert_close(rn.dense_values(source), expected, atol=1e-5, rtol=0)
    tokens = rn.project(feature_map.flatten(2).transpose(1, 2))
    torch.testing.assert_close(tokens, expected.flatten(2).transpose(1, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(rn.project(feature_map[:, :, 0, 0], negate=True), rn.project(-feature_map[:, :, 0, 0]))
    assert rn.dense_values(Image.new("RGB", (30, 40))).shape == (1, 32, 2, 2)


def test_what_an_rn_cannot_do_names_the_alternative(rn, rn_pixels, feature_map):
    with pytest.raises(UnavailableError, match=r"clip\.pool\(clip\.feature_map"):
        rn.resume(rn.trace_image(rn_pixels).layers[3], 3, token_mask=torch.ones(1, 16))
    with pytest.raises(UnavailableError, match="last stage"):
        rn.project(rn.trace_image(rn_pixels).layers[2])
    with pytest.raises(InvalidInputError, match="256"):
        rn.pool(feature_map[:, :100])
    with pytest.raises(InvalidInputError, match="96 x 64"):
        rn.embed_images(torch.zeros(1, 3, 90, 64))


def test_other_sizes_interpolate_positions_and_leave_the_model_alone(rn, feature_map):
    before = rn.model.visual.attnpool.positional_embedding.clone()
    wide = rn.feature_map(torch.randn(1, 3, 96, 160))
    assert wide.shape == (1, 256, 3, 5) and rn.pool(wide).shape == (1, 32)
    assert torch.equal(rn.model.visual.attnpool.positional_embedding, before)
    even = feature_map.repeat_interleave(2, -1).repeat_interleave(2, -2)
    assert torch.cosine_similarity(rn.pool(even), rn.pool(feature_map)).min() > 0.9


def test_gradients_reach_the_map_when_asked(rn, feature_map):
    wanted = feature_map.clone().requires_grad_()
    rn.pool(wanted, grad=True)[:, 0].sum().backward()
    assert wanted.grad.abs().max() > 0
    assert not rn.pool(feature_map).requires_grad and not rn.model.training


def test_calls_are_counted(rn_pixels):
    clip = tiny_rn_clip()
    features = clip.feature_map(rn_pixels)
    clip.pool(features[:1].expand(5, -1, -1, -1))
    clip.embed_images(rn_pixels, crops=True)
    assert (clip.calls.images, clip.calls.resumed, clip.calls.crops) == (2, 5, 2)


def test_bf16_keeps_batch_norms_exact(rn, rn_pixels):
    clip = tiny_rn_clip(dtype=torch.bfloat16)
    assert clip.model.visual.bn1.running_var.dtype == torch.float32
    assert clip.dtype == torch.bfloat16
    assert clip.model.visual.conv1.weight.dtype == clip.compute_dtype
    assert torch.equal(clip.model.visual.conv1.weight, clip.model.visual.conv1.weight.bfloat16().to(clip.compute_dtype))
    features = clip.embed_images(rn_pixels)
    assert features.dtype == torch.float32
    assert torch.cosine_similarity(features, rn.embed_images(rn_pixels)).min() > 0.995


def test_text_tower_is_open_clips(rn, library):
    import open_clip

    texts = ["the left cat", "Don’t sit &amp; wait 🐱", "a"]
    with torch.no_grad():
        expected = library.encode_text(open_clip.tokenizer.tokenize(texts))
    torch.testing.assert_close(rn.embed_texts(texts), expected, atol=1e-5, rtol=0)


def test_a_folder_keeps_the_model(small_rn_folder, rn_pixels):
    clip = load_clip(small_rn_folder, device="cpu")
    original = tiny_rn_clip(seed=0, vocab_size=1000)
    assert json.loads((small_rn_folder / "config.json").read_text())["model_type"] == "clip_rn"
    assert clip.activation == "quick_gelu" and clip.tokenizer.vocab_size == 1000
    features, expected = clip.embed_images(rn_pixels), original.embed_images(rn_pixels)
    assert torch.cosine_similarity(features, expected).min() > 0.9999  # stored in fp16
    texts = ["the left cat", "a"]
    assert torch.cosine_similarity(clip.embed_texts(texts), original.embed_texts(texts)).min() > 0.9999
    state = original.model.visual.bn1.running_var
    assert torch.equal(clip.model.visual.bn1.running_var, state), "batch norms are stored exactly"


def test_exact_storage_is_exact(tmp_path, rn_pixels):
    clip = tiny_rn_clip(seed=1, vocab_size=1000)
    again = load_clip(save_clip_rn(clip.model, tmp_path, tokenizer=clip.tokenizer, dtype=torch.float32), device="cpu")
    stored = again.model.state_dict()
    assert all(torch.equal(stored[name], tensor) for name, tensor in clip.model.state_dict().items())
    # Convolutions round by where their arguments lie in memory.
    torch.testing.assert_close(again.embed_images(rn_pixels), clip.embed_images(rn_pixels), atol=1e-6, rtol=0)


def test_a_trainable_model_learns_and_loads(rn_pixels):
    settings = tiny_rn_clip(vocab_size=1000).model.settings
    torch.manual_seed(0)
    model = RNModel(settings)
    model.train()
    ids, end = torch.tensor([[998, 5, 999, 0], [998, 6, 7, 999]]), torch.tensor([2, 3])
    loss = (model.encode_image(rn_pixels) @ model.encode_text(ids, end).T).logsumexp(1).sum()
    loss.backward()
    assert model.visual.conv1.weight.grad.abs().max() > 0
    assert model.text_model.embeddings.token_embedding.weight.grad.abs().max() > 0
    with pytest.warns(UserWarning, match="tokenizer"):
        clip = load_clip(model, device="cpu")
    assert model.training and model.logit_scale.requires_grad, "the caller's model stays as it was"
    torch.testing.assert_close(clip.embed_images(rn_pixels), model.eval().encode_image(rn_pixels), atol=1e-5, rtol=0)


@pytest.mark.parametrize("damage", ["truncated", "config", "shape", "missing"])
def test_damaged_folders_are_named(small_rn_folder, tmp_path, damage):
    for file in small_rn_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    error: type[Exception] = CorruptFileError
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif damage == "config":
        config.write_text('{"model_type": "clip_rn", "vision": {}}')
    elif damage == "shape":
        settings = json.loads(config.read_text())
        settings["vision"]["width"] = 16
        config.write_text(json.dumps(settings))
    else:
        weights.unlink()
        error = UnavailableError
    with pytest.raises(error, match=str(tmp_path.name) if damage != "shape" else "do not fit"):
        load_clip(tmp_path)


def test_folding_batch_norms_changes_no_map(rn):
    """Also where norms scale and shift strongly, in batches of other sizes, at another image size."""
    import pickle

    clip = tiny_rn_clip(seed=5)
    for module in clip.model.visual.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            generator = torch.Generator().manual_seed(module.num_features)
            for value, low, high in (
                (module.weight, 0.5, 2.0),
                (module.bias, -1.0, 1.0),
                (module.running_mean, -1.0, 1.0),
                (module.running_var, 0.3, 3.0),
            ):
                value.data.uniform_(low, high, generator=generator)
    before = {name: value.clone() for name, value in clip.model.state_dict().items()}
    clip = load_clip(clip.model, tokenizer=clip.tokenizer, device="cpu")
    visual, pixels = clip.model.visual, torch.randn(19, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        maps = [visual.stem(pixels)]
        for stage in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
            maps.append(stage(maps[-1]))
    trace = clip.trace_image(pixels)
    for number, expected in enumerate(maps):
        torch.testing.assert_close(trace.map(number), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(clip.feature_map(pixels, batch_size=11), maps[-1], atol=1e-5, rtol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in clip.model.state_dict().items())
    again = pickle.loads(pickle.dumps(clip))
    assert torch.equal(again.embed_images(pixels), clip.embed_images(pixels))
