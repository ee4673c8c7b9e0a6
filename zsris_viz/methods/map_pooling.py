"""Pooling of a map on the token grid to one score for each proposal: the mean of the upsampled map inside its mask."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.scene_cache import once_per_scene


def upsample(grid_map: Tensor, size: tuple[int, int]) -> Tensor:
    """Upsample maps bilinearly to the size of the image, without aligned corners.

    Args:
        grid_map: Tensor (..., rows, columns), with any leading axes.
        size: Height and width of the image in pixels.

    Returns:
        Tensor (..., H, W).
    """
    flat = grid_map.reshape(-1, 1, *grid_map.shape[-2:])
    large = F.interpolate(flat, size=size, mode="bilinear", align_corners=False)
    return large.reshape(*grid_map.shape[:-2], *size)


@once_per_scene
def mean_weights(scene: SceneFeatures, grid: tuple[int, int]) -> Tensor:
    """Compute the weight of each grid cell in the mean of the upsampled map inside each mask.

    Upsampling and averaging are both linear. The mean inside mask n of a map M that is upsampled to the image is
    therefore entry n of `mean_weights @ M`, and scoring does not need the map at full size.

    Args:
        scene: The proposals.
        grid: Rows and columns of the map.

    Returns:
        Tensor (N, rows * columns) of float64, whose rows sum to 1, or to 0 for an empty mask.
    """

    (rows, columns), (height, width) = grid, scene.size
    vertical = _interpolation_matrix(rows, height)
    horizontal = _interpolation_matrix(columns, width)
    sums = torch.stack([vertical.T @ (mask.double() @ horizontal) for mask in scene.masks.data]).flatten(1)
    return sums / scene.masks.areas.clamp(min=1)[:, None]


def mean_inside(scene: SceneFeatures, grid_map: Tensor, *, stretch: bool = False) -> Tensor:
    """Compute the mean of an upsampled map inside each mask.

    Args:
        scene: The proposals.
        grid_map: Tensor (rows, columns), the map.
        stretch: Whether the upsampled map is first rescaled to 0-1, as several authors do for drawing. This does not
            change which mask is best, but makes the map of an absent object resemble that of a present one.

    Returns:
        Tensor (N,) of float32.
    """
    means = mean_weights(scene, (grid_map.shape[-2], grid_map.shape[-1])) @ grid_map.detach().double().cpu().flatten()
    if stretch:
        large = upsample(grid_map.detach().float().cpu(), scene.size)
        low, high = float(large.min()), float(large.max())
        means = (means - low) / max(high - low, 1e-12)
    return means.float()


def _interpolation_matrix(cells: int, pixels: int) -> Tensor:
    """Compute the (pixels, cells) float64 matrix of bilinear interpolation along one axis without aligned corners."""
    return F.interpolate(
        torch.eye(cells, dtype=torch.float64)[:, None], size=pixels, mode="linear", align_corners=False
    )[:, 0].T
