"""Grad-CAM (Selvaraju et al., ICCV 2017) of the image-text logit for RN and, with the `grad-cam` package, for ViT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.map_pooling import mean_inside
from zsris_viz.methods.settings import settings
from zsris_viz.methods.vit_forward import require_rn, require_vit
from zsris_viz.models.layered import LayeredModel
from zsris_viz.models.vit import VitClip


@settings
class GradCamConfig:
    """Settings of :class:`GradCam`.

    Attributes:
        sign: 1 for the gradient of the logit; -1 for the gradient of its negative, as in the authors' code.
        relu: Whether negative values of the map are set to 0.
        unit_map: Whether the feature map of an RN is L2-normalised at each position before its channels are weighted,
            as in the authors' code.
        block: Block of a ViT whose first LayerNorm is used, counted from 0, or from the end with negative numbers. The
            attention of the block reads the output of this LayerNorm.
        preprocess: Name of a preprocessing preset; None for that of the scene.
    """

    sign: Literal[1, -1] = 1
    relu: bool = True
    unit_map: bool = False
    block: int = -1
    preprocess: str | None = None


class GradCam(RankingMethod):
    """Grad-CAM, which scores a mask by the mean inside it of the Grad-CAM of logit_scale * cos(E_v(I), E_t(T)).

    For an RN, the map is that of the last feature map before attention pooling. For a ViT, it is that of the patch
    tokens after the first LayerNorm of a block, by default the last one. The hooks of the `grad-cam` package are
    removed afterwards, also after an error.

    Presets: "default", and "official" as in the baseline of GL-CLIP's code: the negative logit, no ReLU, and for an RN
    a feature map that is normalised at each position.

    Evidence: `map` (g, g), which is not rescaled and is resized bilinearly to the image for drawing; `weights` (C,) of
    the channels; `logit`; `text_feature` (D,).
    """

    info = MethodInfo(
        name="grad-cam",
        title="Grad-CAM",
        paper="Selvaraju et al., ICCV 2017, eq. 1-2; baseline of Yu et al., CVPR 2023",
        towers=("vit", "rn"),
        summary="The last feature map weighed by the gradient of the image-text logit, averaged in each proposal.",
        presets=("default", "official"),
    )
    Config = GradCamConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "default": {},
        "official": {"sign": -1, "relu": False, "unit_map": True, "preprocess": "glclip"},
    }

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals, see :meth:`~zsris_viz.methods.base.RankingMethod.score`."""
        text_feature = scene.text(text.text)
        explain = _explain_rn if scene.clip.kind == "rn" else _explain_vit
        with torch.inference_mode(False), torch.enable_grad():
            activations, gradients, logit = explain(scene, text_feature.clone(), self.config)
        weights = self.config.sign * gradients.mean(dim=(-2, -1))
        if self.config.unit_map and scene.clip.kind == "rn":
            activations = activations / activations.norm(dim=0, keepdim=True).clamp_min(1e-12)
        grid_map = torch.einsum("c,chw->hw", weights, activations)
        grid_map = grid_map.relu() if self.config.relu else grid_map
        evidence = {"map": grid_map, "weights": weights, "logit": logit, "text_feature": text_feature}
        return mean_inside(scene, grid_map), evidence


def _logit(clip: LayeredModel, image_features: Tensor, text_feature: Tensor) -> Tensor:
    """Return the logits, logit_scale times the cosines, (B,)."""
    return clip.logit_scale * F.cosine_similarity(image_features, text_feature[None])


def _explain_rn(scene: SceneFeatures, text_feature: Tensor, config: GradCamConfig) -> tuple[Tensor, Tensor, float]:
    """Return the last feature map and the gradient of the logit there, each (C, g, g), and the logit."""
    clip = require_rn(scene.clip, "Grad-CAM")
    feature_map = scene.feature_map(config.preprocess).clone().requires_grad_()
    logit = _logit(clip, clip.pool(feature_map, grad=True), text_feature)
    (gradient,) = torch.autograd.grad(logit.sum(), feature_map)
    return feature_map.detach()[0].float(), gradient[0].float(), float(logit.detach())


class _Resumed(nn.Module):
    """The part of the tower from a block on as a module, which maps the state before the block to the logit."""

    def __init__(self, clip: VitClip, layer: int, text_feature: Tensor) -> None:
        super().__init__()
        self.clip, self.layer, self.text_feature = clip, layer, text_feature

    def forward(self, hidden: Tensor) -> Tensor:
        pooled = self.clip.resume(hidden, self.layer, grad=True)
        assert isinstance(pooled, Tensor)
        return _logit(self.clip, pooled, self.text_feature)


def _explain_vit(scene: SceneFeatures, text_feature: Tensor, config: GradCamConfig) -> tuple[Tensor, Tensor, float]:
    """Return the first LayerNorm's patch tokens and the logit's gradient there, each (C, g, g), and the logit."""
    from pytorch_grad_cam.activations_and_gradients import ActivationsAndGradients

    clip = require_vit(scene.clip, "Grad-CAM")
    blocks = clip.num_layers
    if not -blocks <= config.block < blocks:
        raise InvalidInputError(
            f"block={config.block} does not exist; {clip.name!r} has blocks 0 to {blocks - 1}, or -{blocks} to -1."
        )
    layer = config.block % blocks
    rows, columns = scene.trace(config.preprocess).grids[layer]

    def to_map(tokens: Tensor) -> Tensor:
        return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, rows, columns)

    hidden = scene.trace(config.preprocess).layers[layer].clone().requires_grad_()
    watched = ActivationsAndGradients(_Resumed(clip, layer, text_feature), [clip.blocks[layer].layer_norm1], to_map)
    try:
        logit = watched(hidden)
        logit.sum().backward()
        return watched.activations[0][0].float(), watched.gradients[0][0].float(), float(logit.detach())
    finally:
        watched.release()
