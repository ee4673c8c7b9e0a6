"""Grad-CAM (Selvaraju et al., ICCV 2017) of the image-text logit, on RN and, by the `grad-cam` package, on ViT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.map_pooling import mean_inside
from zsris_viz.methods.settings import settings
from zsris_viz.methods.texts import ExpressionParts
from zsris_viz.methods.vit_forward import require_rn, require_vit
from zsris_viz.models.layered import LayeredModel
from zsris_viz.models.vit import VitClip


@settings
class GradCamConfig:
    """Settings of :class:`GradCam`.

    Attributes:
        sign: 1 for the gradient of the logit; -1 for the gradient of its negative (official).
        relu: Keep only what speaks for the text.
        unit_map: RN only: L2-normalise the feature map at each position before weighing its channels (official).
        block: ViT only: the block whose first LayerNorm is explained, counted from 0, or from the last with negative
            numbers. Its output is what the block's attention reads; in the last block, what CLS gathers from the
            patches.
        preprocess: Name of a preprocessing preset; None for the scene's own.
    """

    sign: Literal[1, -1] = 1
    relu: bool = True
    unit_map: bool = False
    block: int = -1
    preprocess: str | None = None


class GradCam(RankingMethod):
    """The score of a mask is the mean inside it of the Grad-CAM of logit_scale * cos(E_v(I), E_t(T)).

    RN: of the last feature map, before attention pooling. ViT: of the first LayerNorm of a block (default the last),
    its patch tokens reshaped to a map, by the `grad-cam` package's hooks, which are removed whatever happens.

    Presets: "default"; "official", the authors' code: the logit's sign flipped, no ReLU, the map normalised at each
    position.

    Evidence: map (g, g), not stretched, bilinear to the image for drawing; weights (C,) of the channels; logit;
    text_feature (D,).
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
    """Return logit_scale * cos, (B,)."""
    return clip.logit_scale * F.cosine_similarity(image_features, text_feature[None])


def _explain_rn(scene: SceneFeatures, text_feature: Tensor, config: GradCamConfig) -> tuple[Tensor, Tensor, float]:
    """Last feature map and the logit's gradient there, (C, g, g) fp32 each, and the logit."""
    clip = require_rn(scene.clip, "Grad-CAM")
    feature_map = scene.feature_map(config.preprocess).clone().requires_grad_()
    logit = _logit(clip, clip.pool(feature_map, grad=True), text_feature)
    (gradient,) = torch.autograd.grad(logit.sum(), feature_map)
    return feature_map.detach()[0].float(), gradient[0].float(), float(logit.detach())


class _Resumed(nn.Module):
    """The tower from one block on, as the module that the hooks of `grad-cam` need: hidden state -> logit."""

    def __init__(self, clip: VitClip, layer: int, text_feature: Tensor) -> None:
        super().__init__()
        self.clip, self.layer, self.text_feature = clip, layer, text_feature

    def forward(self, hidden: Tensor) -> Tensor:
        pooled = self.clip.resume(hidden, self.layer, grad=True)
        assert isinstance(pooled, Tensor)
        return _logit(self.clip, pooled, self.text_feature)


def _explain_vit(scene: SceneFeatures, text_feature: Tensor, config: GradCamConfig) -> tuple[Tensor, Tensor, float]:
    """Patch tokens after the block's first LayerNorm and the logit's gradient there, (C, g, g) fp32, and the logit."""
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
