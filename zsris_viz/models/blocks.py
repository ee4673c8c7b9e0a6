"""One transformer block of a CLIP tower, taken apart.

The towers run transformers' ``CLIPEncoderLayer`` modules through these functions instead of calling the modules,
because every layer, every head and every mask has to be in reach without hooks. The arithmetic is the library's
(softmax in fp32).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def autograd_mode(grad: bool) -> AbstractContextManager[Any]:
    """Inference mode, or autograd when ``grad`` is true (Grad-CAM, training on top of a frozen tower)."""
    return torch.enable_grad() if grad else torch.inference_mode()


def split_heads(projected: Tensor, num_heads: int) -> Tensor:
    """(B, T, C) -> (B, heads, T, C / heads)."""
    batch, length, width = projected.shape
    return projected.view(batch, length, num_heads, width // num_heads).transpose(1, 2)


def merge_heads(values: Tensor) -> Tensor:
    """(B, heads, T, C / heads) -> (B, T, C)."""
    batch, heads, length, depth = values.shape
    return values.transpose(1, 2).reshape(batch, length, heads * depth)


def query_key_value(block: Any, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of a block's self-attention, each (B, heads, T, C / heads), from its input ``hidden``
    (B, T, C).

    The block's first LayerNorm is applied here. Queries are not yet scaled.
    """
    attn, normed = block.self_attn, block.layer_norm1(hidden)
    query, key, value = (
        split_heads(linear(normed), attn.num_heads) for linear in (attn.q_proj, attn.k_proj, attn.v_proj)
    )
    return query, key, value


def take_rows(tensor: Tensor, rows: Tensor) -> Tensor:
    """Row ``rows[b]`` of each sequence: (B, T, C) and (B,) -> (B, 1, C)."""
    return tensor[torch.arange(tensor.shape[0], device=tensor.device), rows].unsqueeze(1)


def _mask_rows(mask: Tensor, rows: Tensor) -> Tensor:
    """The mask's rows of the chosen queries: (B or 1, H or 1, T, T) -> (B, H or 1, 1, T)."""
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
    """What a block's self-attention adds to the residual stream, its first LayerNorm and output projection included.

    Args:
        block: a ``CLIPEncoderLayer``.
        hidden: (B, T, C), the block's input.
        mask: additive, broadcastable to (B, heads, T, T): 0 keeps, -inf forbids. A row of -inf only gives NaN.
        attention: "eager", or "sdpa" for torch's fused kernel, which has no weights to return.
        weights: also return the attention weights, (B, heads, T, T); rows sum to 1. Forces the eager computation.
        rows: (B,) positions; only their queries are run, and the first returned tensor is (B, 1, C).

    Returns:
        (B, T, C) and the weights, or None for them.
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
    """What a block's feed-forward part adds to the residual stream, its LayerNorm included: (B, T, C) -> (B, T, C)."""
    mlp = block.mlp
    return mlp.fc2(_activate(mlp.activation_fn, mlp.fc1(block.layer_norm2(hidden))))


def _activate(function: nn.Module, wide: Tensor) -> Tensor:
    """The activation; QuickGELU, x * sigmoid(1.702 x), with one new tensor instead of three: 8 % of a CPU run."""
    if torch.is_inference_mode_enabled() and type(function).__name__ == "QuickGELUActivation":
        return (1.702 * wide).sigmoid_().mul_(wide)
    return function(wide)


def run_block(
    block: Any,
    hidden: Tensor,
    mask: Tensor | None = None,
    *,
    attention: str = "eager",
    weights: bool = False,
    rows: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """A whole block; arguments as in :func:`self_attention`.

    With ``rows`` only those positions leave the block, (B, 1, C): enough for the last block when one token is pooled,
    and most of its work saved.
    """
    added, probabilities = self_attention(block, hidden, mask, attention=attention, weights=weights, rows=rows)
    if rows is not None:
        hidden = take_rows(hidden, rows)
    hidden = hidden + added
    return hidden + feed_forward(block, hidden), probabilities


def norm_and_project(hidden: Tensor, norm: nn.LayerNorm, projection: nn.Linear) -> Tensor:
    """Final LayerNorm and projection to the joint space: (..., C) -> (..., D), in fp32 or better.

    Scores of features in bf16 would tie.
    """
    exact = torch.promote_types(hidden.dtype, torch.float32)
    weight, bias = norm.weight.to(exact), norm.bias.to(exact)
    normed = F.layer_norm(hidden.to(exact), norm.normalized_shape, weight, bias, norm.eps)
    offset = None if projection.bias is None else projection.bias.to(exact)
    return F.linear(normed, projection.weight.to(exact), offset)


def resize_positions(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Position embeddings for another token grid, bicubic, as a new tensor; the first row (CLS, or RN's mean token)
    stays.

    Args:
        positions: (1 + g * g, C) for a square grid.
        grid: (rows, columns) wanted.

    Returns:
        (1 + rows * columns, C); ``positions`` itself when the grid is already right.
    """
    side = round((positions.shape[0] - 1) ** 0.5)
    if grid == (side, side):
        return positions
    exact = torch.promote_types(positions.dtype, torch.float32)
    square = positions[1:].to(exact).reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(square, size=grid, mode="bicubic", align_corners=False)
    return torch.cat([positions[:1], resized.flatten(2).transpose(1, 2)[0].to(positions.dtype)])
