"""Spatial coherence: how much better a candidate covers the heat map of its noun phrase than its surroundings do.

HybridGL's term (Liu and Li, CVPR 2025), which CoPatch uses too. The heat map is a GEM map of the noun phrase, rescaled
to 0-1, multiplied by a ramp towards the side that the expression names, and divided by its mean.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.masks import Masks
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.gem import gem_features
from zsris_viz.methods.map_pooling import upsample
from zsris_viz.methods.scene_cache import once_per_scene

PROMPT = "a photo of a {}."  # the prompt of GEM
OUTSIDE = {"bigger": 1.95, "smaller": 1.5}  # by relation; 1.8 otherwise
CONSTANT = 1e-6  # a smaller range of cosines is a rounding error
SIDES = ("left", "right", "middle", "top", "bottom")


def heat_map(scene: SceneFeatures, phrase: str, *, size: int | None = None, depth: int | None = None) -> Tensor:
    """Compute GEM's map of a phrase on the image.

    Args:
        scene: Image and a ViT.
        phrase: The noun phrase.
        size: Side of GEM's input in pixels, a multiple of the patch size; None for twice the model's (448 for 224).
        depth: As in :func:`~zsris_viz.methods.gem.gem_features`.

    Returns:
        Tensor (H, W) of float32 on the CPU, cosines.

    Raises:
        InvalidInputError: The size is not a multiple of the patch size.
    """
    clip = scene.layered
    size = 2 * clip.image_size if size is None else size
    if size % clip.patch_size or size < 1:
        near = max(1, round(size / clip.patch_size)) * clip.patch_size
        raise InvalidInputError(
            f"heat_size={size} does not divide into patches of {clip.patch_size}; use a multiple, e.g. {near}."
        )
    patches, grid = heat_patches(scene, size, depth)
    text = F.normalize(scene.text(PROMPT.format(phrase)), dim=-1).to(patches)
    similarity = (patches @ text).reshape(grid).float().cpu()
    at_input = upsample(similarity, (size, size))
    # GEM computes its map at the size of its input; HybridGL and CoPatch resize that map with antialiasing.
    return F.interpolate(at_input[None, None], size=scene.size, mode="bilinear", antialias=True)[0, 0]


@once_per_scene
def heat_patches(scene: SceneFeatures, size: int, depth: int | None) -> tuple[Tensor, tuple[int, int]]:
    """Compute GEM's patch features.

    Args:
        scene: Image and a ViT.
        size: Side of GEM's input in pixels, a multiple of the patch size.
        depth: As in :func:`~zsris_viz.methods.gem.gem_features`.

    Returns:
        Tensor (rows * columns, D) of unit features, and rows and columns of the grid.
    """
    patches, grid = gem_features(scene.layered, scene.pixels("clip", size), depth=depth)
    return F.normalize(patches[0], dim=-1), grid


def ramp(side: str | None, size: tuple[int, int]) -> Tensor:
    """Compute a ramp that falls linearly from 1 at the named side to 0 at the opposite side.

    Args:
        side: One of `SIDES`, or two of them, such as "top left", whose ramps are multiplied; "middle" is 1 in the
            middle columns and 0 at the left and right border; None is 1 everywhere.
        size: Height and width in pixels.

    Returns:
        Tensor (H, W) of float32, 0-1.

    Raises:
        InvalidInputError: The side is unknown.
    """
    height, width = size
    shade = torch.ones(height, width)
    for word in (side or "").split():
        if word not in SIDES:
            raise InvalidInputError(f"side {word!r} is unknown; use {', '.join(SIDES)}, or two of them.")
        if word == "middle":
            half = width // 2
            shade = shade * torch.cat([torch.linspace(0, 1, half), torch.linspace(1, 0, width - half)])
        else:
            length = width if word in ("left", "right") else height
            line = torch.linspace(1, 0, length) if word in ("left", "top") else torch.linspace(0, 1, length)
            shade = shade * (line if word in ("left", "right") else line[:, None])
    return shade


def shaded(heat: Tensor, side: str | None) -> Tensor:
    """Rescale a map to 0-1, multiply it by the ramp of a side, and divide it by its mean.

    Args:
        heat: Tensor (H, W), the map.
        side: As in :func:`ramp`.

    Returns:
        Tensor (H, W); zeros for a constant map.

    Raises:
        InvalidInputError: The side is unknown.
    """
    low, high = heat.min(), heat.max()
    if float(high - low) < CONSTANT:
        return torch.zeros_like(heat)
    bright = (heat - low) / (high - low) * ramp(side, (heat.shape[0], heat.shape[1]))
    return bright / bright.mean().clamp(min=1e-12)


def coherence(heat: Tensor, masks: Masks, relation: str | None = None) -> Tensor:
    """Compute the spatial coherence of each mask with a shaded map.

    It is (2 - b) times the mean of the map inside the mask, minus b times the mean outside. The weight b is 1.95 for
    the relation "bigger", 1.5 for "smaller" and 1.8 otherwise. A mean over no pixels is 0.

    Args:
        heat: Tensor (H, W), the shaded map.
        masks: The N proposals.
        relation: The relation that the expression names, or None.

    Returns:
        Tensor (N,) of float64.
    """
    outside = OUTSIDE.get(relation or "", 1.8)
    flat, data = heat.double().flatten(), masks.data.flatten(1).cpu()
    areas = masks.areas.double().cpu()
    sums = torch.stack([flat[inside].sum() for inside in data]) if len(data) else flat.new_zeros(0)
    rest = (flat.sum() - sums) / (flat.numel() - areas).clamp(min=1)
    return (2 - outside) * sums / areas.clamp(min=1) - outside * rest
