"""From a map over the token grid to one score per proposal: the mean of the upsampled map inside each mask."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.scene_cache import once_per_scene


def upsample(grid_map: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, as all methods here bring maps to the image: (rows, columns) -> (H, W); any leading axes are kept."""
    flat = grid_map.reshape(-1, 1, *grid_map.shape[-2:])
    large = F.interpolate(flat, size=size, mode="bilinear", align_corners=False)
    return large.reshape(*grid_map.shape[:-2], *size)


@once_per_scene
def mean_weights(scene: SceneFeatures, grid: tuple[int, int]) -> Tensor:
    """Return how much each grid cell counts in the mean of the upsampled map inside each mask.

    The result is (N, rows * columns) float64.

    Upsampling and averaging are both linear, so the mean inside mask n of a map M upsampled to the image is
    `mean_weights[n] @ M`: the full-size map is never made for scoring. Rows sum to 1; zero for an empty mask.
    """

    (rows, columns), (height, width) = grid, scene.size
    vertical = _interpolation_matrix(rows, height)
    horizontal = _interpolation_matrix(columns, width)
    sums = torch.stack([vertical.T @ (mask.double() @ horizontal) for mask in scene.masks.data]).flatten(1)
    return sums / scene.masks.areas.clamp(min=1)[:, None]


def mean_inside(scene: SceneFeatures, grid_map: Tensor, *, stretch: bool = False) -> Tensor:
    """(N,) float32: the mean inside each mask of a (rows, columns) map upsampled to the image.

    Args:
        stretch: first stretch the upsampled map to 0-1, as several authors do before drawing. It does not change
            which mask is best, but makes the map of an absent object look like that of a present one.
    """
    means = mean_weights(scene, (grid_map.shape[-2], grid_map.shape[-1])) @ grid_map.detach().double().cpu().flatten()
    if stretch:
        large = upsample(grid_map.detach().float().cpu(), scene.size)
        low, high = float(large.min()), float(large.max())
        means = (means - low) / max(high - low, 1e-12)
    return means.float()


def _interpolation_matrix(cells: int, pixels: int) -> Tensor:
    """(pixels, cells) float64: bilinear interpolation along one axis, without aligned corners."""
    return F.interpolate(
        torch.eye(cells, dtype=torch.float64)[:, None], size=pixels, mode="linear", align_corners=False
    )[:, 0].T
