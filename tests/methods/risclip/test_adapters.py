"""CFE: starts at CLIP, computes what the docstring says, and keeps to the words of its own text."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.methods.risclip.conftest import scramble
from zsris_viz.methods.risclip.adapters import AdapterPair, CrossAttention, end_mask, spread_layers, text_layer


def by_hand(attention: CrossAttention, queries: torch.Tensor, keys: torch.Tensor, count: int) -> torch.Tensor:
    """Attention of one sequence to the first `count` tokens of another, head by head."""
    width, heads = queries.shape[-1], attention.heads
    step = width // heads
    query = queries @ attention.query.weight.T + attention.query.bias
    both = keys[:count] @ attention.key_value.weight.T + attention.key_value.bias
    parts = []
    for head in range(heads):
        one = slice(head * step, (head + 1) * step)
        key, value = both[:, :width][:, one], both[:, width:][:, one]
        parts.append((query[:, one] @ key.T / step**0.5).softmax(-1) @ value)
    return torch.cat(parts, -1) @ attention.out.weight.T + attention.out.bias


def test_a_new_pair_changes_nothing_at_all() -> None:
    pair = AdapterPair(12, 10, 8, 2)
    image, text = torch.randn(2, 5, 12), torch.randn(2, 4, 10)
    patches, words = pair(image, text, torch.ones(2, 4, dtype=torch.bool))
    assert torch.equal(patches, image) and torch.equal(words, text)


def test_a_pair_is_the_computation_of_its_docstring() -> None:
    torch.manual_seed(0)
    pair = AdapterPair(12, 10, 8, 2)
    scramble(pair)
    image, text = torch.randn(1, 5, 12), torch.randn(1, 4, 10)
    patches, words = pair(image, text, end_mask(torch.tensor([2]), 4))

    def narrow(side: torch.nn.Module, hidden: torch.Tensor) -> torch.Tensor:
        normed = F.layer_norm(hidden, hidden.shape[-1:], side.norm.weight, side.norm.bias)
        return F.gelu(normed @ side.down.weight.T + side.down.bias)

    own, other = narrow(pair.image, image[0]), narrow(pair.text, text[0])
    for side, hidden, mine, yours, count, got in (
        (pair.image, image[0], own, other, 3, patches[0]),  # the image hears the words up to the end token
        (pair.text, text[0], other, own, 5, words[0]),  # the text sees every patch, and CLS
    ):
        gathered = F.gelu(mine + by_hand(side.attention, mine, yours, count))
        expected = hidden + gathered @ side.up.weight.T + side.up.bias
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_words_after_the_end_token_are_not_heard() -> None:
    pair = AdapterPair(12, 10, 8, 2)
    scramble(pair)
    image, text = torch.randn(1, 5, 12), torch.randn(1, 4, 10)
    other = text.clone()
    other[:, 3] += 1
    keep = end_mask(torch.tensor([2]), 4)
    assert torch.equal(pair(image, text, keep)[0], pair(image, other, keep)[0])
    assert not torch.equal(pair(image, text, keep)[0], pair(image, other, end_mask(torch.tensor([3]), 4))[0])


def test_where_adapters_stand() -> None:
    assert spread_layers(0, 6) == () and spread_layers(1, 6) == (5,) and spread_layers(2, 6) == (3, 5)
    assert spread_layers(99, 6) == (3, 4, 5)
    assert spread_layers(6, 12) == (6, 7, 8, 9, 10, 11)
    assert spread_layers(6, 24)[0] == 12 and spread_layers(6, 24)[-1] == 23
    assert [text_layer(layer, 24, 12) for layer in (12, 18, 23)] == [6, 9, 11]
    assert text_layer(5, 6, 3) == 2  # never after the last block
