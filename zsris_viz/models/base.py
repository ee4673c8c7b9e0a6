"""The interface over CLIP towers: what a ViT and an RN both answer to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.models.blocks import autograd_mode
from zsris_viz.models.preprocessing import Preprocess
from zsris_viz.models.text_tower import TextTower
from zsris_viz.models.tokenizer import ClipTokenizer, TextTokens
from zsris_viz.models.trace import ClipCounter, Trace

Images = Tensor | Image.Image | Sequence[Image.Image]
Texts = str | Sequence[str] | TextTokens


class Clip(ABC):
    """Both towers of a CLIP model with every layer in reach. Made by :func:`zsris_viz.models.load_clip`.

    The towers are frozen and in evaluation mode. Calls run in inference mode and return fp32 features; ``grad=True``
    runs them under autograd instead, for gradients with respect to what is passed in. A tensor that came out of
    inference mode (a trace's layer) must be cloned first: ``trace.layers[9].clone().requires_grad_()``.

    Attributes:
        name: what was loaded. kind: "vit", "rn", or "itc" (BLIP and BLIP-2). activation: "quick_gelu", "gelu", ... of
            the transformer blocks.
        device, dtype: of the towers. compute_dtype: what they compute in, and the dtype of traces: ``dtype``, but fp32
            on a CPU without arithmetic for a 16-bit ``dtype``, where emulation takes about ten times as long (the
            weights keep their rounding; no memory is saved there).
        embed_dim: D. width: channels of the image tower's last layer. num_layers: L, image blocks (RN: its 4 stages).
            text_layers, text_width. image_size: S. grid: (g, g). patch_size: pixels per grid cell.
        heads: image attention heads (RN: of the attention pooling). context_length: tokens. logit_scale: float, e to
            the learned scale. preprocess: how images become pixels. tokenizer. calls: a ClipCounter.
            supports_token_masking: bool.
        text: the TextTower; ``text.blocks`` are its blocks.
    """

    kind: Literal["vit", "rn", "itc"]
    supports_token_masking: bool
    width: int
    num_layers: int
    image_size: int
    patch_size: int
    grid: tuple[int, int]
    heads: int

    def __init__(
        self,
        *,
        name: str,
        text: TextTower,
        tokenizer: ClipTokenizer,
        preprocess: Preprocess,
        logit_scale: float,
        activation: str,
        device: torch.device,
        dtype: torch.dtype,
        compute_dtype: torch.dtype | None = None,
    ) -> None:
        self.name = name
        self.text = text
        self.tokenizer = tokenizer
        self.preprocess = preprocess
        self.logit_scale = logit_scale
        self.activation = activation
        self.device = device
        self.dtype = dtype
        self.compute_dtype = compute_dtype or dtype
        self.calls = ClipCounter()
        self.embed_dim: int = text.projection.out_features
        self.text_layers = text.num_layers
        self.text_width = text.width
        self.context_length = text.context_length

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name!r}, {self.image_size} px, grid {self.grid[0]} x {self.grid[1]}, "
            f"{self.num_layers} layers of {self.width}, D = {self.embed_dim}, {self.activation}, "
            f"{self.preprocess.name} preprocessing, {str(self.dtype).removeprefix('torch.')} on {self.device})"
        )

    # ---- images

    def pixels(self, images: Images) -> Tensor:
        """Images as the tower takes them: (B, 3, S, S) by ``preprocess``, or a (B, 3, H, W) or (3, H, W) tensor
        passed through.

        Raises:
            InvalidTypeError: no float tensor and no PIL image. InvalidInputError: a tensor of another shape, or an
            empty list.
        """
        if isinstance(images, Tensor):
            if not images.is_floating_point():
                raise InvalidTypeError(
                    f"pixels must be normalised floats, {images.dtype} was given; pass the PIL image, or "
                    "clip.preprocess.image(image)."
                )
            batch = images.unsqueeze(0) if images.ndim == 3 else images
            if batch.ndim != 4 or batch.shape[1] != 3:
                raise InvalidInputError(f"pixels must be (B, 3, H, W) or (3, H, W); {tuple(images.shape)} was given.")
            return batch
        if isinstance(images, Image.Image):
            images = [images]
        if not isinstance(images, Sequence) or isinstance(images, str):
            raise InvalidTypeError(
                f"images must be a tensor, a PIL image or a list of them; {type(images).__name__} was given."
            )
        if not images:
            raise InvalidInputError("an empty list of images was given; give at least one PIL image.")
        return torch.stack([self.preprocess.image(image) for image in images])

    def embed_images(self, images: Images, *, batch_size: int = 64, crops: bool = False, grad: bool = False) -> Tensor:
        """Image features in the joint space, not normalised.

        Args:
            images: PIL image(s), or normalised pixels (B, 3, H, W); other sizes than S interpolate position embeddings.
            batch_size: images at once. crops: count them as crops. grad: run under autograd.

        Returns:
            (B, D) fp32.
        """
        pixels = self.pixels(images)
        if crops:
            self.calls.crops += len(pixels)
        else:
            self.calls.images += len(pixels)
        with autograd_mode(grad):
            parts = [self._encode_images(self._to_tower(chunk)) for chunk in pixels.split(check_batch_size(batch_size))]
            return torch.cat(parts) if len(pixels) else torch.zeros(0, self.embed_dim, device=self.device)

    def trace_image(self, images: Images, *, attentions: bool = True, grad: bool = False) -> Trace:
        """One run of the image tower with every layer kept; see :class:`Trace`. Images as in :meth:`embed_images`."""
        pixels = self._to_tower(self.pixels(images))
        self.calls.images += len(pixels)
        with autograd_mode(grad):
            return self._trace_images(pixels, attentions)

    @abstractmethod
    def _encode_images(self, pixels: Tensor) -> Tensor: ...

    @abstractmethod
    def _trace_images(self, pixels: Tensor, attentions: bool) -> Trace: ...

    @abstractmethod
    def project(self, hidden: Tensor, *, negate: bool = False, grad: bool = False) -> Tensor:
        """Image tokens in the joint space: (..., C) -> (..., D) fp32; ``negate`` flips their sign first."""

    @abstractmethod
    def resume(self, hidden: Tensor, layer: int, **options: Any) -> Tensor | tuple[Tensor, Tensor]:
        """Run the blocks that remain after ``layer``; a ViT only."""

    @abstractmethod
    def dense_values(self, source: Trace | Images, **options: Any) -> Tensor:
        """Patch features in the joint space by the value path of the last attention (MaskCLIP)."""

    def _to_tower(self, tensor: Tensor) -> Tensor:
        return tensor.to(device=self.device, dtype=self.compute_dtype)

    def similarity(self, images: Tensor, texts: Tensor) -> Tensor:
        """How well images meet texts: cosines, (B, T) fp32, of what `embed_images` and `embed_texts` returned."""
        return F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T

    # ---- texts

    def tokenize(
        self,
        texts: str | Sequence[str],
        *,
        on_overflow: str = "warn",
        allow_empty: bool = False,
        length: int | None = None,
    ) -> TextTokens:
        """Texts as tokens on the tower's device; see :meth:`ClipTokenizer.__call__` for arguments and errors."""
        return self.tokenizer(texts, on_overflow=on_overflow, allow_empty=allow_empty, length=length).to(self.device)

    def _tokens(self, texts: Texts, allow_empty: bool = False) -> TextTokens:
        return texts.to(self.device) if isinstance(texts, TextTokens) else self.tokenize(texts, allow_empty=allow_empty)

    def embed_texts(
        self, texts: Texts, *, batch_size: int = 256, allow_empty: bool = False, grad: bool = False
    ) -> Tensor:
        """Text features in the joint space, read at the end token, not normalised.

        Texts of like length run together, so a long one costs the short ones nothing.

        Returns:
            (B, D) fp32, in the order given.
        """
        tokens = self._tokens(texts, allow_empty)
        self.calls.texts += len(tokens)
        with autograd_mode(grad):
            order = tokens.end.argsort(stable=True)
            parts = []
            for rows in order.split(check_batch_size(batch_size)):
                end = tokens.end[rows]
                hidden = self.text.embed(tokens.ids[rows, : int(end.max()) + 1])
                parts.append(self.text.project(self.text.run(hidden, end=end)[:, 0]))
            return torch.cat(parts)[order.argsort()]

    def trace_texts(
        self, texts: Texts, *, attentions: bool = True, allow_empty: bool = False, grad: bool = False
    ) -> Trace:
        """One run of the text tower with every layer kept. All texts are padded to the longest; see :class:`Trace`."""
        tokens = self._tokens(texts, allow_empty)
        self.calls.texts += len(tokens)
        with autograd_mode(grad):
            hidden = self.text.embed(tokens.ids)
            layers: list[Tensor] = [hidden]
            kept: list[Tensor | None] = [None]
            self.text.run(hidden, layers=layers, attentions=kept if attentions else None)
            return Trace(layers, kept if attentions else [None] * len(layers), tokens=tokens)

    def project_text(self, hidden: Tensor, *, grad: bool = False) -> Tensor:
        """Text tokens of any layer in the joint space (final LayerNorm, text projection): (..., C) -> (..., D) fp32."""
        with autograd_mode(grad):
            return self.text.project(self._to_tower(hidden))

    def resume_text(
        self,
        hidden: Tensor,
        layer: int,
        end: Tensor | TextTokens,
        *,
        attention_mask: Tensor | None = None,
        return_hidden: bool = False,
        grad: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Run the text blocks that remain after ``layer``.

        Args:
            hidden: (B, T, C), the state after ``layer`` blocks. end: (B,) where to read, or the texts' tokens.
            attention_mask: additive, broadcastable to (B, heads, T, T), on top of the causal mask.
            return_hidden: also return the last layer's state (B, T, C), before the final LayerNorm.

        Returns:
            (B, D) fp32, or that and the state.
        """
        check_layer(layer, self.text_layers)
        hidden = self._to_tower(hidden)
        rows = (end.end if isinstance(end, TextTokens) else end).to(self.device)
        if hidden.ndim != 3 or rows.shape != hidden.shape[:1]:
            raise InvalidInputError(
                f"hidden must be (B, T, C) with one end position each; {tuple(hidden.shape)} and {tuple(rows.shape)} "
                "were given."
            )
        mask = None if attention_mask is None else attention_mask.to(self.device)
        self.calls.resumed += len(hidden)
        with autograd_mode(grad):
            states: list[Tensor] = [hidden]
            self.text.run(hidden, layer, mask=mask, layers=states)
            last = states[-1]
            pooled = self.text.project(last[torch.arange(len(last), device=last.device), rows])
            return (pooled, last) if return_hidden else pooled


def check_layer(layer: int, last: int) -> None:
    """Raise InvalidInputError unless ``layer`` is 0 to ``last``."""
    if not 0 <= layer <= last:
        raise InvalidInputError(
            f"layer {layer} does not exist; layers are 0 (embeddings) to {last} (after the last block)."
        )


def check_batch_size(batch_size: int) -> int:
    """``batch_size``; InvalidInputError unless it is at least 1."""
    if batch_size < 1:
        raise InvalidInputError(f"batch_size must be at least 1; {batch_size} was given.")
    return batch_size
