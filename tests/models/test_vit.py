from __future__ import annotations

import hashlib

import pytest
import torch
from PIL import Image

from tests.factories import tiny_vit_clip
from zsris_viz.errors import InvalidInputError, InvalidTypeError

L, PATCHES = 6, 49


def fingerprint(model: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.float().numpy().tobytes())
    return digest.hexdigest()


def hooks(model: torch.nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)


@pytest.fixture(scope="module")
def library(hf_model, pixels):
    with torch.no_grad():
        output = hf_model.vision_model(pixels, output_hidden_states=True, output_attentions=True)
        return output.hidden_states, output.attentions, hf_model.get_image_features(pixels).pooler_output


@pytest.fixture(scope="module")
def trace(vit, pixels):
    return vit.trace_image(pixels)


def masked_run(model, hidden, layer, first, mask):
    """Token masking in a few plain lines on the library's own modules."""
    with torch.no_grad():
        for index in range(layer, L):
            if index >= first:
                hidden = torch.cat([hidden[:, :1], hidden[:, 1:] * mask[..., None]], dim=1)
            hidden = model.vision_model.encoder.layers[index](hidden, attention_mask=None)
        return model.visual_projection(model.vision_model.post_layernorm(hidden[:, 0]))


def test_attributes_describe_the_tower(vit):
    assert (vit.kind, vit.grid, vit.patch_size, vit.image_size) == ("vit", (7, 7), 8, 56)
    assert (vit.num_layers, vit.width, vit.heads, vit.embed_dim) == (6, 64, 4, 32)
    assert (vit.text_layers, vit.text_width, vit.context_length) == (3, 64, 77)
    assert vit.logit_scale == pytest.approx(14.285, abs=1e-2)
    assert vit.has_cls and "quick_gelu" in repr(vit)


def test_features_are_the_librarys(vit, pixels, library):
    torch.testing.assert_close(vit.embed_images(pixels), library[2], atol=1e-5, rtol=0)


def test_trace_has_the_librarys_hidden_states_and_attentions(trace, library):
    assert len(trace) == L + 1 and trace.attentions[0] is None and trace.grid == (7, 7)
    for ours, theirs in zip(trace.layers, library[0], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    for ours, theirs in zip(trace.attentions[1:], library[1], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
        torch.testing.assert_close(ours.sum(-1), torch.ones_like(ours.sum(-1)))


def test_trace_parts(vit, trace, pixels):
    hidden = trace.layers[3]
    assert torch.equal(trace.patches(3), hidden[:, 1:]) and torch.equal(trace.cls(3), hidden[:, 0])
    assert torch.equal(trace.map(3)[0, :, 2, 5], hidden[0, 1 + 2 * 7 + 5])
    assert vit.trace_image(pixels, attentions=False).attentions == [None] * (L + 1)
    with pytest.raises(InvalidInputError, match="layers 0 to 6"):
        trace.patches(7)


@pytest.mark.parametrize("layer", range(L + 1))
def test_resumed_run_equals_a_whole_one(vit, trace, library, layer):
    ones = torch.ones(2, PATCHES)
    torch.testing.assert_close(vit.resume(trace.layers[layer], layer), library[2], atol=1e-5, rtol=0)
    masked, hidden = vit.resume(trace.layers[layer], layer, token_mask=ones, return_hidden=True)
    torch.testing.assert_close(masked, library[2], atol=1e-5, rtol=0)
    torch.testing.assert_close(hidden, trace.layers[-1], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("layer", "first"), [(3, None), (0, None), (1, 4), (2, 5), (2, 6)])
def test_token_mask_compounds_before_each_block(hf_model, vit, trace, layer, first):
    masks = torch.rand(5, PATCHES, generator=torch.Generator().manual_seed(2))
    one = trace.layers[layer][:1]
    ours = vit.resume(one, layer, token_mask=masks, first_masked=first, batch_size=2)
    theirs = masked_run(hf_model, one.clone().expand(5, -1, -1), layer, layer if first is None else first, masks)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    if first != L:
        assert (ours[0] - ours[1]).abs().max() > 1e-3


def test_attention_mask_shuts_tokens_out(vit, trace):
    hidden = trace.layers[2][:1]
    forbid = torch.zeros(3, 1, 50, 50)
    forbid[1, :, :, 1:25] = float("-inf")
    forbid[2, :, :, 1:] = float("-inf")
    pooled = vit.resume(hidden, 2, attention_mask=forbid)
    torch.testing.assert_close(pooled[:1], vit.resume(hidden, 2), atol=1e-5, rtol=0)
    changed = hidden.clone()
    changed[:, 1:25] += 5
    torch.testing.assert_close(vit.resume(changed, 2, attention_mask=forbid[1:2])[0], pooled[1], atol=1e-5, rtol=0)
    alone = vit.resume(hidden[:, :1], 2)
    torch.testing.assert_close(pooled[2:], alone, atol=1e-5, rtol=0)


def test_resume_takes_extra_tokens(vit, trace):
    """Region tokens: appended tokens that no patch attends to leave the rest as it was."""
    hidden = torch.cat([trace.layers[0][:1], trace.cls(0)[:1, None]], dim=1)
    mask = torch.zeros(1, 1, 51, 51)
    mask[..., :50, 50] = float("-inf")
    mask[..., 50, 0] = float("-inf")
    pooled, last = vit.resume(hidden, 0, attention_mask=mask, return_hidden=True)
    torch.testing.assert_close(pooled, vit.resume(trace.layers[0][:1], 0), atol=1e-5, rtol=0)
    # sees all patches and itself, like CLS, and started as CLS did
    torch.testing.assert_close(last[:, 50], last[:, 0], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 7}, "layers are 0"),
        ({"layer": -1}, "layers are 0"),
        ({"layer": 3, "first_masked": 2}, "first_masked=2"),
        ({"layer": 3, "token_mask": torch.ones(2, 48)}, r"\(N, 49\)"),
        ({"layer": 3, "token_mask": torch.ones(3, 49)}, "batches of"),
        ({"layer": 3, "attention_mask": torch.ones(1, 50, 50)}, "attention_mask must be"),
        ({"layer": 3, "attention_mask": torch.ones(1, 1, 50, 50, dtype=torch.bool)}, "attention_mask must be"),
        ({"layer": 3, "batch_size": 0}, "batch_size"),
    ],
)
def test_resume_refuses_what_does_not_fit(vit, trace, options, message):
    with pytest.raises(InvalidInputError, match=message):
        vit.resume(trace.layers[3], **options)
    with pytest.raises(InvalidInputError, match="width"):
        vit.project(torch.zeros(2, 63))


