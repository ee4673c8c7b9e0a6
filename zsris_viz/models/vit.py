"""CLIP with a Vision Transformer, on the modules of transformers' `CLIPModel` or those of `vit_modules`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.models.base import Images, check_batch_size
from zsris_viz.models.blocks import autograd_mode, feed_forward, norm_and_project, resize_positions, run_block
from zsris_viz.models.layered import LayeredModel, check_layer
from zsris_viz.models.resuming import (
    batch_rows,
    check_state,
    check_width,
    checked_attention_mask,
    common_batch,
    trace_blocks,
)
from zsris_viz.models.text_tower import TextTower
from zsris_viz.models.tokenizer import ClipTokenizer
from zsris_viz.models.trace import Trace


class VitClip(LayeredModel):
    """A CLIP whose image tower is a Vision Transformer with a CLS token; see `LayeredModel`.

    Attributes:
        model: The weights, frozen: a `VitModel`, or the `CLIPModel` of transformers that was given.
        blocks: Its image blocks, for use with `zsris_viz.models.blocks`.
        attention: "eager" or "sdpa".
        tokenizer: CLIP's byte-pair encoding.
    """

    kind = "vit"
    tokenizer: ClipTokenizer
    has_cls = True

    def __init__(self, model: Any, *, attention: str = "sdpa", **shared: Any) -> None:
        vision = model.config.vision_config
        super().__init__(
            embed_dim=model.config.projection_dim,
            image_size=vision.image_size,
            text=TextTower(model.text_model, model.text_projection, attention=attention),
            logit_scale=float(model.logit_scale.detach().float().exp()),
            activation=str(model.config.vision_config.hidden_act),
            **shared,
        )
        self.model = model
        self.attention = attention
        self.blocks = model.vision_model.encoder.layers
        self.width = vision.hidden_size
        self.num_layers = vision.num_hidden_layers
        self.patch_size = vision.patch_size
        self.heads = vision.num_attention_heads
        self.grid = (self.image_size // self.patch_size,) * 2

    def embed_pixels(self, pixels: Tensor, *, grad: bool = False) -> Tensor:
        """Return layer 0: patch and CLS embeddings plus position embeddings, after the first LayerNorm.

        Args:
            pixels: (B, 3, H, W), normalised; the sides are multiples of the patch size. If the size is not S, the
                position embeddings are interpolated bicubically.
            grad: Whether to run under autograd.

        Returns:
            (B, 1 + rows * columns, C), CLS first.

        Raises:
            InvalidInputError: If a side is not a multiple of the patch size.
        """
        height, width = pixels.shape[-2:]
        patch = self.patch_size
        if height % patch or width % patch or not height or not width:
            near = tuple(max(1, round(side / patch)) * patch for side in (height, width))
            raise InvalidInputError(
                f"pixels of {height} x {width} do not divide into patches of {patch}; use {near[0]} x {near[1]}, e.g. "
                f"clip.preprocess.resize_tensor(pixels, {near})."
            )
        embeddings, vision = self.model.vision_model.embeddings, self.model.vision_model
        with autograd_mode(grad):
            patches = embeddings.patch_embedding(self._to_tower(pixels)).flatten(2).transpose(1, 2)
            tokens = torch.cat([embeddings.class_embedding.expand(len(patches), 1, -1), patches], dim=1)
            positions = resize_positions(embeddings.position_embedding.weight, (height // patch, width // patch))
            return vision.pre_layrnorm(tokens + positions)

    def _encode_images(self, pixels: Tensor) -> Tensor:
        hidden = self.embed_pixels(pixels, grad=torch.is_grad_enabled())
        return self._project(self._run(hidden, 0, pool=True)[:, 0])

    def _run(
        self,
        hidden: Tensor,
        layer: int,
        *,
        stop: int | None = None,
        mask: Tensor | None = None,
        token_mask: Tensor | None = None,
        first_masked: int = 0,
        pool: bool = False,
    ) -> Tensor:
        """Run blocks `layer` to `stop`; with `pool` the last one runs for CLS only, and the result is (B, 1, C)."""
        for index in range(layer, self.num_layers if stop is None else stop):
            if token_mask is not None and index >= first_masked:
                hidden = torch.cat([hidden[:, :1], hidden[:, 1:] * token_mask], dim=1)
            last = pool and index == self.num_layers - 1
            rows = torch.zeros(len(hidden), dtype=torch.long, device=hidden.device) if last else None
            hidden, _ = run_block(self.blocks[index], hidden, mask, attention=self.attention, rows=rows)
        return hidden

    def _trace_images(self, pixels: Tensor, attentions: bool) -> Trace:
        hidden = self.embed_pixels(pixels, grad=torch.is_grad_enabled())
        layers, kept = trace_blocks(self.blocks, hidden, attention=self.attention, weights=attentions)
        grid = (pixels.shape[-2] // self.patch_size, pixels.shape[-1] // self.patch_size)
        return Trace(layers, kept, grids=[grid] * len(layers))

    def _project(self, hidden: Tensor) -> Tensor:
        return norm_and_project(hidden, self.model.vision_model.post_layernorm, self.model.visual_projection)

    def project(self, hidden: Tensor, *, negate: bool = False, grad: bool = False) -> Tensor:
        """Project tokens of any layer to the joint space by the final LayerNorm and the visual projection.

        Args:
            hidden: (..., C).
            negate: Whether to flip the sign of the tokens before the projection, as in CoPatch: intermediate patch
                tokens tend to point away from the text that describes them.
            grad: Whether to run under autograd.

        Returns:
            (..., D) fp32, not normalised.

        Raises:
            InvalidInputError: If the last dimension is not the tower's width.
        """
        check_width(hidden, self.width)
        with autograd_mode(grad):
            hidden = self._to_tower(hidden)
            return self._project(-hidden if negate else hidden)

    def resume(  # type: ignore[override]
        self,
        hidden: Tensor,
        layer: int,
        *,
        token_mask: Tensor | None = None,
        first_masked: int | None = None,
        attention_mask: Tensor | None = None,
        return_hidden: bool = False,
        batch_size: int = 64,
        grad: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Run the blocks that remain after `layer` and read the image feature from CLS.

        Args:
            hidden: (B, T, C), the state after `layer` blocks (`trace.layers[layer]`), CLS first. A single
                image (B = 1) is broadcast to all masks.
            layer: Number of blocks that have already run, 0 to L; with L only the head runs.
            token_mask: (N, T - 1) floats that are multiplied into the tokens after CLS before every remaining block, so
                that fractions are applied repeatedly (Global-Local CLIP, eq. 3 and Figure 3b); CLS is not changed.
            first_masked: The first block, counted from 0, before which the mask is applied; `layer` by default. The
                blocks before it run once for all masks. Global-Local CLIP masks before blocks 9, 10 and 11 of 12:
                `resume(trace.layers[9], 9, ...)`.
            attention_mask: Additive mask that is broadcast to (N, heads, T, T), the same in every block: 0 keeps, -inf
                forbids.
            return_hidden: Whether to return the last state (N, T, C) as well, before the final LayerNorm.
            batch_size: Number of masks that are processed at once.
            grad: Whether to run under autograd.

        Returns:
            (N, D) fp32, not normalised; with `return_hidden`, a tuple of the features and the last state.

        Raises:
            InvalidInputError: If the layer or block does not exist, or the shapes do not match.
        """
        check_layer(layer, self.num_layers)
        first = layer if first_masked is None else first_masked
        if not layer <= first <= self.num_layers:
            raise InvalidInputError(
                f"first_masked={first} must be a block from {layer} (the next) to {self.num_layers} (none)."
            )
        hidden = self._to_tower(hidden)
        check_state(hidden, self.width, layer)
        mask = checked_attention_mask(attention_mask, hidden, self.device)
        tokens = _token_mask(token_mask, hidden)
        total = common_batch(hidden, mask, tokens)
        self.calls.resumed += total
        with autograd_mode(grad):
            if tokens is not None and first > layer and len(hidden) == 1 and (mask is None or len(mask) == 1):
                hidden, layer = self._run(hidden, layer, stop=first, mask=mask), first
            pooled, states = [], []
            for start in range(0, total, check_batch_size(batch_size)):
                rows = slice(start, min(start + batch_size, total))
                state = self._run(
                    batch_rows(hidden, rows),
                    layer,
                    mask=batch_rows(mask, rows),
                    token_mask=batch_rows(tokens, rows),
                    first_masked=first,
                    pool=not return_hidden,
                )
                pooled.append(self._project(state[:, 0]))
                states.append(state)
            features = torch.cat(pooled)
            return (features, torch.cat(states)) if return_hidden else features

    def dense_values(  # type: ignore[override]
        self, source: Trace | Images, *, residual: bool = True, mlp: bool = True, grad: bool = False
    ) -> Tensor:
        """Return patch features by the value path of the last block (MaskCLIP, Zhou et al., ECCV 2022).

        In the last block the attention's output is replaced by its value path: LayerNorm, value projection and output
        projection, applied to each patch separately. As in the authors' ViT code, the residual and the feed-forward
        part of the block, the final LayerNorm and the projection follow. ClearCLIP (Lan et al., 2024) omits the
        residual and the feed-forward part: `residual=False, mlp=False`.

        Args:
            source: A trace of this tower, or images as for `embed_images`.
            residual: Whether to add the block's input.
            mlp: Whether to run the feed-forward part with its own residual.
            grad: Whether to run under autograd.

        Returns:
            (B, rows * columns, D) fp32, row by row, CLS left out.
        """
        if not isinstance(source, Trace):
            source = self.trace_image(source, attentions=False, grad=grad)
        block = self.blocks[-1]
        with autograd_mode(grad):
            hidden = source.patches(self.num_layers - 1)
            values = block.self_attn.out_proj(block.self_attn.v_proj(block.layer_norm1(hidden)))
            if residual:
                values = values + hidden
            if mlp:
                values = values + feed_forward(block, values)
            return self._project(values)


def _token_mask(mask: Tensor | None, hidden: Tensor) -> Tensor | None:
    """Return the token mask as (N, T - 1, 1) in the tower's dtype, checked."""
    if mask is None:
        return None
    if mask.ndim != 2 or mask.shape[1] != hidden.shape[1] - 1:
        raise InvalidInputError(
            f"token_mask must be (N, {hidden.shape[1] - 1}), a value for each token after CLS; "
            f"{tuple(mask.shape)} was given. Masks.to_grid(rows, columns).flatten(1) makes one."
        )
    return mask.to(device=hidden.device, dtype=hidden.dtype).unsqueeze(-1)
