"""Other ways through a ViT's image tower than its own: entering with other positions, and a second path beside it."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.models.base import ImageTextModel
from zsris_viz.models.blocks import autograd_mode, merge_heads, query_key_value, run_block
from zsris_viz.models.resnet import ResNetClip
from zsris_viz.models.vit import VitClip

POSITIONS = ("bicubic", "bicubic-antialiased", "bilinear")


def require_vit(clip: ImageTextModel, what: str) -> VitClip:
    """Return the model if it is a ViT.

    Raises:
        UnavailableError: It is not.
    """
    if not isinstance(clip, VitClip):
        raise UnavailableError(
            f"{what} needs the blocks of a ViT; {clip.name!r} is of kind {clip.kind!r}. Load a ViT, e.g. "
            "load_clip('miniature')."
        )
    return clip


def require_rn(clip: ImageTextModel, what: str) -> ResNetClip:
    """Return the model if it is an RN.

    Raises:
        UnavailableError: It is not.
    """
    if not isinstance(clip, ResNetClip):
        raise UnavailableError(
            f"{what} needs an RN; {clip.name!r} is of kind {clip.kind!r}. Load an RN, e.g. load_clip('miniature-rn')."
        )
    return clip


def layers_of(
    clip: VitClip,
    pixels: Tensor,
    *,
    positions: str = "bicubic",
    stem_padding: int = 0,
    half_positions: bool = False,
    last: bool = True,
) -> list[Tensor]:
    """Compute all layers of the image tower for pixels of any size.

    The model's own position embeddings stay as they are.

    Args:
        clip: A ViT.
        pixels: (B, 3, H, W), normalised.
        positions: How position embeddings are interpolated to another grid: "bicubic", "bicubic-antialiased" (GEM) or
            "bilinear" (CLIP Surgery).
        stem_padding: Number of zero pixels around the image before it is cut into patches.
        half_positions: Whether position embeddings are rounded to 16 bits.
        last: Whether the last block runs too; a second path needs only what the blocks are given.

    Returns:
        L + 1 tensors (B, 1 + rows * columns, C), as in a Trace; L of them without the last block.
    """
    if positions not in POSITIONS:
        raise InvalidInputError(f"positions={positions!r} is unknown; use one of {', '.join(POSITIONS)}.")
    vision = clip.model.vision_model
    embeddings, stem = vision.embeddings, vision.embeddings.patch_embedding
    clip.calls.images += len(pixels)
    with autograd_mode(False):
        pixels = pixels.to(device=clip.device, dtype=clip.compute_dtype)
        patches = F.conv2d(pixels, stem.weight, stem.bias, stride=stem.stride, padding=stem_padding)
        grid = (patches.shape[-2], patches.shape[-1])
        table = _positions(embeddings.position_embedding.weight, grid, positions)
        table = table.half().to(table.dtype) if half_positions else table
        tokens = patches.flatten(2).transpose(1, 2)
        tokens = torch.cat([embeddings.class_embedding.expand(len(tokens), 1, -1), tokens], dim=1)
        layers = [vision.pre_layrnorm(tokens + table)]
        for block in clip.blocks if last else clip.blocks[:-1]:
            layers.append(run_block(block, layers[-1], attention="sdpa")[0])
    return layers


def _positions(table: Tensor, grid: tuple[int, int], how: str) -> Tensor:
    """(1 + g * g, C) for another grid; the row of CLS stays."""
    side = round((len(table) - 1) ** 0.5)
    if grid == (side, side):
        return table
    square = table[1:].float().T.reshape(1, -1, side, side)
    mode, antialias = how.split("-")[0], how.endswith("antialiased")
    resized = F.interpolate(square, size=grid, mode=mode, align_corners=False, antialias=antialias)
    return torch.cat([table[:1], resized[0].flatten(1).T.to(table.dtype)])


def attend_to_itself(vectors: Tensor, values: Tensor, scale: Tensor) -> Tensor:
    """Mix values by the similarity of vectors with each other: softmax(scale * vectors vectors^T) values.

    The fused kernel keeps no (T, T) matrix, so memory is linear in the number of tokens.

    Args:
        vectors: (B, heads, T, C / heads), queries and keys at once.
        values: (B, heads, T, C / heads).
        scale: Broadcastable to the vectors, such as (B, 1, 1, 1).

    Returns:
        (B, heads, T, C / heads).
    """
    return F.scaled_dot_product_attention(vectors * scale.to(vectors.dtype), vectors, values, scale=1.0)


Attend = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def second_path(clip: VitClip, layers: list[Tensor], depth: int | None, attend: Attend) -> Tensor:
    """A path that leaves the tower `depth` blocks before its end: only other attention outputs are added to it.

    Each block's contribution is computed from the *original* path's state, so the paths do not drift apart.

    Args:
        clip: A ViT.
        layers: What each block of the original path is given, L layers or more.
        depth: How many last blocks; None for 6, as published for towers of 12, or all of a smaller tower's. (On 100
            training scenes, the miniature's six blocks give CLIP Surgery 55 % right choices, its last three 39 %; GEM's
            map of the noun phrase 29 and 24 %.)
        attend: Queries, keys, values (B, heads, T, C / heads) and the normalised block input (B, T, C) -> mixed
            values, shaped like them.

    Returns:
        (B, T, C), the path's last state, before the final LayerNorm.
    """
    depth = min(6, clip.num_layers) if depth is None else depth
    first = clip.num_layers - depth
    if not 0 <= first < clip.num_layers:
        raise InvalidInputError(
            f"depth={depth} was given; {clip.name!r} has {clip.num_layers} blocks, so 1 to {clip.num_layers}."
        )
    with autograd_mode(False):
        path = layers[first]
        for index in range(first, clip.num_layers):
            block, hidden = clip.blocks[index], layers[index]
            mixed = attend(*query_key_value(block, hidden), block.layer_norm1(hidden))
            path = path + block.self_attn.out_proj(merge_heads(mixed))
    return path
