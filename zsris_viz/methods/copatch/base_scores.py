"""Global-Local scores under CoPatch: the visual feature of each proposal, mixed as its configuration says."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.copatch.config import CoPatchConfig
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.token_masking import masked_features


def visual_features(scene: SceneFeatures, config: CoPatchConfig) -> Tensor:
    """alpha f_G + (1 - alpha) f_L of every proposal (Global-Local CLIP, eq. 5): (N, D) fp32, not normalised."""
    parts = [_global(scene, config), scene.crop_features(config.crop, config.preprocess)]
    if config.mixing == "unit":
        parts = [F.normalize(part, dim=-1) for part in parts]
    return config.alpha * parts[0] + (1 - config.alpha) * parts[1]


def _global(scene: SceneFeatures, config: CoPatchConfig) -> Tensor:
    """f_G of every proposal, (N, D)."""
    if not config.antialias:
        return scene.global_features(config.masked_blocks, keep_one=config.keep_one, preset=config.preprocess)
    blocks = 3 if config.masked_blocks is None else config.masked_blocks
    layer = scene.layered.num_layers - blocks

    def make() -> Tensor:
        trace = scene.trace(config.preprocess)
        rows, columns = trace.grids[-1]
        masks = scene.masks.to_grid(rows, columns, keep_one=config.keep_one, antialias=True).to(scene.clip.device)
        hidden = trace.layers[layer]
        return masked_features(scene.clip, hidden, layer, masks.flatten(1), batch_size=scene.batch_size)

    key = ("copatch global", blocks, config.keep_one, scene.preprocess(config.preprocess))
    return scene.cached(key, make)
