"""Cross-modal Feature Extraction (CFE): adapters that exchange features between the blocks of the frozen towers.

In the paper the adapters let the two encoders communicate, so that their features agree at candidate regions, while the
encoders stay frozen. The paper does not specify the layers of the adapters. This implementation uses a bottleneck
adapter in each tower with LayerNorm, a down-projection, GELU, one cross-attention in each direction, and an
up-projection. Each adapter reads the tokens of the other tower as they are before this pair of adapters changes them.
The up-projection is initialised with zeros, so that training starts exactly at CLIP.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CrossAttention(nn.Module):
    """Multi-head attention from one sequence to another of the same width, softmax(q k^T / sqrt(d)) v.

    Args:
        width: C, the number of channels of both sequences, a multiple of `heads`.
        heads: Number of attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, source: Tensor, keep: Tensor | None = None) -> Tensor:
        """Attend from the tokens of one sequence to the tokens of the other.

        Args:
            queries: Tensor (B, Q, C), the tokens that attend.
            source: Tensor (B, K, C), the tokens that are attended to.
            keep: Tensor (B, K) of bool, the tokens of `source` that take part; None for all.

        Returns:
            Tensor (B, Q, C).
        """
        batch, length, width = queries.shape
        query = self.query(queries).view(batch, length, self.heads, -1).transpose(1, 2)
        both = self.key_value(source).view(batch, source.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        mask = None if keep is None else keep[:, None, None, :]
        gathered = F.scaled_dot_product_attention(query, both[0], both[1], attn_mask=mask)
        return self.out(gathered.transpose(1, 2).reshape(batch, length, width))


class Adapter(nn.Module):
    """The adapter of one tower: down-projection, cross-attention to the other tower, up-projection.

    Args:
        width: C, the number of channels of the adapter's own tower.
        bottleneck: Number r of channels inside the adapter, a multiple of `heads`.
        heads: Number of heads of the cross-attention.
    """

    def __init__(self, width: int, bottleneck: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.down = nn.Linear(width, bottleneck)
        self.attention = CrossAttention(bottleneck, heads)
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def narrow(self, hidden: Tensor) -> Tensor:
        """Project the state of the tower down to the bottleneck, GELU(down(LayerNorm(x))).

        Args:
            hidden: Tensor (B, T, C), the state.

        Returns:
            Tensor (B, T, r).
        """
        return F.gelu(self.down(self.norm(hidden)))

    def forward(self, hidden: Tensor, own: Tensor, other: Tensor, keep: Tensor | None = None) -> Tensor:
        """Compute the state after cross-attention to the other tower.

        Args:
            hidden: Tensor (B, T, C), the state.
            own: Tensor (B, T, r), the same state after :meth:`narrow`.
            other: Tensor (B, K, r), the state of the other tower after its :meth:`narrow`.
            keep: Tensor (B, K) of bool, the tokens of `other` that take part; None for all.

        Returns:
            Tensor (B, T, C), `hidden + up(GELU(own + attention(own, other)))`.
        """
        return hidden + self.up(F.gelu(own + self.attention(own, other, keep)))


class AdapterPair(nn.Module):
    """The adapters of both towers at one layer.

    Args:
        image_width: Cv, the number of channels of the image tower.
        text_width: Ct, the number of channels of the text tower.
        bottleneck: Number r of channels inside both adapters, a multiple of `heads`.
        heads: Number of heads of each cross-attention.
    """

    def __init__(self, image_width: int, text_width: int, bottleneck: int, heads: int) -> None:
        super().__init__()
        self.image = Adapter(image_width, bottleneck, heads)
        self.text = Adapter(text_width, bottleneck, heads)

    def forward(self, image: Tensor, text: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """Compute both states after each has attended to the other.

        Args:
            image: Tensor (B, 1 + P, Cv), the state of the image tower, CLS first.
            text: Tensor (B, T, Ct), the state of the text tower.
            keep: Tensor (B, T) of bool, true for the tokens up to the end token.

        Returns:
            The two states, with the shapes of `image` and `text`.
        """
        patches, words = self.image.narrow(image), self.text.narrow(text)
        return self.image(image, patches, words, keep), self.text(text, words, patches)


def spread_layers(pairs: int, image_layers: int) -> tuple[int, ...]:
    """Compute the layers of the image tower that get adapters, evenly spaced in its second half.

    The last layer is the input of the last block, so that at least one block follows every adapter.

    Args:
        pairs: Number of adapter pairs, at least 0; reduced to the number of layers that are available.
        image_layers: Number of blocks of the image tower.

    Returns:
        Layers in ascending order, each counted as the number of blocks before it.

    >>> spread_layers(3, 6), spread_layers(3, 12), spread_layers(6, 24)
    ((3, 4, 5), (6, 8, 11), (12, 14, 16, 18, 20, 23))
    """
    first, last = image_layers // 2, image_layers - 1
    pairs = min(pairs, last - first + 1)
    if pairs <= 1:
        return (last,) * pairs
    return tuple(int(first + (last - first) * place / (pairs - 1)) for place in range(pairs))


def text_layer(image_layer: int, image_layers: int, text_layers: int) -> int:
    """Compute the layer of the text tower at the same relative depth as a layer of the image tower.

    Args:
        image_layer: Layer of the image tower, from 0 to `image_layers`.
        image_layers: Number of blocks of the image tower.
        text_layers: Number of blocks of the text tower.

    Returns:
        Layer of the text tower, at most `text_layers - 1`, so that at least one block follows it.

    >>> [text_layer(layer, 6, 4) for layer in (3, 4, 5)]
    [2, 3, 3]
    """
    return min(round(image_layer / image_layers * text_layers + 1e-9), text_layers - 1)


def end_mask(end: Tensor, length: int) -> Tensor:
    """Compute which tokens lie at or before the end token of their text.

    Args:
        end: Tensor (B,) of int64, positions of the end tokens.
        length: T, the number of tokens of each text.

    Returns:
        Tensor (B, T) of bool.
    """
    return torch.arange(length, device=end.device)[None] <= end[:, None]
