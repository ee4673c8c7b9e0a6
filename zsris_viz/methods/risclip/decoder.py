"""The decoder: from the grounding map, patch by patch, to a mask with the outlines of the object.

The paper describes a light decoder that refines the patch-level grounding to pixels, without its layers. We chose two
3 x 3 convolutions on the patch grid over three sources (the map, the patches weighted by the sentence, early layers of
the frozen tower), and a linear head that gives each patch's cells. Early layers still represent the pixels of a patch,
so that no convolution at full resolution is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class Decoder(nn.Module):
    """Grid features to mask logits.

    Args:
        dim: D of the joint space. early: channels of each early layer. width: of the convolutions. cells: c, a side of
            a patch in the mask.
    """

    def __init__(self, dim: int, early: Sequence[int], width: int, cells: int) -> None:
        super().__init__()
        self.cells = cells
        self.early = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, width)) for channels in early
        )
        self.product = nn.Linear(dim, width)
        self.map = nn.Linear(1, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Conv2d(width, cells * cells, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, 0.0)  # type: ignore[arg-type]

    def look(self, layers: Sequence[Tensor]) -> Tensor:
        """What the decoder takes from the image alone, once for all its expressions: early layers (B, P, C) each ->
        (B, P, width)."""
        seen: Tensor | int = 0
        for project, layer in zip(self.early, layers, strict=True):
            seen = seen + project(layer)
        assert isinstance(seen, Tensor)
        return seen

    def forward(self, logits: Tensor, product: Tensor, seen: Tensor, grid: tuple[int, int]) -> Tensor:
        """Mask logits.

        Args:
            logits: (B, P), the grounding map as logits. product: (B, P, D), unit patches times the unit sentence,
                channel by channel; their sum over D is the map. seen: (B, P, width), see :meth:`look`.
            grid: (rows, columns).

        Returns:
            (B, rows * c, columns * c): the map, enlarged, plus what the convolutions add; before training the map
            alone.
        """
        # The product's numbers are about 1 / D; the convolutions like them near 1.
        mixed = seen + self.product(product * product.shape[-1]) + self.map(logits[..., None])
        hidden = mixed.transpose(1, 2).reshape(len(mixed), -1, *grid)
        hidden = hidden + self.first(F.gelu(hidden))
        hidden = hidden + self.second(F.gelu(hidden))
        added = F.pixel_shuffle(self.head(F.gelu(hidden)), self.cells)[:, 0]
        return enlarged(logits, grid, self.cells) + added


def enlarged(logits: Tensor, grid: tuple[int, int], cells: int) -> Tensor:
    """The map (B, P) with `cells` x `cells` values for each patch, bilinear: (B, rows * cells, columns * cells)."""
    small = logits.reshape(len(logits), 1, *grid)
    return F.interpolate(small, scale_factor=float(cells), mode="bilinear", align_corners=False)[:, 0]
