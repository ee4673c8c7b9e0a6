"""GEM, grounding everything (Bousselham et al., CVPR 2024): patch-text maps by self-self attention.

A function, not a method of the registry: later methods use its heatmap, and notebooks draw it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.vit_forward import attend_to_itself, layers_of, require_vit, second_path
from zsris_viz.models.blocks import autograd_mode
from zsris_viz.models.layered import LayeredModel


def gem_features(
    clip: LayeredModel,
    pixels: Tensor,
    *,
    depth: int | None = None,
    iterations: int = 1,
    temperature: float | None = None,
) -> tuple[Tensor, tuple[int, int]]:
    """Patch features of the self-self attention path, in the joint space.

    In each of the last `depth` blocks, queries, keys and values each attend to themselves: normalised, averaged by
    their own similarity `iterations` times, and then used to mix the values; the mean of the three goes on (sections
    3.2-3.3). The feed-forward part is skipped.

    Args:
        pixels: (B, 3, H, W), normalised; the authors use 448 x 448, twice the side that the model was trained with.
            Position embeddings are interpolated, bicubic and antialiased.
        depth: None for 6, or all blocks of a tower with fewer, see :func:`~zsris_viz.methods.vit_forward.second_path`.
        temperature: multiplies the similarities; by default the mean norm of the block's normalised input over the
            square root of the head's width (section 3.4).

    Returns:
        ((B, rows * columns, D) fp32 not normalised, (rows, columns)).

    Raises:
        UnavailableError: an RN. InvalidInputError: a depth beyond the tower.
    """
    clip = require_vit(clip, "GEM")
    layers = layers_of(clip, pixels, positions="bicubic-antialiased", last=False)

    def attend(query: Tensor, key: Tensor, value: Tensor, normed: Tensor) -> Tensor:
        if temperature is None:
            scale = normed.norm(dim=-1).mean(dim=-1)[:, None, None, None] * query.shape[-1] ** -0.5
        else:
            scale = query.new_full((1, 1, 1, 1), temperature)
        unit = F.normalize(torch.cat([value, key, query]), dim=-1)  # the three paths as one batch
        scale = scale.expand(len(value), -1, -1, -1).repeat(3, 1, 1, 1)
        for _ in range(iterations):
            unit = F.normalize(attend_to_itself(unit, unit, scale), dim=-1)
        mixed = attend_to_itself(unit, value.repeat(3, 1, 1, 1), scale)
        return mixed.view(3, *value.shape).mean(dim=0)

    path = second_path(clip, layers, depth, attend)
    patch = clip.patch_size
    with autograd_mode(False):
        return clip.project(path[:, 1:]), (pixels.shape[-2] // patch, pixels.shape[-1] // patch)


def gem_map(
    clip: LayeredModel,
    pixels: Tensor,
    text_features: Tensor,
    *,
    depth: int | None = None,
    iterations: int = 1,
    temperature: float | None = None,
    stretch: bool = False,
) -> Tensor:
    """Cosine of every patch with every text: (n, rows, columns) fp32 for one image, (B, n, rows, columns) for several.

    The authors embed "a photo of a {phrase}.", upsample bilinearly, and stretch each map to 0-1.

    Args:
        pixels: (1, 3, H, W) or (B, 3, H, W). text_features: (n, D) or (D,), any norm.
        depth, iterations, temperature: see :func:`gem_features`.
        stretch: each map to 0-1, after which an absent object looks like a present one; not by default.
    """
    features, grid = gem_features(clip, pixels, depth=depth, iterations=iterations, temperature=temperature)
    texts = F.normalize(text_features.reshape(-1, text_features.shape[-1]).to(features), dim=-1)
    maps = (F.normalize(features, dim=-1) @ texts.T).transpose(1, 2).reshape(len(features), len(texts), *grid)
    if stretch:
        low, high = maps.amin(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True)
        maps = (maps - low) / (high - low).clamp(min=1e-12)
    return maps[0] if len(maps) == 1 else maps
