"""Score map (MaskCLIP, Zhou et al., ECCV 2022): similarity of the text and the values of the last attention layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.map_pooling import mean_inside
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.methods.settings import settings
from zsris_viz.models.preprocessing import Preprocess


@settings
class ScoreMapConfig:
    """Settings of :class:`ScoreMap`.

    Attributes:
        residual: Whether, in a ViT, the input of the last block is added, as in MaskCLIP's code. By default it is
            omitted, as in ClearCLIP, because the residual stream is not aligned with texts and can invert the map.
        mlp: Whether, in a ViT, the feed-forward part of the last block is applied, as in MaskCLIP's code.
        stretch: Whether the upsampled map is rescaled to 0-1 before it is averaged, as in the authors' code. The
            ranking does not change.
        preprocess: Name of a preprocessing preset; None for that of the scene.
    """

    residual: bool = False
    mlp: bool = False
    stretch: bool = False
    preprocess: str | None = None


class ScoreMap(RankingMethod):
    """Score map, which scores a mask by the mean inside it of cos(patch feature, E_t(T)).

    In an RN, the value and output projections of the attention pooling are applied to each position as 1 x 1
    convolutions. In a ViT, the values of the last block replace the output of its attention.

    Presets: "default", and "official" with GL-CLIP's preprocessing and, for a ViT, the residual and the feed-forward
    part.

    Evidence: `map` (g, g), the cosines, which are resized bilinearly to the image for drawing; `text_feature` (D,).
    """

    info = MethodInfo(
        name="score-map",
        title="Score map",
        paper="Zhou et al., ECCV 2022, section 3.2; baseline of Yu et al., CVPR 2023",
        towers=("vit", "rn"),
        summary="Patch-text similarities by the value path of the last attention, averaged inside each proposal.",
        presets=("default", "official"),
    )
    Config = ScoreMapConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "default": {},
        "official": {"residual": True, "mlp": True, "preprocess": "glclip"},
    }

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals, see :meth:`~zsris_viz.methods.base.RankingMethod.score`."""
        text_feature = scene.text(text.text)
        grid_map = F.normalize(self.dense_features(scene), dim=-1) @ F.normalize(text_feature, dim=-1)
        return mean_inside(scene, grid_map, stretch=self.config.stretch), {
            "map": grid_map,
            "text_feature": text_feature,
        }

    def dense_features(self, scene: SceneFeatures) -> Tensor:
        """Return the patches in the joint space, (g, g, D) of float32, not normalised; computed once for each image."""
        config = self.config
        return dense_features(scene, scene.preprocess(config.preprocess), residual=config.residual, mlp=config.mlp)


@once_per_scene
def dense_features(scene: SceneFeatures, preprocess: Preprocess, *, residual: bool, mlp: bool) -> Tensor:
    """Compute the patches in the joint space from the values of the last attention layer.

    Args:
        scene: The scene.
        preprocess: Preprocessing of the image.
        residual: As in :class:`ScoreMapConfig`.
        mlp: As in :class:`ScoreMapConfig`.

    Returns:
        Tensor (g, g, D) of float32, not normalised.
    """
    trace = scene.trace(preprocess)
    if scene.clip.kind == "rn":
        return scene.layered.dense_values(trace)[0].movedim(0, -1)
    values = scene.layered.dense_values(trace, residual=residual, mlp=mlp)[0]
    return values.reshape(*trace.grids[-1], -1)
