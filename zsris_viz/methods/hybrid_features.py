"""Features of HybridGL (Liu and Li, CVPR 2025): two streams of masked images, fused in the last blocks of one ViT."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.crops import CropCutter, CropVariant
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.global_context import global_context_features
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.methods.vit_forward import require_vit
from zsris_viz.models.blocks import autograd_mode, run_block
from zsris_viz.models.preprocessing import Preprocess
from zsris_viz.models.vit import VitClip

Fusion = Literal["g2l", "l2g", "both", "token-masking", "attention-masking", "crop"]


@once_per_scene
def hybrid_features(
    scene: SceneFeatures,
    preprocess: Preprocess,
    *,
    fusion: Fusion,
    fused_blocks: int,
    local_image: CropVariant,
    global_image: CropVariant,
    keep_one: bool,
) -> Tensor:
    """Compute the feature of every proposal from its local image x and its global image y.

    M denotes the mask values of the patch tokens, with 1 for CLS. In a masked block, CLS attends only to itself and to
    the patches inside the mask. Each of the last blocks computes one of the following:

    - "g2l": x <- block(x + 2 M y), then y <- masked_block(y). The feature is CLS of x.
    - "l2g": y <- masked_block(x + 2 y), and x <- block(x). The feature is CLS of y.
    - "both": the sum of the features of both directions, each of which has its own hybrid stream besides the plain
      streams x <- block(x) and y <- masked_block(y).
    - "token-masking": the tokens of the whole image are multiplied by M before the block, as in Global-Local CLIP.
    - "attention-masking": the masked block is applied to the whole image.
    - "crop": no fusion; the feature is that of the tight crop on the background of the local image.

    Args:
        scene: Image, proposals and a ViT.
        preprocess: Preprocessing of the images.
        fusion: Kind of fusion.
        fused_blocks: Number of last blocks in which the streams are fused.
        local_image: Settings of the local image.
        global_image: Settings of the global image.
        keep_one: Whether a mask that vanishes on the token grid keeps its largest cell.

    Returns:
        Tensor (N, D) of float32, not normalised; zeros for an empty mask.

    Raises:
        InvalidInputError: The tower has fewer blocks.
        UnavailableError: The model is not a ViT.
    """
    clip = require_vit(scene.clip, "HybridGL")
    first = clip.num_layers - fused_blocks
    if first < 0:
        raise InvalidInputError(f"fused_blocks={fused_blocks} was given; {clip.name!r} has {clip.num_layers} blocks.")
    if fusion == "token-masking":
        return global_context_features(scene, fused_blocks, keep_one=keep_one, preset=preprocess)
    if fusion == "crop":
        variant = CropVariant(fill=local_image.fill, pipeline=local_image.pipeline, sigma=local_image.sigma)
        return scene.crop_features(variant, preprocess)
    features = torch.zeros(len(scene), clip.embed_dim, device=clip.device)
    cutters = [CropCutter(scene.image, variant, preprocess) for variant in (local_image, global_image)]
    weights = scene.grid_masks(keep_one=keep_one).flatten(1)
    for rows in (~scene.empty).nonzero()[:, 0].split(scene.batch_size):
        chunk = weights[rows]
        if fusion == "attention-masking":
            whole = scene.trace(preprocess).layers[first].expand(len(rows), -1, -1)
            features[rows] = _attention_masked(clip, whole, chunk, first)
            continue
        masks = scene.masks.select(rows)
        x, y = (_lower_blocks(clip, cutter.cut(masks), first) for cutter in cutters)
        features[rows] = _fused(clip, x, y, chunk, first, fusion)
    return features


def _lower_blocks(clip: VitClip, pixels: Tensor, stop: int) -> Tensor:
    """Run the blocks before `stop`: (n, 3, S, S) -> (n, T, C)."""
    clip.calls.crops += len(pixels)
    with autograd_mode(False):
        hidden = clip.embed_pixels(pixels)
        for block in clip.blocks[:stop]:
            hidden, _ = run_block(block, hidden, attention="sdpa")
        return hidden


def _attention_mask(weights: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the additive mask (n, 1, T, T) with which CLS attends only to itself and to patches of positive weight."""
    count, patches = weights.shape
    mask = torch.zeros(count, 1, 1 + patches, 1 + patches, dtype=dtype, device=weights.device)
    mask[:, 0, 0, 1:].masked_fill_(weights <= 0, -torch.inf)
    return mask


def _attention_masked(clip: VitClip, hidden: Tensor, weights: Tensor, first: int) -> Tensor:
    """Run the last blocks with the attention mask and project CLS: (n, T, C) -> (n, D)."""
    mask = _attention_mask(weights, hidden.dtype)
    with autograd_mode(False):
        for block in clip.blocks[first:]:
            hidden, _ = run_block(block, hidden, mask, attention="sdpa")
        return clip.project(hidden[:, 0])


def _fused(clip: VitClip, x: Tensor, y: Tensor, weights: Tensor, first: int, fusion: str) -> Tensor:
    """Run the last blocks with fusion of the two streams and project CLS: (n, D)."""
    mask = _attention_mask(weights, x.dtype)
    ones = torch.ones(len(weights), 1, dtype=x.dtype, device=weights.device)
    tokens = torch.cat([ones, weights.to(x.dtype)], dim=1)[..., None]
    local, context = x, y  # the hybrid streams
    with autograd_mode(False):
        for index in range(first, clip.num_layers):
            block, last = clip.blocks[index], index == clip.num_layers - 1
            cls = torch.zeros(len(x), dtype=torch.long, device=x.device) if last else None  # only CLS is read
            if fusion != "l2g":
                local, _ = run_block(block, local + 2 * tokens * y, attention="sdpa", rows=cls)
            if fusion != "g2l":
                context, _ = run_block(block, x + 2 * context, mask, attention="sdpa", rows=cls)
            if fusion != "g2l" and not last:
                x, _ = run_block(block, x, attention="sdpa")
            if fusion != "l2g" and not last:
                y, _ = run_block(block, y, mask, attention="sdpa")
        read = {"g2l": [local], "l2g": [context], "both": [local, context]}[fusion]
        return torch.stack([clip.project(stream[:, 0]) for stream in read]).sum(dim=0)
