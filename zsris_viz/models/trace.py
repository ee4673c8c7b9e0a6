"""What runs of a CLIP tower leave behind: every layer of one run, and a count of all."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.models.tokenizer import TextTokens


@dataclass
class ClipCounter:
    """How much has passed the towers.

    Attributes:
        images: whole images. crops: images given with ``embed_images(..., crops=True)``. texts: texts.
        resumed: sequences run on from a layer by ``resume``, and maps pooled by an RN's ``pool``.
    """

    images: int = 0
    crops: int = 0
    texts: int = 0
    resumed: int = 0

    def reset(self) -> None:
        """Start again from zero."""
        self.images = self.crops = self.texts = self.resumed = 0


@dataclass(frozen=True)
class Trace:
    """Every layer of one run of a tower.

    Attributes:
        layers: L + 1 hidden states (B, T, C) in the model's dtype. Layer 0 is what enters the first block, layer l
            leaves the l-th block (block l - 1 when blocks are counted from 0), the last is before the final
            LayerNorm: the ``hidden_states`` of transformers. For an RN, layer 0 is the stem's map and layers 1-4
            those of the four stages, (B, h * w, C) with h, w and C of each stage.
        attentions: L + 1 entries; ``attentions[l]`` (B, heads, T, T), rows summing to 1, belongs to the block that
            made layer l; entry 0 is None, as are all when not asked for and for an RN.
        grids: (rows, columns) of each layer's patch grid; empty for a text.
        tokens: the tokens of a text; None for an image.
        has_cls: whether the first token of every layer is CLS.
    """

    layers: list[Tensor]
    attentions: list[Tensor | None]
    grids: list[tuple[int, int]] = field(default_factory=list)
    tokens: TextTokens | None = None
    has_cls: bool = True

    @property
    def grid(self) -> tuple[int, int] | None:
        """(rows, columns) of the last layer's patch grid; None for a text."""
        return self.grids[-1] if self.grids else None

    def __len__(self) -> int:
        return len(self.layers)

    def layer(self, number: int) -> Tensor:
        """Hidden state (B, T, C) of a layer; -1 is the last. Raises InvalidInputError for one that does not exist."""
        if not -len(self.layers) <= number < len(self.layers):
            raise InvalidInputError(
                f"layer {number} does not exist; this trace has layers 0 to {len(self.layers) - 1}."
            )
        return self.layers[number]

    def patches(self, layer: int) -> Tensor:
        """Patch tokens (B, g * g, C) of an image's layer, row by row, CLS left out."""
        if not self.grids:
            raise InvalidInputError("a text trace has no patches; use .layer(number) for its tokens.")
        hidden = self.layer(layer)
        return hidden[:, 1:] if self.has_cls else hidden

    def map(self, layer: int) -> Tensor:
        """Patch tokens as a map (B, C, rows, columns)."""
        patches = self.patches(layer)
        rows, columns = self.grids[layer]
        return patches.transpose(1, 2).reshape(patches.shape[0], patches.shape[2], rows, columns)

    def cls(self, layer: int) -> Tensor:
        """CLS token (B, C) of an image's layer. Raises InvalidInputError where there is none (text, RN)."""
        if not (self.grids and self.has_cls):
            raise InvalidInputError(
                "only a ViT image trace has a CLS token; an RN pools by attention: use clip.pool(feature_map)."
            )
        return self.layer(layer)[:, 0]
