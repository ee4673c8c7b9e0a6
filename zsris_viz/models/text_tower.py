"""CLIP's text tower, the same for ViT and RN models: transformers' ``CLIPTextModel`` plus the text projection."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zsris_viz.models.blocks import norm_and_project, run_block


class TextTower:
    """A causal transformer that is read at the end token.

    Attributes:
        model: transformers' ``CLIPTextModel``. projection: ``nn.Linear`` without bias, text width -> D.
        blocks: the tower's ``CLIPEncoderLayer`` modules. num_layers, width, context_length, vocab_size: ints.
    """

    def __init__(self, model: Any, projection: nn.Linear, *, attention: str = "eager", causal: bool = True) -> None:
        self.causal = causal
        self.model = model
        self.projection = projection
        self.attention = attention
        self.blocks = model.encoder.layers
        self.num_layers = len(self.blocks)
        self.context_length: int = model.embeddings.position_embedding.num_embeddings
        self.vocab_size, self.width = model.embeddings.token_embedding.weight.shape

    def embed(self, ids: Tensor) -> Tensor:
        """Token plus position embeddings, layer 0: ids (B, T) int64 -> (B, T, C)."""
        embeddings = self.model.embeddings
        return embeddings.token_embedding(ids) + embeddings.position_embedding.weight[: ids.shape[1]]

    def causal_mask(self, length: int, device: torch.device) -> Tensor:
        """(1, 1, T, T) fp32, 0 on and below the diagonal, -inf above."""
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
        """Blocks ``layer`` to the last on ``hidden`` (B, T, C), which is the state after ``layer`` blocks.

        Args:
            end: (B,) positions; when given and nothing is recorded, the last block runs for them only and (B, 1, C)
                comes back.
            mask: additive, broadcastable to (B, heads, T, T), on top of the causal mask.
            layers, attentions: lists to which the state after each block and its weights (B, heads, T, T) are appended.
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
        """Final LayerNorm and text projection of any tokens: (..., C) -> (..., D)."""
        return norm_and_project(hidden, self.model.final_layer_norm, self.projection)
