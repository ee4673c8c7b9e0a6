"""The decoder of RISCLIP, which refines the patch-level grounding map to a mask.

The paper describes a light decoder from patches to pixels without specifying its layers. This implementation uses two 3
x 3 convolutions on the patch grid and a linear head that predicts all cells of each patch. Its three sources are the
grounding map, the patches multiplied by the sentence, and early layers of the frozen tower. Early layers still
represent the pixels of a patch, so that no convolution at full resolution is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class Decoder(nn.Module):
    """A convolutional decoder from features on the patch grid to mask logits.

    Args:
        dim: D, the number of channels of the joint space.
        early: Number of channels of each early layer.
        width: Number of channels of the convolutions.
        cells: Number c of cells along the side of a patch in the mask.
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

    def project_layers(self, layers: Sequence[Tensor]) -> Tensor:
        """Project the early layers, which are shared by all expressions of an image.

        Args:
            layers: Tensors (B, P, C), the patches of each early layer.

        Returns:
            Tensor (B, P, width), the sum of the projected layers.
        """
        features: Tensor | int = 0
        for project, layer in zip(self.early, layers, strict=True):
            features = features + project(layer)
        assert isinstance(features, Tensor)
        return features

    def forward(self, logits: Tensor, product: Tensor, features: Tensor, grid: tuple[int, int]) -> Tensor:
        """Compute mask logits.

        Args:
            logits: Tensor (B, P), the logits of the grounding map.
            product: Tensor (B, P, D), the channel-by-channel product of unit patches and the unit sentence, whose sum
                over D is the cosine.
            features: Tensor (B, P, width), the result of :meth:`project_layers`.
            grid: Rows and columns of the patch grid.

        Returns:
            Tensor (B, rows * c, columns * c), the enlarged grounding map plus the output of the convolutions, which is
            0 before training.
        """
        # The entries of the product are about 1 / D; they are scaled to about 1 for the convolutions.
        mixed = features + self.product(product * product.shape[-1]) + self.map(logits[..., None])
        hidden = mixed.transpose(1, 2).reshape(len(mixed), -1, *grid)
        hidden = hidden + self.first(F.gelu(hidden))
        hidden = hidden + self.second(F.gelu(hidden))
        added = F.pixel_shuffle(self.head(F.gelu(hidden)), self.cells)[:, 0]
        return enlarged(logits, grid, self.cells) + added


def enlarged(logits: Tensor, grid: tuple[int, int], cells: int) -> Tensor:
    """Enlarge a map on the patch grid bilinearly to `cells` x `cells` values for each patch.

    Args:
        logits: Tensor (B, P), the map.
        grid: Rows and columns of the patch grid.
        cells: Number of values along the side of a patch.

    Returns:
        Tensor (B, rows * cells, columns * cells).
    """
    small = logits.reshape(len(logits), 1, *grid)
    return F.interpolate(small, scale_factor=float(cells), mode="bilinear", align_corners=False)[:, 0]
