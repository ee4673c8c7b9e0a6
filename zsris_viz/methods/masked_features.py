"""Global-context features of Global-Local CLIP (Yu et al., CVPR 2023, eq. 3) for the proposals of a scene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.methods.token_masking import masked_features
from zsris_viz.methods.vit_forward import require_rn, require_vit
from zsris_viz.models.preprocessing import Preprocess

if TYPE_CHECKING:
    from zsris_viz.methods.features import SceneFeatures


@once_per_scene
def masked_tokens(scene: SceneFeatures, blocks: int, keep_one: bool, antialias: bool, preprocess: Preprocess) -> Tensor:
    """Return the features of a ViT whose patch tokens are masked before each of the last blocks.

    Args:
        scene: The scene, with a ViT.
        blocks: Number of masked blocks.
        keep_one: Whether a mask that vanishes on the grid keeps its largest cell.
        antialias: Whether masks are resized to the grid with antialiasing.
        preprocess: Preprocessing of the image.

    Returns:
        Tensor (N, D) of float32, not normalised.
    """
    if not len(scene):
        return torch.zeros(0, scene.clip.embed_dim, device=scene.clip.device)
    if not blocks:
        return scene.image_feature(preprocess).repeat(len(scene), 1)
    layer = scene.layered.num_layers - blocks
    trace = scene.trace(preprocess)
    masks = scene.grid_masks(keep_one=keep_one, antialias=antialias, grid=trace.grid).flatten(1)
    return masked_features(
        require_vit(scene.clip, "Token masking"),
        trace.layers[layer],
        layer,
        masks,
        batch_size=scene.batch_size,
        advance=scene.report_progress,
    )


@once_per_scene
def masked_pooling(
    scene: SceneFeatures, keep_one: bool, antialias: bool, unit_map: bool, preprocess: Preprocess
) -> Tensor:
    """Return the features of a ResNet whose feature map is masked before attention pooling.

    Args:
        scene: The scene, with a ResNet.
        keep_one: Whether a mask that vanishes on the grid keeps its largest cell.
        antialias: Whether masks are resized to the grid with antialiasing.
        unit_map: Whether the map is L2-normalised at each position first.
        preprocess: Preprocessing of the image.

    Returns:
        Tensor (N, D) of float32, not normalised.
    """
    if not len(scene):
        return torch.zeros(0, scene.clip.embed_dim, device=scene.clip.device)
    clip = require_rn(scene.clip, "A map before attention pooling")
    feature_map = scene.feature_map(preprocess)
    if unit_map:
        feature_map = feature_map / feature_map.norm(dim=1, keepdim=True).clamp_min(1e-12)
    grid = (feature_map.shape[-2], feature_map.shape[-1])
    masks = scene.grid_masks(keep_one=keep_one, antialias=antialias, grid=grid)
    parts = masks.split(scene.batch_size)
    return torch.cat([clip.pool(feature_map * part[:, None].to(feature_map.dtype)) for part in parts])
