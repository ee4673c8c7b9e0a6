"""CLIP Surgery (Li et al., 2023): a second path of value-value attention, and texts without their common part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.map_pooling import mean_inside
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.methods.settings import settings
from zsris_viz.methods.texts import mean_feature
from zsris_viz.methods.vit_forward import attend_to_itself, layers_of, require_rn, require_vit, second_path
from zsris_viz.models.blocks import autograd_mode, merge_heads, resize_positions, split_heads
from zsris_viz.models.preprocessing import Preprocess
from zsris_viz.models.resnet import ResNetClip


@settings
class ClipSurgeryConfig:
    """Settings of :class:`ClipSurgery`.

    Attributes:
        depth: Number of last blocks of a ViT that the second path replaces; None for 6, or for all blocks of a tower
            with fewer.
        size: Side of the input in pixels, a multiple of the patch size; None for that of the model. The authors also
            use 512.
        others: Other texts. The part that they have in common with the expression is removed; without other texts, the
            feature of the empty text is removed instead.
        weighted: Whether, with `others`, every text is weighted by its share in the softmax of twice the similarities
            of CLS before the mean over the texts is removed, as in the authors' code.
        normalise: "features" divides each token by its norm over the channels, so that similarities are cosines;
            "tokens" divides each channel by its norm over the tokens, CLS included (the authors' code before March
            2025).
        rn_cls: CLS of an RN, which weights the texts and belongs to the tokens of the norm: "pooled", the image feature
            of the model; "values", value-value attention of the mean position, as in the authors' code.
        templates: Prompts, each with "{}", whose normalised features are averaged. The authors average 85 of them.
        stretch: Whether the map is rescaled to 0-1 before it is averaged, as the authors do for drawing. The ranking
            does not change.
        preprocess: Name of a preprocessing preset; None for that of the scene.
    """

    depth: int | None = None
    size: Annotated[int, Field(ge=1)] | None = None
    others: tuple[str, ...] = ()
    weighted: bool = False
    normalise: Literal["features", "tokens"] = "features"
    rn_cls: Literal["pooled", "values"] = "pooled"
    templates: Annotated[tuple[str, ...], Field(min_length=1)] = ("{}",)
    stretch: bool = False
    preprocess: str | None = None

    def __post_init__(self) -> None:
        if not all("{}" in template for template in self.templates):
            raise InvalidInputError(
                'templates holds at least one prompt with "{}" for the text, e.g. ("a photo of {}.",).'
            )


class ClipSurgery(RankingMethod):
    """CLIP Surgery, which scores a mask by the mean similarity of its patches to the text.

    The part of the similarity that the texts have in common is removed first.

    In a ViT, the second path leaves the tower before its last six blocks. Its values attend to themselves, and the
    feed-forward parts are omitted. In an RN, the attention pooling uses value-value attention. The values are
    normalised before they are compared, and the scale is eight times as large, as in the authors' code.

    Without other texts, the similarity to the empty text is removed in both presets. With `others`, "default" removes
    the mean of the similarities over all texts, and "official" weights the texts by CLS first, as in the authors'
    current code. The input transform of the authors is also CLIP's own: bicubic resizing to a square, and CLIP's mean
    and standard deviation.

    Evidence: `map` (rows, columns), which is resized bilinearly to the image for drawing; `text_feature` (D,);
    `redundant` (D,), the feature of the empty text, or None with other texts; `text_weights` (T,), or None if the texts
    are not weighted.
    """

    info = MethodInfo(
        name="clip-surgery",
        title="CLIP Surgery",
        paper="Li et al., 2023 (arXiv 2304.05653), sections 3.2-3.3",
        towers=("vit", "rn"),
        summary="A second path of value-value attention; similarity minus what texts share, averaged in each proposal.",
        presets=("default", "official"),
    )
    Config = ClipSurgeryConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "default": {},
        # The weights count only with `others`, as in the authors' code, which has none with the empty text.
        "official": {"weighted": True, "rn_cls": "values", "preprocess": "clip"},
    }

    def texts_of(self, scene: SceneFeatures, text: ExpressionParts) -> list[str]:
        """Return the strings to embed, see :meth:`~zsris_viz.methods.base.Method.texts_of`."""
        return [prompt for string in self._set(text) for prompt in self._prompts(string)]

    def _set(self, text: ExpressionParts) -> list[str]:
        """Return the expression followed by the other texts, or by the empty text."""
        return [text.text, *(self.config.others or ("",))]

    def _prompts(self, text: str) -> list[str]:
        return [template.replace("{}", text) for template in self.config.templates]

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals, see :meth:`~zsris_viz.methods.base.RankingMethod.score`."""
        config = self.config
        tokens, grid = surgery_tokens(
            scene,
            scene.preprocess(config.preprocess, config.size),
            depth=config.depth,
            normalise=config.normalise,
            rn_cls=config.rn_cls,
        )
        strings = self._set(text)
        texts = torch.stack([mean_feature(scene.text_features(self._prompts(string))) for string in strings]).to(tokens)
        redundant = None if config.others else texts[1]
        weights: Tensor | None = None
        similarities = tokens @ texts.T
        if config.others and config.weighted:
            shares = (2 * similarities[0]).softmax(dim=-1)
            weights = shares / shares.mean()
            similarities = similarities * weights
        common = similarities.mean(dim=-1) if config.others else similarities[:, 1]
        grid_map = (similarities[:, 0] - common)[1:].reshape(grid)
        scores = mean_inside(scene, grid_map, stretch=config.stretch)
        evidence = {"map": grid_map, "text_feature": texts[0], "redundant": redundant, "text_weights": weights}
        return scores, evidence


