"""Groups of tokens, attention of the end token, and the untrained tower."""

from __future__ import annotations

import pytest
import torch

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.probes.controls import untrained_tower
from zsris_viz.probes.tokens import end_token_attention, positions_of, token_groups


def test_groups(clip):
    text = "the left cat on the sofa"
    tokens = clip.tokenize([text, "a cat"])
    groups = token_groups(tokens, "the left cat", ("left", "on", "sofa"))
    by_word = {}
    for word, _, positions in tokens.words():
        by_word.setdefault(word, []).append({groups[position] for position in positions})
    assert by_word == {
        "the": [{"noun phrase"}, {"other"}], "left": [{"context"}], "cat": [{"noun phrase"}],
        "on": [{"context"}], "sofa": [{"context"}],
    }  # fmt: skip
    assert groups[0] == "start" and groups[int(tokens.end[0])] == "end" and len(groups) == int(tokens.end[0]) + 1
    assert positions_of(groups, "start", "end") == [0, len(groups) - 1]
    assert set(token_groups(tokens, None, None, 1)) == {"start", "other", "end"}
    assert "context" not in token_groups(tokens, "a cat", ("dog",), 1), "words that the text does not have"


def test_end_token_attention(clip):
    trace = clip.trace_texts(["the left cat", "cat"])
    weights = end_token_attention(trace, 1)
    end = int(trace.tokens.end[1])
    assert weights.shape == (3, 4, end + 1)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 4))
    torch.testing.assert_close(weights[2], trace.attentions[3][1, :, end, : end + 1])
    for wrong in (clip.trace_texts(["cat"], attentions=False), clip.trace_image(torch.zeros(1, 3, 56, 56))):
        with pytest.raises(InvalidInputError, match="text trace with attentions"):
            end_token_attention(wrong)


def test_untrained_tower(clip, rn):
    state = torch.get_rng_state()
    tower, again, another = untrained_tower(clip, 1), untrained_tower(clip, 1), untrained_tower(clip, 2)
    assert torch.equal(torch.get_rng_state(), state)
    pixels = torch.rand(1, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    one, two, three, trained = (model.embed_images(pixels) for model in (tower, again, another, clip))
    assert torch.equal(one, two) and not torch.allclose(one, three) and not torch.allclose(one, trained)
    assert (tower.num_layers, tower.grid, tower.embed_dim) == (clip.num_layers, clip.grid, clip.embed_dim)
    assert tower.tokenizer is clip.tokenizer and "untrained" in tower.name
    with pytest.raises(UnavailableError, match="RN"):
        untrained_tower(rn)
