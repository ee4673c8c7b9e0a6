"""SigLIP (Zhai et al., ICCV 2023) and SigLIP 2 (Tschannen et al., 2025), built from the modules of transformers."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.models.base import Images, check_batch_size
from zsris_viz.models.blocks import autograd_mode, run_block
from zsris_viz.models.devices import compute_dtype, resolve_device, resolve_dtype
from zsris_viz.models.huggingface import model_type, read_model
from zsris_viz.models.layered import LayeredModel, check_layer
from zsris_viz.models.preprocessing import Preprocess, get_preprocess
from zsris_viz.models.resuming import (
    batch_rows,
    check_state,
    check_width,
    checked_attention_mask,
    common_batch,
    trace_blocks,
)
from zsris_viz.models.siglip_tokenizer import SiglipTokenizer
from zsris_viz.models.text_tower import TextTower
from zsris_viz.models.trace import Trace

#: model_type of config.json -> class in transformers; "siglip2" is the NaFlex variant, the others of SigLIP 2 are
#: "siglip".
CLASSES = {"siglip": "SiglipModel", "siglip2": "Siglip2Model"}


class Siglip(LayeredModel):
    """SigLIP or SigLIP 2 with every block accessible. `load_clip` and `load_siglip` create instances.

    There is no CLS token: a learned query attends to the last layer's patch tokens (attention pooling), and the result
    is the image feature. Traces have patch tokens only, `project` pools each patch as if it were the only one, and
    token masks have a value for each patch and also act on the pooling. The text tower is not causal and is
    read at the last position of texts that are padded to the context length. Images for the NaFlex variant are squashed
    to its square grid.

    Methods that read the CLS token (Global-Local, Region token, CoPatch) are not defined for it; cropping, text-only
    and TAS are.

    Attributes:
        model: The model of transformers, frozen.
        blocks: Its image blocks.
        attention: "eager" or "sdpa".
        tokenizer: The tokenizer, which pads every text to the context length.
        logit_bias: Number that is added to the scaled cosine; the sigmoid of the sum is the probability of a match.
    """

    kind = "siglip"
    has_cls = False

    def __init__(self, model: Any, *, attention: str = "sdpa", **shared: Any) -> None:
        vision, text = model.config.vision_config, model.text_model
        model.vision_model.head.float()  # the pooling is computed in fp32, because bf16 features often tie
        model.vision_model.post_layernorm.float()
        self.patch_size = vision.patch_size
        side = round(vision.num_patches**0.5) if model.config.model_type == "siglip2" else None
        image_size = side * vision.patch_size if side else vision.image_size
        super().__init__(
            embed_dim=vision.hidden_size,
            image_size=image_size,
            text=TextTower(text, text.head, attention=attention, causal=False),
            logit_scale=float(model.logit_scale.detach().float().exp()),
            activation=str(vision.hidden_act),
            **shared,
        )
        self.model = model
        self.attention = attention
        self.logit_bias = float(model.logit_bias.detach().float())
        self.blocks = model.vision_model.encoder.layers
        self.width = vision.hidden_size
        self.num_layers = vision.num_hidden_layers
        self.heads = vision.num_attention_heads
        self.grid = (image_size // self.patch_size,) * 2

    def probability(self, images: Tensor, texts: Tensor) -> Tensor:
        """Return the probability that an image and a text match, by the sigmoid head.

        Args:
            images: (B, D), from `embed_images`.
            texts: (T, D), from `embed_texts`.

        Returns:
            (B, T) fp32; the rows need not sum to 1.
        """
        return (self.logit_scale * self.similarity(images, texts) + self.logit_bias).sigmoid()

    def _embed(self, pixels: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return layer 0, (B, rows * columns, C), and the grid; positions are interpolated for other sizes."""
        height, width = pixels.shape[-2:]
        if height % self.patch_size or width % self.patch_size or not height or not width:
            raise InvalidInputError(
                f"pixels of {height} x {width} do not divide into patches of {self.patch_size}; use multiples, e.g. "
                f"{self.image_size} x {self.image_size}."
            )
        embeddings = self.model.vision_model.embeddings
        if isinstance(embeddings.patch_embedding, torch.nn.Linear):  # NaFlex: row, column and channel of each patch
            patches = F.unfold(pixels, self.patch_size, stride=self.patch_size)
            patches = patches.unflatten(1, (3, -1)).permute(0, 3, 2, 1).flatten(2)
            tokens = embeddings.patch_embedding(patches)
        else:
            tokens = embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
        grid = (height // self.patch_size, width // self.patch_size)
        return tokens + self._positions(embeddings.position_embedding.weight, grid), grid

    def _positions(self, table: Tensor, grid: tuple[int, int]) -> Tensor:
        if grid == self.grid:
            return table
        square = table.float().T.reshape(1, -1, *self.grid)
        if self.model.config.model_type == "siglip2":
            resized = F.interpolate(square, size=grid, mode="bilinear", align_corners=False, antialias=True)
        else:
            resized = F.interpolate(square, size=grid, mode="bicubic", align_corners=False)
        return resized[0].flatten(1).T.to(table.dtype)

    def _pool(self, hidden: Tensor) -> Tensor:
        """Apply the final LayerNorm and the attention pooling: (B, T, C) becomes (B, D) fp32."""
        vision = self.model.vision_model
        exact = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
        return vision.head(vision.post_layernorm(exact))

    def _run(self, hidden: Tensor, layer: int, stop: int, mask: Tensor | None, tokens: Tensor | None) -> Tensor:
        for block in self.blocks[layer:stop]:
            hidden = hidden if tokens is None else hidden * tokens
            hidden, _ = run_block(block, hidden, mask, attention=self.attention)
        return hidden

    def _encode_images(self, pixels: Tensor) -> Tensor:
        return self._pool(self._run(self._embed(pixels)[0], 0, self.num_layers, None, None))

    def _trace_images(self, pixels: Tensor, attentions: bool) -> Trace:
        hidden, grid = self._embed(pixels)
        layers, kept = trace_blocks(self.blocks, hidden, attention=self.attention, weights=attentions)
        return Trace(layers, kept, grids=[grid] * len(layers), has_cls=False)

    def project(self, hidden: Tensor, *, negate: bool = False, grad: bool = False) -> Tensor:
        """Project image tokens of a layer to the joint space; each is pooled as if it were the only one.

        Args:
            hidden: (..., C).
            negate: Whether to flip the sign of the tokens before the pooling.
            grad: Whether to run under autograd.

        Returns:
            (..., D) fp32, not normalised.

        Raises:
            InvalidInputError: If the last dimension is not the tower's width.
        """
        check_width(hidden, self.width)
        with autograd_mode(grad):
            tokens = self._to_tower(-hidden if negate else hidden)
            return self._pool(tokens.reshape(-1, 1, self.width)).reshape(*hidden.shape[:-1], self.embed_dim)

    def resume(  # type: ignore[override]
        self,
        hidden: Tensor,
        layer: int,
        *,
        token_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_hidden: bool = False,
        batch_size: int = 64,
        grad: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Run the blocks that remain after `layer` and pool.

        Args:
            hidden: (B, T, C), the state after `layer` blocks. A single image (B = 1) is broadcast to all masks.
            layer: Number of blocks that have already run, 0 to L.
            token_mask: (N, T) floats that are multiplied into the tokens before every remaining block and before the
                pooling.
            attention_mask: Additive mask (N, 1 or heads, T, T), the same in every block.
            return_hidden: Whether to return the last state (N, T, C) as well, before the final LayerNorm.
            batch_size: Number of masks that are processed at once.
            grad: Whether to run under autograd.

        Returns:
            (N, D) fp32, not normalised; with `return_hidden`, a tuple of the features and the last state.

        Raises:
            InvalidInputError: If the layer does not exist, or the shapes do not match.
        """
        check_layer(layer, self.num_layers)
        hidden = self._to_tower(hidden)
        check_state(hidden, self.width, layer)
        if token_mask is not None and (token_mask.ndim != 2 or token_mask.shape[1] != hidden.shape[1]):
            raise InvalidInputError(
                f"token_mask must be (N, {hidden.shape[1]}), a value for each patch: SigLIP has no CLS token; "
                f"{tuple(token_mask.shape)} was given."
            )
        tokens = None if token_mask is None else token_mask.to(hidden)[..., None]
        mask = checked_attention_mask(attention_mask, hidden, self.device)
        total = common_batch(hidden, mask, tokens)
        self.calls.resumed += total
        with autograd_mode(grad):
            pooled, states = [], []
            for start in range(0, total, check_batch_size(batch_size)):
                rows = slice(start, min(start + batch_size, total))
                factor = batch_rows(tokens, rows)
                state = self._run(batch_rows(hidden, rows), layer, self.num_layers, batch_rows(mask, rows), factor)
                pooled.append(self._pool(state if factor is None else state * factor))
                states.append(state)
            features = torch.cat(pooled)
            return (features, torch.cat(states)) if return_hidden else features

    def dense_values(self, source: Trace | Images, *, grad: bool = False) -> Tensor:  # type: ignore[override]
        """Return patch features: the attention pooling of the last layer, reduced to the value path of each patch.

        This is MaskCLIP's idea (Zhou et al., ECCV 2022) for a tower whose last attention is its pooling.

        Args:
            source: A trace of this model, or images as for `embed_images`.
            grad: Whether to run under autograd.

        Returns:
            (B, rows * columns, D) fp32, row by row.
        """
        if not isinstance(source, Trace):
            source = self.trace_image(source, attentions=False, grad=grad)
        return self.project(source.patches(-1), grad=grad)


def load_siglip(
    source: str | os.PathLike[str],
    *,
    name: str | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    preprocess: str | Preprocess = "clip",
    attention: str = "sdpa",
) -> Siglip:
    """Load SigLIP or SigLIP 2; `load_clip` with the same name does the same.

    Args:
        source: A Hugging Face id such as "google/siglip-base-patch16-224" or "google/siglip2-base-patch16-224", or a
            folder in that format.
        name: The name in tables; by default the source.
        device: As for `load_clip`.
        dtype: As for `load_clip`.
        preprocess: A preset or a Preprocess; "clip" stands for that of SigLIP: squashing, with mean and standard
            deviation 0.5.
        attention: "eager" or "sdpa".

    Raises:
        UnavailableError: If files are missing or cannot be fetched.
        CorruptFileError: If files are damaged or incomplete.
        InvalidInputError: If the model is of another kind.
    """
    where = resolve_device(device)
    storage_dtype = resolve_dtype(dtype, where)
    computing = compute_dtype(storage_dtype, where)
    family = model_type(source, CLASSES)
    model = (
        read_model(source, CLASSES[family], dtype=storage_dtype, attn_implementation="eager").to(computing).to(where)
    )
    limit = int(model.config.text_config.max_position_embeddings)
    siglip = Siglip(
        model,
        attention=attention,
        name=name or os.fspath(source),
        tokenizer=SiglipTokenizer.from_pretrained(source, context_length=limit),
        preprocess=Preprocess(),
        device=where,
        dtype=storage_dtype,
        compute_dtype=computing,
    )
    half = (0.5, 0.5, 0.5)
    own = Preprocess(name="siglip", mean=half, std=half, size=siglip.image_size)
    siglip.preprocess = own if preprocess == "clip" else get_preprocess(preprocess, siglip.image_size)
    return siglip
