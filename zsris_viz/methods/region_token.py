"""Region token (Adapting CLIP, Li et al., 2022; baseline of Global-Local CLIP): a CLS-like token for each proposal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.methods.settings import settings
from zsris_viz.methods.vit_forward import layers_of, require_vit
from zsris_viz.models.blocks import autograd_mode, feed_forward, merge_heads, query_key_value
from zsris_viz.models.preprocessing import Preprocess
from zsris_viz.models.vit import VitClip


@settings
class RegionTokenConfig:
    """Settings of :class:`RegionToken`.

    Attributes:
        membership: Criterion by which a patch is inside a mask. "half": the mask covers at least half of the patch
            after bilinear resizing, or the patch has the largest share if no patch reaches half. "nearest": the mask
            contains the pixel at the patch's corner, as in nearest-neighbour resizing (the authors' code).
        stem_padding: Whether the image is padded by (patch - 1) // 2 zero pixels before it is cut into patches, which
            shifts it by about half a patch against the masks, and position embeddings are rounded to 16 bits. Both are
            side effects of the authors' upsampling option.
        preprocess: Name of a preprocessing preset; None for that of the scene.
    """

    membership: Literal["half", "nearest"] = "half"
    stem_padding: bool = False
    preprocess: str | None = None


class RegionToken(RankingMethod):
    """Score cos(region token, E_t(T)) with a token for each mask that attends to the patches inside and to itself.

    The region tokens run from block 0 on. The patches do not attend to them, and they attend neither to CLS nor to each
    other. All masks are therefore computed in one pass.

    Presets: "default"; "official" as in the baseline of GL-CLIP's code.

    Evidence: `features` (N, D), `text_feature` (D,) and `grid_masks` (N, g, g) of bool.
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
        """Return the patches to which each region token attends.

        Args:
            scene: Image, proposals and a ViT.

        Returns:
            Tensor (N, g, g) of bool.
        """
        return patches_inside(scene, self.config.membership)

    def features(self, scene: SceneFeatures) -> Tensor:
        """Return the region tokens in the joint space, computed once for each image.

        Args:
            scene: Image, proposals and a ViT.

        Returns:
            Tensor (N, D) of float32, not normalised.
        """
        config = self.config
        return region_features(scene, scene.preprocess(config.preprocess), config.membership, config.stem_padding)


@once_per_scene
def patches_inside(scene: SceneFeatures, membership: str) -> Tensor:
    """Compute which patches are inside each mask.

    Args:
        scene: Proposals and a ViT.
        membership: As in :class:`RegionTokenConfig`.

    Returns:
        Tensor (N, g, g) of bool.
    """
    if membership == "nearest":
        floats = scene.masks.data[:, None].float()
        return F.interpolate(floats, size=scene.layered.grid, mode="nearest")[:, 0] > 0
    shares = scene.masks.to_grid(*scene.layered.grid)
    fullest = shares.flatten(1).amax(dim=1)[:, None, None]
    return (shares >= fullest.clamp(max=0.5)) & (shares > 0)


@once_per_scene
def region_features(scene: SceneFeatures, preprocess: Preprocess, membership: str, stem_padding: bool) -> Tensor:
    """Compute the region tokens of all proposals in the joint space.

    Args:
        scene: Image, proposals and a ViT.
        preprocess: The preprocessing.
        membership: As in :class:`RegionTokenConfig`.
        stem_padding: As in :class:`RegionTokenConfig`.

    Returns:
        Tensor (N, D) of float32, not normalised.

    Raises:
        UnavailableError: The model is not a ViT.
    """
    clip = require_vit(scene.clip, "Region token")
    if stem_padding:
        pixels = scene.pixels(preprocess)
        layers = layers_of(clip, pixels, stem_padding=(clip.patch_size - 1) // 2, half_positions=True)
    else:
        layers = scene.trace(preprocess).layers
    return region_tokens(clip, layers, patches_inside(scene, membership).flatten(1))


def region_tokens(clip: VitClip, layers: list[Tensor], inside: Tensor) -> Tensor:
    """Compute the region tokens after all blocks and project them to the joint space.

    Args:
        clip: A ViT.
        layers: L + 1 tensors (1, 1 + P, C), the layers of the image tower for one image.
        inside: Tensor (N, P) of bool, the patches inside each mask.

    Returns:
        Tensor (N, D) of float32, not normalised.
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