def test_project_is_the_head_and_negation_a_sign(vit, hf_model, trace):
    hidden = trace.layers[4].clone()
    with torch.no_grad():
        head = hf_model.visual_projection(hf_model.vision_model.post_layernorm(hidden))
    torch.testing.assert_close(vit.project(hidden), head, atol=1e-5, rtol=0)
    torch.testing.assert_close(vit.project(hidden, negate=True), vit.project(-hidden))
    assert (vit.project(hidden, negate=True) + head).abs().max() > 1e-3  # LayerNorm's bias keeps its sign
    torch.testing.assert_close(vit.project(trace.cls(-1)), vit.resume(trace.layers[-1], L))


@pytest.mark.parametrize(("residual", "mlp"), [(True, True), (False, False), (True, False), (False, True)])
def test_dense_values_are_the_last_blocks_value_path(vit, hf_model, trace, pixels, residual, mlp):
    block, vision = hf_model.vision_model.encoder.layers[-1], hf_model.vision_model
    with torch.no_grad():
        before = trace.layers[-2].clone()
        values = block.self_attn.out_proj(block.self_attn.v_proj(block.layer_norm1(before)))
        values = values + before if residual else values
        values = values + block.mlp(block.layer_norm2(values)) if mlp else values
        expected = hf_model.visual_projection(vision.post_layernorm(values))[:, 1:]
    ours = vit.dense_values(trace, residual=residual, mlp=mlp)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(vit.dense_values(pixels, residual=residual, mlp=mlp), ours, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(112, 112), (64, 40)])