@once_per_scene
def surgery_tokens(
    scene: SceneFeatures, preprocess: Preprocess, *, depth: int | None, normalise: str, rn_cls: str
) -> tuple[Tensor, tuple[int, int]]:
    """Compute CLS and the patches of the second path in the joint space.

    Args:
        scene: The scene.
        preprocess: Preprocessing of the image, with any multiple of the patch size as its size.
        depth: As in :class:`ClipSurgeryConfig`.
        normalise: As in :class:`ClipSurgeryConfig`.
        rn_cls: As in :class:`ClipSurgeryConfig`.

    Returns:
        Tensor (1 + rows * columns, D) of float32, CLS first, and rows and columns of the grid.

    Raises:
        InvalidInputError: The size is not a multiple of the patch size, or the depth exceeds the number of blocks.
    """
    clip, size = scene.layered, preprocess.size
    if size % clip.patch_size:
        near = max(1, round(size / clip.patch_size)) * clip.patch_size
        raise InvalidInputError(
            f"size={size} does not divide into patches of {clip.patch_size}; use a multiple, e.g. {near}."
        )
    side = size // clip.patch_size
    if clip.kind == "rn":
        tokens = _rn_tokens(require_rn(clip, "CLIP Surgery"), scene.trace(preprocess, size).map(-1), rn_cls)
    else:
        vit = require_vit(clip, "CLIP Surgery")
        if size == vit.image_size:
            layers = scene.trace(preprocess).layers
        else:
            layers = layers_of(vit, scene.pixels(preprocess, size), positions="bilinear")
        path = second_path(vit, layers, depth, value_value_attention)
        tokens = vit.project(torch.cat([layers[-1][:, :1], path[:, 1:]], dim=1))[0]
    with autograd_mode(False):
        return F.normalize(tokens, dim=-1 if normalise == "features" else 0), (side, side)


def value_value_attention(query: Tensor, key: Tensor, value: Tensor, normed: Tensor) -> Tensor:
    """Mix values by their own similarity instead of the similarity of queries and keys."""
    return attend_to_itself(value, value, value.new_tensor(value.shape[-1] ** -0.5))


def _rn_tokens(clip: ResNetClip, feature_map: Tensor, cls: str) -> Tensor:
    """Run an RN's attention pooling with value-value attention: (1, C, g, g) -> (1 + g * g, D), not normalised."""
    pool = clip.model.visual.attnpool
    with autograd_mode(False):
        grid = (feature_map.shape[-2], feature_map.shape[-1])
        positions = feature_map.flatten(2).transpose(1, 2)
        positions = torch.cat([positions.mean(dim=1, keepdim=True), positions], dim=1)
        positions = positions + resize_positions(pool.positional_embedding, grid)
        value = split_heads(pool.v_proj(positions), pool.num_heads).float()
        scale = value.new_tensor(value.shape[-1] ** -0.5)
        unit = value / (value.norm(dim=-1, keepdim=True) + 1e-6)
        mixed = attend_to_itself(unit, value, 8 * scale)
        if cls == "values":
            mixed[:, :, :1] = attend_to_itself(value, value, scale)[:, :, :1]
        tokens = F.linear(merge_heads(mixed), pool.c_proj.weight.float(), pool.c_proj.bias.float())[0]
        if cls == "pooled":
            tokens[:1] = clip.pool(feature_map)
        return tokens
