"""The trace of a tower, with the states of all layers, and the counts of encoded images and texts."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.models.text_tokens import TextTokens


@dataclass
class ClipCounter:
    """Numbers of inputs that a model has encoded.

    Attributes:
        images: Number of whole images.
        crops: Number of images given with `embed_images(..., crops=True)`.
        texts: Number of texts.
        resumed: Number of sequences that were resumed from a layer, and of maps that an RN has pooled.
    """

    images: int = 0
    crops: int = 0
    texts: int = 0
    resumed: int = 0

    def reset(self) -> None:
        """Set every count to zero."""
        self.images = self.crops = self.texts = self.resumed = 0


@dataclass(frozen=True)
class Trace:
    """The states of all layers in one forward pass of a tower.

    Attributes:
        layers: L + 1 hidden states (B, T, C) in the model's `compute_dtype`, numbered like `hidden_states` in
            transformers. Layer 0 is the input of the first block, layer l is the output of the l-th block (block l - 1
            if counted from 0), and the last layer is the input of the final LayerNorm. For an RN, layer 0 is the stem's
            map and layers 1 to 4 are those of the stages, (B, h * w, C) with the h, w and C of each stage.
        attentions: L + 1 entries. `attentions[l]`, (B, heads, T, T) with rows that sum to 1, belongs to the block
            whose output is layer l. Entry 0 is None, and so are all entries for an RN or without attentions.
        grids: (rows, columns) of each layer's patch grid; empty for a text.
        tokens: The tokens of a text; None for an image.
        has_cls: Whether the first token of every layer is CLS.
    """

    layers: list[Tensor]
    attentions: list[Tensor | None]
    grids: list[tuple[int, int]] = field(default_factory=list)
    tokens: TextTokens | None = None
    has_cls: bool = True

    @property
    def grid(self) -> tuple[int, int] | None:
        """Return (rows, columns) of the last layer's patch grid; None for a text."""
        return self.grids[-1] if self.grids else None

    def __len__(self) -> int:
        return len(self.layers)

    def layer(self, number: int) -> Tensor:
        """Return the hidden state (B, T, C) of a layer; -1 is the last.

        Raises:
            InvalidInputError: If the layer does not exist.
        """
        if not -len(self.layers) <= number < len(self.layers):
            raise InvalidInputError(
                f"layer {number} does not exist; this trace has layers 0 to {len(self.layers) - 1}."
            )
        return self.layers[number]

    def patches(self, layer: int) -> Tensor:
        """Return the patch tokens (B, rows * columns, C) of an image's layer, row by row, without CLS.

        Raises:
            InvalidInputError: If this is the trace of a text, or the layer does not exist.
        """
        if not self.grids:
            raise InvalidInputError("a text trace has no patches; use .layer(number) for its tokens.")
        hidden = self.layer(layer)
        return hidden[:, 1:] if self.has_cls else hidden

    def map(self, layer: int) -> Tensor:
        """Return the patch tokens of a layer as a map (B, C, rows, columns)."""
        patches = self.patches(layer)
        rows, columns = self.grids[layer]
        return patches.transpose(1, 2).reshape(patches.shape[0], patches.shape[2], rows, columns)

    def cls(self, layer: int) -> Tensor:
        """Return the CLS token (B, C) of an image's layer.

        Raises:
            InvalidInputError: If this is the trace of a text, or of a model without a CLS token.
        """
        if not (self.grids and self.has_cls):
            raise InvalidInputError(
                "this trace has no CLS token; only the image trace of a CLIP ViT has one. An RN pools its last map "
                "instead: clip.pool(feature_map)."
            )
        return self.layer(layer)[:, 0]
