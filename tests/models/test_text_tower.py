from __future__ import annotations

import warnings

import pytest
import torch

from tests.factories import tiny_hf_model, tiny_vit_clip
from zsris_viz.errors import InvalidInputError
from zsris_viz.models import load_clip

TEXTS = ["the left cat", "a", "the small red cup that stands behind the second car from the right", "кот 🐱"]


@pytest.fixture(scope="module")
def library(hf_model, vit):
    ids = vit.tokenize(TEXTS).ids
    with torch.no_grad():
        output = hf_model.text_model(ids, output_hidden_states=True, output_attentions=True)
        return output.hidden_states, output.attentions, hf_model.get_text_features(ids).pooler_output


@pytest.fixture(scope="module")
def trace(vit):
    return vit.trace_texts(TEXTS)


def test_features_are_the_librarys_in_the_order_given(vit, library):
    torch.testing.assert_close(vit.embed_texts(TEXTS), library[2], atol=1e-5, rtol=0)
    torch.testing.assert_close(vit.embed_texts(TEXTS, batch_size=1), library[2], atol=1e-5, rtol=0)
    torch.testing.assert_close(vit.embed_texts(TEXTS[1]), library[2][1:2], atol=1e-5, rtol=0)
    torch.testing.assert_close(vit.embed_texts(vit.tokenize(TEXTS)), library[2], atol=1e-5, rtol=0)


def test_padding_changes_nothing(vit, library):
    torch.testing.assert_close(vit.embed_texts(vit.tokenize(TEXTS, length=77)), library[2], atol=1e-5, rtol=0)


def test_trace_has_the_librarys_layers(trace, library):
    assert trace.grid is None and trace.tokens.texts == tuple(TEXTS)
    for ours, theirs in zip(trace.layers, library[0], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    for ours, theirs in zip(trace.attentions[1:], library[1], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    with pytest.raises(InvalidInputError, match="no patches"):
        trace.patches(1)
    with pytest.raises(InvalidInputError, match="CLS"):
        trace.cls(1)


@pytest.mark.parametrize("layer", range(4))
def test_resumed_text_equals_a_whole_one(vit, trace, library, layer):
    pooled, hidden = vit.resume_text(trace.layers[layer], layer, trace.tokens, return_hidden=True)
    torch.testing.assert_close(pooled, library[2], atol=1e-5, rtol=0)
    torch.testing.assert_close(hidden, trace.layers[-1], atol=1e-5, rtol=0)
    torch.testing.assert_close(vit.resume_text(trace.layers[layer], layer, trace.tokens.end), pooled)


def test_a_masked_token_is_not_read(vit, trace):
    tokens = trace.tokens
    (left,) = tokens.tokens_of(4, 8)
    mask = torch.zeros(4, 1, tokens.ids.shape[1], tokens.ids.shape[1])
    mask[0, :, left + 1 :, left] = float("-inf")
    pooled = vit.resume_text(trace.layers[0], 0, tokens, attention_mask=mask)
    other = trace.layers[0].clone()
    other[0, left] += 3
    torch.testing.assert_close(vit.resume_text(other, 0, tokens, attention_mask=mask)[0], pooled[0], atol=1e-5, rtol=0)
    assert (pooled[0] - vit.resume_text(trace.layers[0], 0, tokens)[0]).abs().max() > 1e-3


def test_project_text_is_the_head(vit, trace, library):
    rows = torch.arange(len(TEXTS))
    projected = vit.project_text(trace.layers[-1])[rows, trace.tokens.end]
    torch.testing.assert_close(projected, library[2], atol=1e-5, rtol=0)


def test_bad_layers_and_shapes_are_refused(vit, trace):
    with pytest.raises(InvalidInputError, match="layers are 0"):
        vit.resume_text(trace.layers[0], 4, trace.tokens)
    with pytest.raises(InvalidInputError, match="end position"):
        vit.resume_text(trace.layers[0][:2], 0, trace.tokens)


def test_the_legacy_end_token_setting_pools_alike(hf_model, library):
    """Old configs say eos_token_id 2 and the library then pools at the highest id: the same place."""
    model = tiny_hf_model(seed=0)
    model.config.text_config.eos_token_id = model.text_model.config.eos_token_id = model.text_model.eos_token_id = 2
    clip = load_clip(model, device="cpu")
    with torch.no_grad():
        legacy = model.get_text_features(clip.tokenize(TEXTS).ids).pooler_output
    torch.testing.assert_close(legacy, library[2], atol=1e-5, rtol=0)
    torch.testing.assert_close(clip.embed_texts(TEXTS), legacy, atol=1e-5, rtol=0)


def test_gradients_reach_token_states_when_asked(vit, trace):
    hidden = trace.layers[1].clone().requires_grad_()
    vit.resume_text(hidden, 1, trace.tokens, grad=True).sum().backward()
    assert hidden.grad.abs().max() > 0


def test_empty_and_foreign_texts(vit):
    with pytest.raises(InvalidInputError, match="empty"):
        vit.embed_texts(["a cat", "  "])
    empty = vit.embed_texts([""], allow_empty=True)
    assert empty.shape == (1, 32) and torch.isfinite(empty).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.isfinite(vit.embed_texts(["左边的猫", "🐱🐱", "42", "القطة"])).all()


def test_quick_gelu_and_gelu_are_told_apart():
    assert tiny_vit_clip(hidden_act="gelu").activation == "gelu"
    quick, plain = tiny_vit_clip(), tiny_vit_clip(hidden_act="gelu")
    assert (quick.embed_texts("a cat") - plain.embed_texts("a cat")).abs().max() > 1e-3
