"""Region token (Adapting CLIP, Li et al. 2022; baseline of Global-Local CLIP): a CLS-like token for each proposal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.texts import ExpressionParts
from zsris_viz.methods.vit_forward import layers_of
from zsris_viz.models.blocks import autograd_mode, feed_forward, merge_heads, query_key_value

MEMBERSHIPS = ("half", "nearest")


@dataclass(frozen=True)
class RegionTokenConfig:
    """Settings of :class:`RegionToken`.

    Attributes:
        membership: which patches are inside a mask. "half": at least half of the patch by bilinear resize, and if
            that is none, the fullest one; "nearest": the mask's pixel at the patch's corner, as nearest-neighbour
            resize takes it (official).
        stem_padding: pad the image by (patch - 1) // 2 zero pixels before cutting patches, which moves it by about
            half a patch against the masks, and round position embeddings to 16 bits (both are side effects of the
            authors' upsampling option).
        preprocess: a preset's name; None for the scene's own.
    """

    membership: str = "half"
    stem_padding: bool = False
    preprocess: str | None = None

    def __post_init__(self) -> None:
        if self.membership not in MEMBERSHIPS:
            raise InvalidInputError(f"membership={self.membership!r} is unknown; use one of {', '.join(MEMBERSHIPS)}.")


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
        """(N, g, g) bool: which patches each region token sees."""
        if self.config.membership == "nearest":
            floats = scene.masks.data[:, None].float()
            return F.interpolate(floats, size=scene.layered.grid, mode="nearest")[:, 0] > 0
        shares = scene.masks.to_grid(*scene.layered.grid)
        fullest = shares.flatten(1).amax(dim=1)[:, None, None]
        return (shares >= fullest.clamp(max=0.5)) & (shares > 0)

    def features(self, scene: SceneFeatures) -> Tensor:
        """Region tokens in the joint space, (N, D) fp32, not normalised; once for each image."""
        config, clip = self.config, scene.layered

        def make() -> Tensor:
            if config.stem_padding:
                pixels = scene.pixels(config.preprocess)
                layers = layers_of(clip, pixels, stem_padding=(clip.patch_size - 1) // 2, half_positions=True)
            else:
                layers = scene.trace(config.preprocess).layers
            return region_tokens(clip, layers, self.inside(scene).flatten(1))

        return scene.cached(("region token", config, scene.preprocess(config.preprocess)), make)


def region_tokens(clip: Any, layers: list[Tensor], inside: Tensor) -> Tensor:
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
