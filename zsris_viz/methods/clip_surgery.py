"""CLIP Surgery (Li et al., 2023): a second path of value-value attention; texts without what they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.map_pooling import mean_inside
from zsris_viz.methods.texts import ExpressionParts, mean_feature
from zsris_viz.methods.vit_forward import layers_of, second_path
from zsris_viz.models.blocks import autograd_mode

NORMALISATIONS = ("features", "tokens")


@dataclass(frozen=True)
class ClipSurgeryConfig:
    """Settings of :class:`ClipSurgery`.

    Attributes:
        depth: how many last blocks the second path replaces; None for 6, or all blocks of a tower with
            fewer.
        size: side of the input in pixels, a multiple of the patch size; None for the model's own. The authors also
            use 512.
        others: further texts of the set whose common part is removed; without any, the empty text's feature is
            removed instead.
        weighted: with `others`, weigh each text at each patch by its softmax share before removing the mean (the
            authors' code).
        normalise: "features" makes similarities cosines; "tokens" divides by the norm over the token axis, CLS
            included, for each channel (the authors' code).
        templates: prompts, each with "{}", whose normalised features are averaged. The authors average 85 of them.
        stretch: stretch the map to 0-1 before averaging (the authors' drawing; the ranking stays).
        preprocess: a preset's name; None for the scene's own.
    """

    depth: int | None = None
    size: int | None = None
    others: tuple[str, ...] = ()
    weighted: bool = False
    normalise: str = "features"
    templates: tuple[str, ...] = ("{}",)
    stretch: bool = False
    preprocess: str | None = None

    def __post_init__(self) -> None:
        if self.normalise not in NORMALISATIONS:
            raise InvalidInputError(f"normalise={self.normalise!r} is unknown; use one of {', '.join(NORMALISATIONS)}.")
        for name in ("others", "templates"):
            value = getattr(self, name)
            if isinstance(value, str) or not all(isinstance(text, str) for text in value):
                raise InvalidTypeError(
                    f"{name}={value!r} was given; it is a tuple of texts, e.g. {name}=('a photo of {{}}',)."
                )
            object.__setattr__(self, name, tuple(value))
        if not self.templates or not all("{}" in template for template in self.templates):
            raise InvalidInputError(
                'templates holds at least one prompt with "{}" for the text, e.g. ("a photo of {}.",).'
            )


class ClipSurgery(RankingMethod):
    """The score of a mask is the mean inside it of the patches' similarity to the text, without the texts' common part.

    Presets: "default", cosines; "official", the authors' normalisation over tokens. Their input transform is the
    default one: bicubic, squashed to a square, CLIP's mean and standard deviation.

    Evidence: map (rows, columns), bilinear to the image for drawing; text_feature (D,); redundant (D,) or None.
    """

    info = MethodInfo(
        name="clip-surgery",
        title="CLIP Surgery",
        paper="Li et al., 2023 (arXiv 2304.05653), sections 3.2-3.3",
        towers=("vit",),
        summary="A second path of value-value attention; similarity minus what texts share, averaged in each proposal.",
        presets=("default", "official"),
    )
    Config = ClipSurgeryConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "default": {},
        "official": {"normalise": "tokens", "weighted": True, "preprocess": "clip"},
    }

    def texts_of(self, scene: SceneFeatures, text: ExpressionParts) -> list[str]:
        """Return the strings to embed, see :meth:`~zsris_viz.methods.base.Method.texts_of`."""
        return [prompt for one in self._set(text) for prompt in self._prompts(one)]

    def _set(self, text: ExpressionParts) -> Sequence[str]:
        """The expression first, then the other texts, or the empty one."""
        return [text.text, *(self.config.others or ("",))]

    def _prompts(self, text: str) -> list[str]:
        return [template.replace("{}", text) for template in self.config.templates]

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals, see :meth:`~zsris_viz.methods.base.RankingMethod.score`."""
        config = self.config
        image, grid = self.features(scene)
        texts = torch.stack([mean_feature(scene.text_features(self._prompts(one))) for one in self._set(text)]).to(
            image
        )
        redundant = None
        if not config.others:
            redundant = texts[1]
            values = image @ (texts[0] - texts[1])
        elif config.weighted:
            shares = (2 * image @ texts.T).softmax(dim=-1)
            weights = shares / shares.mean(dim=-1, keepdim=True)
            values = image @ texts[0] * weights[:, 0] - (image @ texts.T * weights).mean(dim=-1)
        else:
            values = image @ texts[0] - (image @ texts.T).mean(dim=-1)
        grid_map = values.reshape(grid)
        scores = mean_inside(scene, grid_map, stretch=config.stretch)
        return scores, {"map": grid_map, "text_feature": texts[0], "redundant": redundant}

    def features(self, scene: SceneFeatures) -> tuple[Tensor, tuple[int, int]]:
        """Patch features ((rows * columns, D) fp32, normalised as configured) and the grid; once for each image."""
        config, clip = self.config, scene.layered
        preprocess = scene.preprocess(config.preprocess, config.size)

        def make() -> tuple[Tensor, tuple[int, int]]:
            size = preprocess.size
            if size % clip.patch_size:
                raise InvalidInputError(
                    f"size={size} does not divide into patches of {clip.patch_size}; use a multiple, e.g. "
                    f"{max(1, round(size / clip.patch_size)) * clip.patch_size}."
                )
            if size == clip.image_size:
                layers = scene.trace(config.preprocess).layers
            else:
                layers = layers_of(clip, scene.pixels(config.preprocess, size), positions="bilinear")
            path = second_path(clip, layers, config.depth, value_value_attention)
            with autograd_mode(False):
                tokens = clip.project(torch.cat([layers[-1][:, :1], path[:, 1:]], dim=1))[0]
                if config.normalise == "tokens":
                    tokens = tokens / tokens.norm(dim=0, keepdim=True)
                else:
                    tokens = F.normalize(tokens, dim=-1)
            side = size // clip.patch_size
            return tokens[1:], (side, side)

        return scene.cached(("surgery", preprocess, config.depth, config.normalise), make)


def value_value_attention(query: Tensor, key: Tensor, value: Tensor, normed: Tensor) -> Tensor:
    """Values mixed by their own similarity instead of queries' with keys'."""
    return (value @ value.transpose(-2, -1) * value.shape[-1] ** -0.5).softmax(dim=-1) @ value
