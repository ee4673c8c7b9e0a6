"""The decoder: starts at the enlarged map, and puts each patch's cells where the patch is."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.methods.risclip.conftest import scramble
from zsris_viz.methods.risclip.decoder import Decoder, enlarged


def test_a_new_one_enlarges_the_map() -> None:
    decoder = Decoder(12, [10, 10], 8, 4)
    logits = torch.randn(2, 6)
    found = decoder(logits, torch.randn(2, 6, 12), decoder.project_layers([torch.randn(2, 6, 10)] * 2), (2, 3))
    assert found.shape == (2, 8, 12)
    expected = F.interpolate(logits.view(2, 1, 2, 3), size=(8, 12), mode="bilinear")[:, 0]
    torch.testing.assert_close(found, expected)


def test_it_is_the_computation_of_its_docstring() -> None:
    torch.manual_seed(0)
    decoder = Decoder(12, [10, 6], 8, 2)
    scramble(decoder)
    logits, product = torch.randn(1, 6), torch.randn(1, 6, 12) / 12
    early = [torch.randn(1, 6, 10), torch.randn(1, 6, 6)]
    found = decoder(logits, product, decoder.project_layers(early), (2, 3))[0]
    mixed = sum(side(layer) for side, layer in zip(decoder.early, early, strict=True))
    mixed = (mixed + decoder.product(12 * product) + decoder.map(logits[..., None]))[0]
    hidden = mixed.T.reshape(8, 2, 3)
    for conv in (decoder.first, decoder.second):
        padded = F.pad(F.gelu(hidden), (1, 1, 1, 1))
        added = torch.zeros_like(hidden)
        for row in range(2):
            for column in range(3):
                window = padded[:, row : row + 3, column : column + 3]
                added[:, row, column] = (conv.weight * window).sum((1, 2, 3)) + conv.bias
        hidden = hidden + added
    for row in range(2):
        for column in range(3):
            cells = decoder.head.weight[:, :, 0, 0] @ F.gelu(hidden[:, row, column]) + decoder.head.bias
            here = found[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            expected = enlarged(logits, (2, 3), 2)[0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            torch.testing.assert_close(here, expected + cells.view(2, 2), rtol=1e-4, atol=1e-4)
