"""Products by oneDNN against torch's own."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from zsris_viz.models import load_clip, products
from zsris_viz.models.memory import peak_bytes
from zsris_viz.models.products import FusedConvolution, OneDnnLinear, linear, use_onednn


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(300, 128), (2, 150, 128), (1, 2, 150, 128)])
@pytest.mark.parametrize("biased", [True, False])
def test_the_product_is_that_of_torch(shape: tuple[int, ...], biased: bool) -> None:
    tensor, weight = drawn(*shape), drawn(256, 128, seed=1)
    bias = drawn(256, seed=2) if biased else None
    assert tensor.numel() * len(weight) >= products.LEAST_WORK
    with torch.inference_mode():
        torch.testing.assert_close(linear(tensor, weight, bias), F.linear(tensor, weight, bias), rtol=1e-5, atol=1e-4)


def test_rows_that_are_not_contiguous() -> None:
    tensor, weight = drawn(128, 600).T[::2], drawn(256, 128, seed=1)
    with torch.inference_mode():
        torch.testing.assert_close(linear(tensor, weight), tensor @ weight.T, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_are_left_to_torch(dtype: torch.dtype) -> None:
    tensor, weight = drawn(300, 128).to(dtype), drawn(256, 128, seed=1).to(dtype)
    with torch.inference_mode():
        assert torch.equal(linear(tensor, weight), F.linear(tensor, weight))


def test_gradients_pass_a_layer() -> None:
    layer = use_onednn(nn.Linear(128, 256))
    tensor = drawn(300, 128).requires_grad_()
    layer(tensor).sum().backward()
    assert tensor.grad is not None
    torch.testing.assert_close(tensor.grad[0], layer.weight.sum(dim=0))


def test_the_weights_of_a_model_stay_as_they_are() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.MultiheadAttention(4, 2))
    before = copy.deepcopy(model.state_dict())
    assert type(use_onednn(model)[0]) is OneDnnLinear
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_loaded_tower_uses_it() -> None:
    clip = load_clip("miniature", device="cpu")
    assert isinstance(clip.blocks[0].mlp.fc1, OneDnnLinear)  # type: ignore[attr-defined]


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("adding", [True, False])
def test_a_convolution_with_an_addition_and_its_relu(relu: bool, grad: bool, adding: bool) -> None:
    convolution = nn.Conv2d(16, 8, 3, stride=2, padding=1, bias=False)
    maps = drawn(2, 16, 9, 11)
    added = drawn(2, 8, 5, 6, seed=1) if adding else None
    expected = convolution(maps) if added is None else convolution(maps) + added
    kept = None if added is None else added.clone()
    with torch.set_grad_enabled(grad):
        found = FusedConvolution(convolution, relu=relu)(maps, added)
    torch.testing.assert_close(found, expected.relu() if relu else expected, rtol=1e-5, atol=1e-5)
    assert found.requires_grad is grad and (added is None or torch.equal(added, kept))


@pytest.mark.parametrize("tokens", [products.LEAST_TOKENS - 1, products.LEAST_TOKENS, 785])
@pytest.mark.parametrize("factors", [(0.3, 4.0), (12.0, products.LARGEST_SCALE), (1.0, 60.0), (-1.0, 2.0)])
def test_attention_of_unit_vectors_is_their_softmax(tokens: int, factors: tuple[float, float]) -> None:
    unit = F.normalize(drawn(2, 3, tokens, 16), dim=-1)
    values, scale = drawn(2, tokens, 3, 8, seed=1).transpose(1, 2), torch.tensor(factors).view(2, 1, 1, 1)
    exact = unit.double()
    expected = (scale.double() * exact @ exact.mT).softmax(dim=-1) @ values.double()
    with torch.inference_mode():
        found = products.unit_attention(unit, values, scale)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(products.unit_attention(unit, values, scale), found, rtol=0, atol=1e-5)  # with gradients


@pytest.mark.parametrize("factor", [1.0, 12.0])
def test_attention_of_unit_vectors_in_bf16_is_as_exact_as_the_fused_kernel(factor: float) -> None:
    centres = drawn(20, 32).repeat_interleave(20, dim=0)
    unit = F.normalize(centres + drawn(400, 32, seed=1) / 2, dim=-1).to(torch.bfloat16)[None, None]
    values, scale = drawn(1, 1, 400, 8, seed=2).to(torch.bfloat16), torch.full((1, 1, 1, 1), factor)
    exact = unit.double()
    expected = (factor * exact @ exact.mT).softmax(dim=-1) @ values.double()

    def error(found: torch.Tensor) -> float:
        assert found.dtype == torch.bfloat16
        return float((found.double() - expected).square().mean().sqrt() / expected.std())

    with torch.inference_mode():
        found = error(products.unit_attention(unit, values, scale))
        fused = error(F.scaled_dot_product_attention(unit * scale.to(unit.dtype), unit, values, scale=1.0))
    assert found < max(0.005, 1.5 * fused)


def test_attention_of_unit_vectors_needs_memory_linear_in_their_number() -> None:
    unit = F.normalize(drawn(1, 1, 4096, 16), dim=-1)
    with torch.inference_mode():
        products.unit_attention(unit, unit, torch.ones(1, 1, 1, 1))
        peak = peak_bytes(lambda: products.unit_attention(unit, unit, torch.ones(1, 1, 1, 1)))
    assert peak < 4096 * 4096  # a quarter of the matrix of similarities
