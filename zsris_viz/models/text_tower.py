"""The text tower of a CLIP or SigLIP model: the text model of transformers and the projection to the joint space."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zsris_viz.models.blocks import norm_and_project, run_block


class TextTower:
    """A transformer over text tokens; for CLIP it is causal, and its feature is read at the end token.

    Attributes:
        model: The text model of transformers, for example a `CLIPTextModel`.
        projection: Linear layer from the text width to the D channels of the joint space.
        attention: "eager" or "sdpa".
        causal: Whether a token attends only to itself and the tokens before it.
        blocks: The encoder layers.
        num_layers: Number of blocks.
        width: Number of channels of a token.
        context_length: Largest number of tokens in a text.
        vocab_size: Number of entries in the vocabulary.
    """

    def __init__(self, model: Any, projection: nn.Linear, *, attention: str = "sdpa", causal: bool = True) -> None:
        self.causal = causal
        self.model = model
        self.projection = projection
        self.attention = attention
        self.blocks = model.encoder.layers
        self.num_layers = len(self.blocks)
        self.context_length: int = model.embeddings.position_embedding.num_embeddings
        self.vocab_size, self.width = model.embeddings.token_embedding.weight.shape

    def embed(self, ids: Tensor) -> Tensor:
        """Return layer 0, the sum of token and position embeddings: ids (B, T) int64 become (B, T, C)."""
        embeddings = self.model.embeddings
        return embeddings.token_embedding(ids) + embeddings.position_embedding.weight[: ids.shape[1]]

    def causal_mask(self, length: int, device: torch.device) -> Tensor:
        """Return the causal mask, (1, 1, T, T) fp32: 0 on and below the diagonal, -inf above."""
        return torch.full((length, length), float("-inf"), device=device).triu(1)[None, None]

    def run(
        self,
        hidden: Tensor,
        layer: int = 0,
        *,
        end: Tensor | None = None,
        mask: Tensor | None = None,
        layers: list[Tensor] | None = None,
        attentions: list[Tensor | None] | None = None,
    ) -> Tensor:
        """Run the blocks from `layer` on.

        Args:
            hidden: (B, T, C), the state after `layer` blocks.
            layer: Number of blocks that have already run.
            end: (B,) positions. If they are given and `layers` is None, the last block runs for these positions only.
            mask: Additive mask that is broadcast to (B, heads, T, T), added to the causal mask.
            layers: List to which the state after each block is appended.
            attentions: List to which the weights of each block, (B, heads, T, T), are appended.

        Returns:
            (B, T, C), the last state; or (B, 1, C) at the positions `end`.
        """
        causal = self.causal_mask(hidden.shape[1], hidden.device) if self.causal else None
        full = causal if mask is None else mask if causal is None else causal + mask
        for index in range(layer, self.num_layers):
            rows = end if index == self.num_layers - 1 and layers is None else None
            hidden, weights = run_block(
                self.blocks[index], hidden, full, attention=self.attention, weights=attentions is not None, rows=rows
            )
            if layers is not None:
                layers.append(hidden)
            if attentions is not None:
                attentions.append(weights)
        return hidden

    def project(self, hidden: Tensor) -> Tensor:
        """Apply the final LayerNorm and the text projection to tokens: (..., C) becomes (..., D)."""
        return norm_and_project(hidden, self.model.final_layer_norm, self.projection)
