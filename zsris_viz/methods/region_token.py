"""Region token (Adapting CLIP, Li et al. 2022; baseline of Global-Local CLIP): a CLS-like token for each proposal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.methods.settings import settings
from zsris_viz.methods.texts import ExpressionParts
from zsris_viz.methods.vit_forward import layers_of, require_vit
from zsris_viz.models.blocks import autograd_mode, feed_forward, merge_heads, query_key_value
from zsris_viz.models.preprocessing import Preprocess
from zsris_viz.models.vit import VitClip


@settings
class RegionTokenConfig:
    """Settings of :class:`RegionToken`.

    Attributes:
        membership: Which patches are inside a mask. "half": at least half of the patch by bilinear resize, and if
            that is none, the fullest one; "nearest": the mask's pixel at the patch's corner, as nearest-neighbour
            resize takes it (official).
        stem_padding: Pad the image by (patch - 1) // 2 zero pixels before cutting patches, which moves it by about
            half a patch against the masks, and round position embeddings to 16 bits (both are side effects of the
            authors' upsampling option).
        preprocess: Name of a preprocessing preset; None for the scene's own.
    """

    membership: Literal["half", "nearest"] = "half"
    stem_padding: bool = False
    preprocess: str | None = None


class RegionToken(RankingMethod):
    """cos(region token, E_t(T)): from block 0 on, a token for each mask attends to the patches inside and to itself.

    Patches are untouched by the region tokens, which do not see CLS or each other; so all masks are computed in one
    pass.

    Presets: "default"; "official", as in the baseline of GL-CLIP's code.

    Evidence: features (N, D), text_feature (D,), grid_masks (N, g, g) bool.
    """

    info = MethodInfo(
        name="region-token",
        title="Region token",
        paper="Li et al., 2022 (arXiv 2204.03647), section 3.2; baseline of Yu et al., CVPR 2023",
        towers=("vit",),
        summary="One extra CLS-like token for each proposal, which attends only to the patches inside it.",
        presets=("default", "official"),
    )
    Config = RegionTokenConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "default": {},
        "official": {"membership": "nearest", "stem_padding": True, "preprocess": "glclip"},
    }

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals, see :meth:`~zsris_viz.methods.base.RankingMethod.score`."""
        text_feature = scene.text(text.text)
        features = self.features(scene)
        scores = F.cosine_similarity(features, text_feature[None])
        return scores, {"features": features, "text_feature": text_feature, "grid_masks": self.inside(scene)}

    def inside(self, scene: SceneFeatures) -> Tensor:
        """Return which patches each region token sees, (N, g, g) bool."""
        return patches_inside(scene, self.config.membership)

    def features(self, scene: SceneFeatures) -> Tensor:
        """Return the region tokens in the joint space, (N, D) fp32, not normalised; computed once for each image."""
        config = self.config
        return region_features(scene, scene.preprocess(config.preprocess), config.membership, config.stem_padding)


@once_per_scene
def patches_inside(scene: SceneFeatures, membership: str) -> Tensor:
    """Compute which patches are inside each mask, (N, g, g) bool; see :class:`RegionTokenConfig`."""
    if membership == "nearest":
        floats = scene.masks.data[:, None].float()
        return F.interpolate(floats, size=scene.layered.grid, mode="nearest")[:, 0] > 0
    shares = scene.masks.to_grid(*scene.layered.grid)
    fullest = shares.flatten(1).amax(dim=1)[:, None, None]
    return (shares >= fullest.clamp(max=0.5)) & (shares > 0)


@once_per_scene
def region_features(scene: SceneFeatures, preprocess: Preprocess, membership: str, stem_padding: bool) -> Tensor:
    """Compute the region tokens in the joint space, (N, D) fp32, not normalised; see :class:`RegionTokenConfig`."""
    clip = require_vit(scene.clip, "Region token")
    if stem_padding:
        pixels = scene.pixels(preprocess)
        layers = layers_of(clip, pixels, stem_padding=(clip.patch_size - 1) // 2, half_positions=True)
    else:
        layers = scene.trace(preprocess).layers
    return region_tokens(clip, layers, patches_inside(scene, membership).flatten(1))


def region_tokens(clip: VitClip, layers: list[Tensor], inside: Tensor) -> Tensor:
    """(N, D) fp32: region tokens after all blocks, projected.

    Args:
        layers: the tower's L + 1 layers for one image, (1, 1 + P, C) each. inside: (N, P) bool.
    """
    inside = inside.to(clip.device)
    with autograd_mode(False):
        tokens = layers[0][:, :1].expand(1, len(inside), -1)
        for block, hidden in zip(clip.blocks, layers, strict=False):
            _, patch_keys, patch_values = query_key_value(block, hidden[:, 1:])
            query, key, value = query_key_value(block, tokens)  # (1, heads, N, depth)
            scale = query.shape[-1] ** -0.5
            to_patches = (query @ patch_keys.transpose(-2, -1) * scale).masked_fill(~inside, -torch.inf)
            to_itself = (query * key).sum(dim=-1, keepdim=True) * scale
            weights = torch.cat([to_patches, to_itself], dim=-1).float().softmax(dim=-1).to(value.dtype)
            mixed = weights[..., :-1] @ patch_values + weights[..., -1:] * value
            tokens = tokens + block.self_attn.out_proj(merge_heads(mixed))
            tokens = tokens + feed_forward(block, tokens)
        return clip.project(tokens[0])