def test_other_sizes_interpolate_positions_and_leave_the_model_alone(vit, hf_model, shape):
    before = fingerprint(vit.model)
    wide = torch.randn(1, 3, *shape, generator=torch.Generator().manual_seed(3))
    trace = vit.trace_image(wide)
    with torch.no_grad():
        library = hf_model.vision_model(wide, interpolate_pos_encoding=True, output_hidden_states=True)
    torch.testing.assert_close(trace.layers[0], library.hidden_states[0], atol=1e-5, rtol=0)
    assert trace.grid == (shape[0] // 8, shape[1] // 8)
    torch.testing.assert_close(vit.embed_images(wide), vit.resume(trace.layers[-1], L), atol=1e-5, rtol=0)
    assert fingerprint(vit.model) == before


def test_sizes_that_do_not_divide_into_patches_are_refused(vit):
    with pytest.raises(InvalidInputError, match="64 x 56"):
        vit.embed_images(torch.zeros(1, 3, 60, 56))


def test_images_in_every_form(vit, pixels):
    image = Image.effect_noise((80, 40), 90).convert("RGB")
    one = vit.embed_images(image)
    assert one.shape == (1, 32) and one.dtype == torch.float32
    torch.testing.assert_close(vit.embed_images([image, image])[1:], one)
    torch.testing.assert_close(vit.embed_images(vit.preprocess.image(image)), one)
    torch.testing.assert_close(vit.embed_images(pixels, batch_size=1), vit.embed_images(pixels), atol=1e-5, rtol=0)
    assert vit.embed_images(pixels[:0]).shape == (0, 32)


@pytest.mark.parametrize(
    ("images", "error"),
    [
        (torch.zeros(1, 3, 56, 56, dtype=torch.uint8), InvalidTypeError),
        (torch.zeros(1, 4, 56, 56), InvalidInputError),
        ("cat.png", InvalidTypeError),
        (["cat.png"], InvalidTypeError),
        (None, InvalidTypeError),
        ([], InvalidInputError),
    ],
)
def test_what_is_no_image_is_refused(vit, images, error):
    with pytest.raises(error):
        vit.embed_images(images)


def test_calls_are_counted(pixels):
    clip = tiny_vit_clip()
    trace = clip.trace_image(pixels[:1])
    clip.embed_images(torch.cat([pixels] * 3), crops=True, batch_size=4)
    clip.embed_texts(["a cat", "a dog", "a cup"])
    clip.resume(trace.layers[3], 3, token_mask=torch.ones(5, PATCHES))
    assert (clip.calls.images, clip.calls.crops, clip.calls.texts, clip.calls.resumed) == (1, 6, 3, 5)
    clip.calls.reset()
    assert clip.calls.images == clip.calls.texts == 0


def test_no_hook_stays_and_no_graph_is_built(vit, trace, pixels):
    with pytest.raises(InvalidInputError):
        vit.resume(trace.layers[3], 9)
    with pytest.raises(InvalidTypeError):
        vit.trace_image("no image")
    assert hooks(vit.model) == 0 and not vit.model.training
    assert not any(parameter.requires_grad for parameter in vit.model.parameters())
    assert not vit.embed_images(pixels).requires_grad


def test_gradients_flow_when_asked(vit, pixels):
    wanted = pixels.clone().requires_grad_()
    vit.embed_images(wanted, grad=True).sum().backward()
    assert wanted.grad is not None and wanted.grad.abs().max() > 0
    hidden = vit.trace_image(pixels).layers[4].clone().requires_grad_()
    vit.resume(hidden, 4, grad=True).sum().backward()
    assert hidden.grad[:, 1:].abs().max() > 0


def test_fused_attention_gives_the_same(pixels, library, vit):
    fused = tiny_vit_clip(attention="sdpa")
    torch.testing.assert_close(fused.embed_images(pixels), library[2], atol=1e-5, rtol=0)
    trace = fused.trace_image(pixels)
    torch.testing.assert_close(trace.attentions[3], library[1][2], atol=1e-5, rtol=0)
    texts = ["the left cat", "a dog"]
    torch.testing.assert_close(fused.embed_texts(texts), vit.embed_texts(texts), atol=1e-5, rtol=0)


def test_bf16_towers_give_fp32_features_near_the_same(pixels, library, trace):
    clip = tiny_vit_clip(dtype=torch.bfloat16)
    features = clip.embed_images(pixels)
    assert features.dtype == torch.float32 and clip.dtype == torch.bfloat16
    assert clip.trace_image(pixels).layers[0].dtype == clip.compute_dtype
    for weight in clip.model.parameters():
        assert torch.equal(weight, weight.bfloat16().to(weight.dtype))
    assert torch.cosine_similarity(features, library[2]).min() > 0.995
    masks = torch.ones(4, PATCHES)
    resumed = clip.resume(trace.layers[3][:1], 3, token_mask=masks)
    assert torch.cosine_similarity(resumed, library[2][:1]).min() > 0.995
    assert clip.embed_texts(["the left cat"]).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bit_towers_compute_in_fp32_where_a_cpu_would_emulate_them(monkeypatch, pixels, dtype):
    check = {torch.bfloat16: "_is_mkldnn_bf16_supported", torch.float16: "_is_mkldnn_fp16_supported"}[dtype]
    for supported, expected in ((False, torch.float32), (True, dtype)):
        monkeypatch.setattr(torch.ops.mkldnn, check, lambda supported=supported: supported)
        clip = tiny_vit_clip(dtype=dtype)
        assert (clip.dtype, clip.compute_dtype) == (dtype, expected)
        assert clip.trace_image(pixels).layers[-1].dtype == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_cuda_agrees_with_cpu(pixels, library, dtype):
    clip = tiny_vit_clip(device="cuda", dtype=dtype)
    features = clip.embed_images(pixels)
    assert features.device.type == "cuda"
    assert torch.cosine_similarity(features.cpu(), library[2]).min() > (0.99999 if dtype == torch.float32 else 0.995)
    masked = clip.resume(clip.trace_image(pixels[:1]).layers[3], 3, token_mask=torch.ones(3, PATCHES))
    assert torch.cosine_similarity(masked.cpu(), library[2][:1]).min() > 0.99
    assert clip.embed_texts(["a cat", "the left dog"]).shape == (2, 32)
