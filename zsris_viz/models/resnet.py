"""CLIP with a ModifiedResNet and attention pooling, built from open_clip's modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NoReturn, overload

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.models.base import Images, check_batch_size
from zsris_viz.models.blocks import autograd_mode, merge_heads, resize_positions, split_heads
from zsris_viz.models.layered import LayeredModel
from zsris_viz.models.resnet_folded import FoldedResNet
from zsris_viz.models.resnet_modules import RNModel
from zsris_viz.models.text_tower import TextTower
from zsris_viz.models.tokenizer import ClipTokenizer
from zsris_viz.models.trace import Trace

CPU_BATCH = 8


class ResNetClip(LayeredModel):
    """A CLIP whose image tower is a ResNet with attention pooling; see `LayeredModel`.

    The layers of its traces are the maps of the stem and of the four stages. There are no tokens before the attention
    pooling, so a mask acts on the last map: `clip.pool(clip.feature_map(image) * mask)`.

    Attributes:
        model: The `RNModel`, frozen.
        width: Channels of the last map, 32 times those of the stem.
        tokenizer: CLIP's byte-pair encoding.
    """

    kind = "rn"
    tokenizer: ClipTokenizer
    has_cls = False
    num_layers = 4
    patch_size = 32

    def __init__(self, model: RNModel, *, attention: str = "sdpa", **shared: Any) -> None:
        super().__init__(
            embed_dim=model.text_projection.out_features,
            image_size=model.visual.image_size,
            text=TextTower(model.text_model, model.text_projection, attention=attention),
            logit_scale=float(model.logit_scale.detach().float().exp()),
            activation=str(model.text_model.config.hidden_act),
            **shared,
        )
        self.model = model
        self.grid = (self.image_size // 32,) * 2
        self.width = model.visual.attnpool.v_proj.in_features
        self.heads = model.visual.attnpool.num_heads
        self._folded = FoldedResNet(model.visual)

    def _stages(self, pixels: Tensor) -> list[Tensor]:
        """Return the maps of the stem and the four stages, each (B, C, h, w)."""
        height, width = pixels.shape[-2:]
        if height % 32 or width % 32 or not height or not width:
            near = tuple(max(1, round(side / 32)) * 32 for side in (height, width))
            raise InvalidInputError(
                f"pixels of {height} x {width} are no multiples of 32; use {near[0]} x {near[1]}, e.g. "
                f"clip.preprocess.resize_tensor(pixels, {near})."
            )
        return self._folded.maps(pixels)

    def _last_maps(self, pixels: Tensor) -> Iterator[Tensor]:
        """Yield the last maps in batches; on a CPU the batches are small, so that they fit in its caches."""
        for part in pixels.split(CPU_BATCH if self.device.type == "cpu" else max(1, len(pixels))):
            yield self._stages(part)[-1]

    def _encode_images(self, pixels: Tensor) -> Tensor:
        return torch.cat([self._pool(features)[0] for features in self._last_maps(pixels)])

    def _trace_images(self, pixels: Tensor, attentions: bool) -> Trace:
        maps = self._stages(pixels)
        layers = [features.flatten(2).transpose(1, 2) for features in maps]
        grids = [(features.shape[-2], features.shape[-1]) for features in maps]
        return Trace(layers, [None] * len(layers), grids=grids, has_cls=False)

    def feature_map(self, images: Images, *, batch_size: int = 64, grad: bool = False) -> Tensor:
        """Return the last map before attention pooling.

        A tensor that was computed in inference mode cannot require gradients, but its clone can:
        `clip.feature_map(image).clone().requires_grad_()`.

        Args:
            images: As for `embed_images`.
            batch_size: Number of images at once.
            grad: Whether to run under autograd.

        Returns:
            (B, C, h, w) in the model's `compute_dtype`, without negative values.
        """
        pixels = self.pixels(images)
        self.calls.images += len(pixels)
        with autograd_mode(grad):
            parts = (self._to_tower(part) for part in pixels.split(check_batch_size(batch_size)))
            return torch.cat([features for part in parts for features in self._last_maps(part)])

    def _check_map(self, features: Tensor) -> Tensor:
        if features.ndim != 4 or features.shape[1] != self.width:
            raise InvalidInputError(
                f"a feature map must be (B, {self.width}, h, w), {tuple(features.shape)} was given; "
                "use clip.feature_map(image)."
            )
        return self._to_tower(features)

    def _pool(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the attention pooling of (B, C, h, w): (B, D) and the weights (B, heads, 1 + h * w)."""
        pool = self.model.visual.attnpool
        tokens = features.flatten(2).transpose(1, 2)
        tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)
        tokens = tokens + resize_positions(pool.positional_embedding, (features.shape[-2], features.shape[-1]))
        query = split_heads(pool.q_proj(tokens[:, :1]), pool.num_heads)
        key, value = (split_heads(linear(tokens), pool.num_heads) for linear in (pool.k_proj, pool.v_proj))
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        exact = torch.promote_types(scores.dtype, torch.float32)
        weights = scores.softmax(dim=-1, dtype=exact).to(value.dtype)
        pooled = merge_heads(weights @ value)[:, 0].to(exact)
        return F.linear(pooled, pool.c_proj.weight.to(exact), pool.c_proj.bias.to(exact)), weights[:, :, 0]

    @overload
    def pool(
        self, feature_map: Tensor, *, return_weights: Literal[False] = False, batch_size: int = 256, grad: bool = False
    ) -> Tensor: ...

    @overload
    def pool(
        self, feature_map: Tensor, *, return_weights: Literal[True], batch_size: int = 256, grad: bool = False
    ) -> tuple[Tensor, Tensor]: ...

    def pool(
        self, feature_map: Tensor, *, return_weights: bool = False, batch_size: int = 256, grad: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Pool a map of the last stage by attention.

        The query (the mean position), the keys and the values all are computed from the given map. A masked map,
        `feature_map * mask`, yields the global feature of Global-Local CLIP for RN (masked attention pooling, eq. 3 and
        Figure 3a). For a map of another size than the model's, the position embeddings are interpolated.

        Args:
            feature_map: (B, C, h, w).
            return_weights: Whether to return the attention weights of the mean position as well.
            batch_size: Number of maps that are pooled at once.
            grad: Whether to run under autograd.

        Returns:
            (B, D) fp32, not normalised; with `return_weights`, also the weights (B, heads, 1 + h * w), whose rows sum
            to 1.

        Raises:
            InvalidInputError: If the map has another shape.
        """
        features = self._check_map(feature_map)
        self.calls.resumed += len(features)
        with autograd_mode(grad):
            parts = [self._pool(part) for part in features.split(check_batch_size(batch_size))]
            pooled = torch.cat([part for part, _ in parts])
            return (pooled, torch.cat([weights for _, weights in parts])) if return_weights else pooled

    def project(self, hidden: Tensor, *, negate: bool = False, grad: bool = False) -> Tensor:
        """Project positions of the last map to the joint space by the pooling's value and output projections.

        Args:
            hidden: (..., C).
            negate: Whether to flip the sign before the projection.
            grad: Whether to run under autograd.

        Returns:
            (..., D) fp32, not normalised.

        Raises:
            UnavailableError: If the positions belong to an earlier stage, which has no projection to the joint space.
        """
        if hidden.shape[-1] != self.width:
            raise UnavailableError(
                f"only the last stage of an RN ({self.width} channels) has a way to the joint space; "
                f"{tuple(hidden.shape)} was given. Use trace.patches(4), or a ViT for earlier layers."
            )
        pool = self.model.visual.attnpool
        with autograd_mode(grad):
            hidden = self._to_tower(hidden)
            values = pool.v_proj(-hidden if negate else hidden)
            exact = torch.promote_types(values.dtype, torch.float32)
            return F.linear(values.to(exact), pool.c_proj.weight.to(exact), pool.c_proj.bias.to(exact))

    def dense_values(self, source: Trace | Images, *, grad: bool = False) -> Tensor:  # type: ignore[override]
        """Return a map in the joint space: the attention pooling, reduced to its value and output projections.

        As in MaskCLIP (Zhou et al., ECCV 2022), both are applied as 1 x 1 convolutions with their biases, without
        attention and position embeddings.

        Args:
            source: A map (B, C, h, w), a trace of this tower, or images as for `embed_images`.
            grad: Whether to run under autograd.

        Returns:
            (B, D, h, w) fp32, not normalised.
        """
        if isinstance(source, Trace):
            features = source.map(-1)
        elif isinstance(source, Tensor) and source.ndim == 4 and source.shape[1] != 3:
            features = self._check_map(source)
        else:
            features = self.feature_map(source, grad=grad)
        return self.project(features.movedim(1, -1), grad=grad).movedim(-1, 1)

    def resume(self, hidden: Tensor, layer: int, **options: Any) -> NoReturn:
        """Raise UnavailableError, because an RN has no tokens between its stages.

        Raises:
            UnavailableError: Always; the message names masked attention pooling as the alternative.
        """
        raise UnavailableError(
            f"{self.name} is an RN: it has no tokens, so no token masking by block. Mask its last map instead: "
            "clip.pool(clip.feature_map(image) * mask), which is what Global-Local CLIP does for RN; or load a ViT."
        )
