"""The parts of one transformer block as functions.

The towers run the encoder layers of transformers (`CLIPEncoderLayer`, `SiglipEncoderLayer`) through these functions
instead of calling the modules, so that every layer, head and mask is accessible without hooks. The computation is the
same as in the library, with the softmax in fp32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zsris_viz.models import products


def autograd_mode(grad: bool) -> AbstractContextManager[Any]:
    """Return the context of inference mode, or of autograd if `grad` is true (for Grad-CAM and for training)."""
    return torch.enable_grad() if grad else torch.inference_mode()


def split_heads(projected: Tensor, num_heads: int) -> Tensor:
    """Split the channels into heads: (B, T, C) becomes (B, heads, T, C / heads)."""
    batch, length, width = projected.shape
    return projected.view(batch, length, num_heads, width // num_heads).transpose(1, 2)


def merge_heads(values: Tensor) -> Tensor:
    """Merge the heads into channels: (B, heads, T, C / heads) becomes (B, T, C)."""
    batch, heads, length, depth = values.shape
    return values.transpose(1, 2).reshape(batch, length, heads * depth)


def query_key_value(block: Any, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the queries, keys and values of a block's self-attention.

    Args:
        block: An encoder layer; its first LayerNorm is applied here.
        hidden: (B, T, C), the block's input.

    Returns:
        Three tensors (B, heads, T, C / heads). The queries are not scaled yet.
    """
    attn, normed = block.self_attn, block.layer_norm1(hidden)
    query, key, value = (
        split_heads(linear(normed), attn.num_heads) for linear in (attn.q_proj, attn.k_proj, attn.v_proj)
    )
    return query, key, value


def take_rows(tensor: Tensor, rows: Tensor) -> Tensor:
    """Return row `rows[b]` of each sequence: (B, 1, C) for (B, T, C) and (B,)."""
    return tensor[torch.arange(tensor.shape[0], device=tensor.device), rows].unsqueeze(1)


def _mask_rows(mask: Tensor, rows: Tensor) -> Tensor:
    """Return the mask of the chosen queries: (B, H or 1, 1, T) for (B or 1, H or 1, T, T)."""
    mask = mask.expand(rows.shape[0], -1, -1, -1)
    return mask[torch.arange(rows.shape[0], device=mask.device), :, rows].unsqueeze(2)


def self_attention(
    block: Any,
    hidden: Tensor,
    mask: Tensor | None = None,
    *,
    attention: str = "eager",
    weights: bool = False,
    rows: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Return what a block's self-attention adds to the residual stream.

    The computation includes the block's first LayerNorm and its output projection.

    Args:
        block: An encoder layer.
        hidden: (B, T, C), the block's input.
        mask: Additive mask that is broadcast to (B, heads, T, T): 0 keeps, -inf forbids. A row of -inf gives NaN.
        attention: "eager", or "sdpa" for torch's fused kernel, which has no weights to return.
        weights: Whether to return the attention weights; this needs the eager computation.
        rows: (B,) positions; only the queries at these positions are computed.

    Returns:
        (B, T, C), or (B, 1, C) with `rows`; and the weights (B, heads, T, T), whose rows sum to 1, or None.
    """
    attn, normed = block.self_attn, block.layer_norm1(hidden)
    queries = normed
    if rows is not None:
        queries = take_rows(normed, rows)
        mask = None if mask is None else _mask_rows(mask, rows)
    query = split_heads(attn.q_proj(queries), attn.num_heads)
    key = split_heads(attn.k_proj(normed), attn.num_heads)
    value = split_heads(attn.v_proj(normed), attn.num_heads)
    if attention == "sdpa" and not weights:
        mask = None if mask is None else mask.to(query.dtype)
        return attn.out_proj(merge_heads(F.scaled_dot_product_attention(query, key, value, attn_mask=mask))), None
    scores = query @ key.transpose(-1, -2) * attn.scale
    if mask is not None:
        scores = scores + mask.to(scores.dtype)
    probabilities = scores.softmax(dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(value.dtype)
    return attn.out_proj(merge_heads(probabilities @ value)), probabilities if weights else None


def feed_forward(block: Any, hidden: Tensor) -> Tensor:
    """Return what a block's feed-forward part, its LayerNorm included, adds to the residual stream: (B, T, C)."""
    mlp = block.mlp
    return mlp.fc2(mlp.activation_fn(mlp.fc1(block.layer_norm2(hidden))))


def run_block(
    block: Any,
    hidden: Tensor,
    mask: Tensor | None = None,
    *,
    attention: str = "eager",
    weights: bool = False,
    rows: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Run a whole block; the arguments are those of `self_attention`.

    With `rows` only the outputs at these positions are computed, (B, 1, C). This suffices for the last block if the
    feature is read from one token, and saves most of its computation.
    """
    added, probabilities = self_attention(block, hidden, mask, attention=attention, weights=weights, rows=rows)
    if rows is not None:
        hidden = take_rows(hidden, rows)
    hidden = hidden + added
    return hidden + feed_forward(block, hidden), probabilities


def norm_and_project(hidden: Tensor, norm: nn.LayerNorm, projection: nn.Linear) -> Tensor:
    """Apply the final LayerNorm and the projection to the joint space: (..., C) becomes (..., D).

    Both are computed in fp32 or better, because different features rounded to bf16 would often get equal scores.
    """
    exact = torch.promote_types(hidden.dtype, torch.float32)
    weight, bias = norm.weight.to(exact), norm.bias.to(exact)
    normed = F.layer_norm(hidden.to(exact), norm.normalized_shape, weight, bias, norm.eps)
    offset = None if projection.bias is None else projection.bias.to(exact)
    return products.linear(normed, projection.weight.to(exact), offset)


def resize_positions(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Interpolate position embeddings bicubically to another token grid; the first row (CLS or an RN's mean) is kept.

    Args:
        positions: (1 + g * g, C) for a square grid.
        grid: (rows, columns) of the new grid.

    Returns:
        (1 + rows * columns, C), a new tensor; `positions` itself if the grid is the same.
    """
    side = round((positions.shape[0] - 1) ** 0.5)
    if grid == (side, side):
        return positions
    exact = torch.promote_types(positions.dtype, torch.float32)
    square = positions[1:].to(exact).reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(square, size=grid, mode="bicubic", align_corners=False)
    return torch.cat([positions[:1], resized.flatten(2).transpose(1, 2)[0].to(positions.dtype)])
