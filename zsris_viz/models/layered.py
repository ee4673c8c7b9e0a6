"""The interface of models whose layers can be read, masked, projected to the joint space and resumed from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.models.base import Images, ImageTextModel, Texts, check_batch_size
from zsris_viz.models.blocks import autograd_mode
from zsris_viz.models.text_tokens import TextTokenizer, TextTokens
from zsris_viz.models.text_tower import TextTower
from zsris_viz.models.trace import Trace


class LayeredModel(ImageTextModel):
    """An `ImageTextModel` whose layers can be read, projected to the joint space and resumed from.

    A tensor that was computed in inference mode, such as a layer of a trace, must be cloned before it can require
    gradients: `trace.layers[9].clone().requires_grad_()`.

    Attributes:
        num_layers: L, number of image blocks; an RN has 4 stages.
        width: Channels of the last layer of the image tower.
        heads: Number of attention heads in an image block; for an RN, in the attention pooling.
        patch_size: Side of a cell of the token grid in pixels.
        grid: (g, g), rows and columns of the token grid.
        has_cls: Whether the first image token is CLS, from which the image feature is read.
        text: The text tower, whose blocks are `text.blocks`.
        text_layers: Number of text blocks.
        text_width: Channels of the text tower.
        context_length: Largest number of tokens in a text, start and end tokens included.
        logit_scale: Factor between cosines and logits; the exponential of the model's parameter.
    """

    num_layers: int
    width: int
    heads: int
    patch_size: int
    grid: tuple[int, int]
    has_cls: ClassVar[bool]
    tokenizer: TextTokenizer

    def __init__(self, *, text: TextTower, tokenizer: TextTokenizer, logit_scale: float, **shared: Any) -> None:
        super().__init__(**shared)
        self.text = text
        self.tokenizer = tokenizer
        self.logit_scale = logit_scale
        self.text_layers = text.num_layers
        self.text_width = text.width
        self.context_length = text.context_length

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name!r}, {self.image_size} px, grid {self.grid[0]} x {self.grid[1]}, "
            f"{self.num_layers} layers of {self.width}, D = {self.embed_dim}, {self.activation}, "
            f"{self.preprocess.name} preprocessing, {str(self.dtype).removeprefix('torch.')} on {self.device})"
        )

    def trace_image(self, images: Images, *, attentions: bool = True, grad: bool = False) -> Trace:
        """Run the image tower once and keep every layer.

        Args:
            images: As for `embed_images`.
            attentions: Whether to keep the attention weights of each block.
            grad: Whether to run under autograd.

        Returns:
            The layers, their grids and the attention weights.
        """
        pixels = self._to_tower(self.pixels(images))
        self.calls.images += len(pixels)
        with autograd_mode(grad):
            return self._trace_images(pixels, attentions)

    @abstractmethod
    def _trace_images(self, pixels: Tensor, attentions: bool) -> Trace:
        """Return the trace of pixels that are on the device and in `compute_dtype`."""

    @abstractmethod
    def project(self, hidden: Tensor, *, negate: bool = False, grad: bool = False) -> Tensor:
        """Project image tokens of a layer to the joint space.

        Args:
            hidden: (..., C).
            negate: Whether to flip the sign of the tokens before the projection.
            grad: Whether to run under autograd.

        Returns:
            (..., D) fp32, not normalised.
        """

    @abstractmethod
    def resume(self, hidden: Tensor, layer: int, **options: Any) -> Tensor | tuple[Tensor, Tensor]:
        """Run the image blocks that remain after `layer` and return the image features.

        Args:
            hidden: (B, T, C), the state after `layer` blocks.
            layer: Number of blocks that have already run, 0 to L.
            **options: Masks; see the class of the model.

        Returns:
            (B, D) fp32; with `return_hidden`, a tuple of the features and the last state.

        Raises:
            UnavailableError: If the model is an RN, which has no tokens between its stages.
        """

    @abstractmethod
    def dense_values(self, source: Trace | Images, **options: Any) -> Tensor:
        """Return patch features in the joint space, computed by the value path of the last attention (MaskCLIP)."""

    def tokenize(self, texts: str | Sequence[str], **options: Any) -> TextTokens:
        """Return texts as tokens on the model's device.

        Args:
            texts: A text or a list of texts.
            **options: `on_overflow`, `allow_empty` and `length` of `ClipTokenizer.__call__`.

        Raises:
            InvalidTypeError: If `texts` holds anything but texts.
            InvalidInputError: If a text is empty and `allow_empty` is false, or too long with `on_overflow="error"`.
        """
        return self.tokenizer(texts, **options).to(self.device)

    def _tokens(self, texts: Texts, allow_empty: bool) -> TextTokens:
        return texts.to(self.device) if isinstance(texts, TextTokens) else self.tokenize(texts, allow_empty=allow_empty)

    def embed_texts(
        self, texts: Texts, *, batch_size: int = 256, allow_empty: bool = False, grad: bool = False
    ) -> Tensor:
        """Return text features in the joint space, not normalised; see `ImageTextModel.embed_texts`.

        Texts of similar length are encoded together, so that a long one does not slow down the short ones.
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
        """Run the text tower once and keep every layer.

        Args:
            texts: As for `embed_texts`; all are padded to one length.
            attentions: Whether to keep the attention weights of each block.
            allow_empty: Whether a text without any token is accepted.
            grad: Whether to run under autograd.

        Returns:
            The layers, the attention weights and the tokens.
        """
        tokens = self._tokens(texts, allow_empty)
        self.calls.texts += len(tokens)
        with autograd_mode(grad):
            hidden = self.text.embed(tokens.ids)
            layers: list[Tensor] = [hidden]
            kept: list[Tensor | None] = [None]
            self.text.run(hidden, layers=layers, attentions=kept if attentions else None)
            return Trace(layers, kept if attentions else [None] * len(layers), tokens=tokens)

    def project_text(self, hidden: Tensor, *, grad: bool = False) -> Tensor:
        """Project text tokens of any layer to the joint space by the final LayerNorm and the text projection.

        Args:
            hidden: (..., C).
            grad: Whether to run under autograd.

        Returns:
            (..., D) fp32, not normalised.
        """
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
        """Run the text blocks that remain after `layer`.

        Args:
            hidden: (B, T, C), the state after `layer` blocks.
            layer: Number of blocks that have already run.
            end: (B,), the position from which the feature is read, or the tokens of the texts.
            attention_mask: Additive mask that is broadcast to (B, heads, T, T), added to the model's own.
            return_hidden: Whether to return the last state (B, T, C) as well, before the final LayerNorm.
            grad: Whether to run under autograd.

        Returns:
            (B, D) fp32; with `return_hidden`, a tuple of the features and the last state.

        Raises:
            InvalidInputError: If the layer does not exist, or the shapes do not match.
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


def require_layers(model: ImageTextModel, purpose: str) -> LayeredModel:
    """Return the model if its layers are accessible.

    Args:
        model: Any model.
        purpose: What needs the layers, as the subject of the error message.

    Raises:
        UnavailableError: If the model only embeds images and texts.
    """
    if not isinstance(model, LayeredModel):
        raise UnavailableError(
            f"{purpose} needs the layers of the model, and {model.name!r} (kind {model.kind!r}) only embeds whole "
            "images and texts. Use it with cropping, text-only or tas, or load a CLIP, e.g. load_clip('miniature')."
        )
    return model


def check_layer(layer: int, last: int) -> None:
    """Raise InvalidInputError unless `layer` lies between 0 and `last`."""
    if not 0 <= layer <= last:
        raise InvalidInputError(
            f"layer {layer} does not exist; layers are 0 (embeddings) to {last} (after the last block)."
        )
