"""Cross-modal Feature Extraction (CFE): adapters that exchange features between the frozen towers' blocks.

In the paper they let the two encoders communicate, to align their features at candidate regions, while the encoders
stay frozen; it does not specify their layers. We chose a bottleneck adapter on each side, each reading the other side's
tokens as they were before either was changed; LayerNorm first; GELU; a cross-attention for each direction; the
up-projection starts at zero, so that training starts exactly at CLIP.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CrossAttention(nn.Module):
    """Multi-head attention from one sequence to another of the same width; softmax(q k / sqrt(d)) v."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, source: Tensor, keep: Tensor | None = None) -> Tensor:
        """What each token of one sequence gathers from the other.

        Args:
            queries: (B, Q, C), tokens that attend.
            source: (B, K, C), tokens that are attended to.
            keep: (B, K) bool, which tokens of `source` count; None for all.

        Returns:
            (B, Q, C).
        """
        batch, length, width = queries.shape
        query = self.query(queries).view(batch, length, self.heads, -1).transpose(1, 2)
        both = self.key_value(source).view(batch, source.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        mask = None if keep is None else keep[:, None, None, :]
        gathered = F.scaled_dot_product_attention(query, both[0], both[1], attn_mask=mask)
        return self.out(gathered.transpose(1, 2).reshape(batch, length, width))


class Adapter(nn.Module):
    """One side of a pair: down-projection, cross-attention to the other side, up-projection.

    Args:
        width: C, channels of its own tower. bottleneck: r. heads: of the cross-attention.
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
        """(B, T, C) -> (B, T, r)."""
        return F.gelu(self.down(self.norm(hidden)))

    def forward(self, hidden: Tensor, own: Tensor, other: Tensor, keep: Tensor | None = None) -> Tensor:
        """The state after cross-attention to the other tower.

        Args:
            hidden: (B, T, C), the state. own: (B, T, r) and other: (B, K, r), both sides narrowed. keep: (B, K) bool.

        Returns:
            (B, T, C): hidden + up(GELU(own + attention(own, other))).
        """
        return hidden + self.up(F.gelu(own + self.attention(own, other, keep)))


class AdapterPair(nn.Module):
    """The adapters of both towers at one layer.

    Args:
        image_width, text_width: channels of the towers. bottleneck: r. heads: of the cross-attention.
    """

    def __init__(self, image_width: int, text_width: int, bottleneck: int, heads: int) -> None:
        super().__init__()
        self.image = Adapter(image_width, bottleneck, heads)
        self.text = Adapter(text_width, bottleneck, heads)

    def forward(self, image: Tensor, text: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """Both states after they have attended to each other.

        Args:
            image: (B, 1 + P, Cv), CLS first. text: (B, T, Ct). keep: (B, T) bool, tokens up to the end token.

        Returns:
            The same shapes.
        """
        patches, words = self.image.narrow(image), self.text.narrow(text)
        return self.image(image, patches, words, keep), self.text(text, words, patches)


def spread_layers(pairs: int, image_layers: int) -> tuple[int, ...]:
    """The image tower's layers for `pairs` adapters: evenly over its second half, before the last block.

    >>> spread_layers(3, 6), spread_layers(3, 12), spread_layers(6, 24)
    ((3, 4, 5), (6, 8, 11), (12, 14, 16, 18, 20, 23))
    """
    first, last = image_layers // 2, image_layers - 1
    pairs = min(pairs, last - first + 1)
    if pairs <= 1:
        return (last,) * pairs
    return tuple(int(first + (last - first) * place / (pairs - 1)) for place in range(pairs))


def text_layer(image_layer: int, image_layers: int, text_layers: int) -> int:
    """The text tower's layer of the same relative depth as an image layer, never its last.

    >>> [text_layer(layer, 6, 4) for layer in (3, 4, 5)]
    [2, 3, 3]
    """
    return min(round(image_layer / image_layers * text_layers + 1e-9), text_layers - 1)


def end_mask(end: Tensor, length: int) -> Tensor:
    """(B, T) bool, true up to the end token at (B,) positions."""
    return torch.arange(length, device=end.device)[None] <= end[:, None]
