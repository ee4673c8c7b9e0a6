"""Global-context features of Global-Local CLIP (Yu et al., CVPR 2023, eq. 3) for the proposals of a scene."""

from __future__ import annotations

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.methods.features import PreprocessLike, SceneFeatures
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.methods.token_masking import masked_features
from zsris_viz.methods.vit_forward import require_rn, require_vit
from zsris_viz.models.preprocessing import Preprocess


def global_context_features(
    scene: SceneFeatures,
    masked_blocks: int | None = None,
    *,
    keep_one: bool = True,
    antialias: bool = False,
    unit_map: bool = False,
    preset: PreprocessLike = None,
) -> Tensor:
    """Return the features of the whole image with all tokens or positions outside of each mask set to zero.

    In a ViT, every patch token is multiplied by its mask value before each of the last `masked_blocks` blocks; the
    earlier blocks run once for all masks. In an RN, the feature map before attention pooling is multiplied by the
    mask and then pooled. The scene keeps the features.

    Args:
        scene: Image, proposals and model.
        masked_blocks: Number of last blocks with masked tokens, for a ViT only; None for 3, 0 for no masking.
        keep_one: Whether a mask that vanishes on the grid keeps its largest cell; in the authors' code it is empty.
        antialias: Whether masks are resized to the grid with antialiasing.
        unit_map: Whether the feature map of an RN is L2-normalised at each position first, as in the authors' code.
        preset: Preprocessing; None for that of the scene.

    Returns:
        Tensor (N, D) of float32, not normalised.

    Raises:
        InvalidInputError: The tower has fewer blocks.
        UnavailableError: `masked_blocks` was given for an RN, which has no tokens to mask.
    """
    preprocess = scene.preprocess(preset)
    if scene.clip.kind == "rn":
        if masked_blocks is not None:
            raise UnavailableError(
                f"{scene.clip.name!r} is an RN: it has no blocks whose tokens could be masked. Leave "
                "masked_blocks=None: its feature map is masked before attention pooling instead."
            )
        return _masked_pooling(scene, keep_one, antialias, unit_map, preprocess)
    blocks = 3 if masked_blocks is None else masked_blocks
    if not 0 <= blocks <= scene.layered.num_layers:
        raise InvalidInputError(
            f"masked_blocks={blocks} was given; {scene.layered.name!r} has 0 to {scene.layered.num_layers}."
        )
    return _masked_tokens(scene, blocks, keep_one, antialias, preprocess)


@once_per_scene
def _masked_tokens(
    scene: SceneFeatures, blocks: int, keep_one: bool, antialias: bool, preprocess: Preprocess
) -> Tensor:
    """Return the features of a ViT whose patch tokens are masked before each of the last blocks."""
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
def _masked_pooling(
    scene: SceneFeatures, keep_one: bool, antialias: bool, unit_map: bool, preprocess: Preprocess
) -> Tensor:
    """Return the features of a ResNet whose feature map is masked before attention pooling."""
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
