"""GEM, the Grounding Everything Module (Bousselham et al., CVPR 2024): patch-text maps by self-self attention.

These are functions rather than a method of the registry, because other methods and the notebooks use the heat map.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.vit_forward import layers_of, require_vit, second_path
from zsris_viz.models.blocks import autograd_mode
from zsris_viz.models.layered import LayeredModel
from zsris_viz.models.products import unit_attention


def gem_features(
    clip: LayeredModel,
    pixels: Tensor,
    *,
    depth: int | None = None,
    iterations: int = 1,
    temperature: float | None = None,
) -> tuple[Tensor, tuple[int, int]]:
    """Compute the patch features of the self-self attention path in the joint space.

    In each of the last `depth` blocks, the queries, keys and values each attend to themselves: they are normalised,
    averaged by their own similarity `iterations` times, and then used to mix the values. The output is the mean of the
    three results (sections 3.2 and 3.3). The feed-forward part is skipped.

    Args:
        clip: A ViT.
        pixels: Tensor (B, 3, H, W), normalised. The authors use 448 x 448 pixels, twice the side that the model was
            trained with. Position embeddings are interpolated bicubically with antialiasing.
        depth: Number of last blocks; None for 6, or for all blocks of a tower with fewer, see
            :func:`~zsris_viz.methods.vit_forward.second_path`.
        iterations: Number of times that the vectors are averaged by their similarity.
        temperature: Factor of the similarities; None for the mean norm of the block's normalised input divided by the
            square root of the head's width (section 3.4).

    Returns:
        Tensor (B, rows * columns, D) of float32, not normalised, and rows and columns of the grid.

    Raises:
        UnavailableError: The model is not a ViT.
        InvalidInputError: The depth is larger than the number of blocks.
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
            unit = F.normalize(unit_attention(unit, unit, scale), dim=-1)
        mixed = unit_attention(unit, value.repeat(3, 1, 1, 1), scale)
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
    """Compute the cosine of every patch with every text.

    The authors embed "a photo of a {phrase}.", upsample the maps bilinearly, and rescale each map to 0-1.

    Args:
        clip: A ViT.
        pixels: Tensor (B, 3, H, W), normalised.
        text_features: Tensor (n, D) or (D,), of any norm.
        depth: As in :func:`gem_features`.
        iterations: As in :func:`gem_features`.
        temperature: As in :func:`gem_features`.
        stretch: Whether each map is rescaled to 0-1, after which the map of an absent object resembles that of a
            present one.

    Returns:
        Tensor of float32, (n, rows, columns) for one image and (B, n, rows, columns) for several.

    Raises:
        UnavailableError: The model is not a ViT.
        InvalidInputError: The depth is larger than the number of blocks.
    """
    features, grid = gem_features(clip, pixels, depth=depth, iterations=iterations, temperature=temperature)
    texts = F.normalize(text_features.reshape(-1, text_features.shape[-1]).to(features), dim=-1)
    maps = (F.normalize(features, dim=-1) @ texts.T).transpose(1, 2).reshape(len(features), len(texts), *grid)
    if stretch:
        low, high = maps.amin(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True)
        maps = (maps - low) / (high - low).clamp(min=1e-12)
    return maps[0] if len(maps) == 1 else maps
