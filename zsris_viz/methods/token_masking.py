"""Token masking for many proposals at once, without computing tokens that are masked away."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from zsris_viz.models.vit import VitClip


def masked_features(
    clip: VitClip,
    hidden: Tensor,
    layer: int,
    masks: Tensor,
    *,
    batch_size: int = 64,
    advance: Callable[[str, int, int], None] | None = None,
) -> Tensor:
    """CLS features, patch tokens multiplied by each mask before every remaining block (Global-Local CLIP, eq. 3).

    The same numbers as `clip.resume(hidden, layer, token_mask=masks)` up to rounding, for a fraction of the work. A
    token whose mask value is 0 is zero before every block, whatever the block before made of it. So nobody needs what
    blocks make of it, and as a key all such tokens are one and the same: one zero token stands for z of them, with
    log z added to its attention logits. Proposals that keep about the same number of tokens run together.

    Args:
        clip: a ViT. hidden: (1, 1 + P, C), the state of one image after `layer` blocks.
        masks: (N, P) float, 0-1. batch_size: proposals at once.
        advance: called with a text, how many proposals are done and how many there are.

    Returns:
        (N, D) fp32, not normalised.
    """
    counts = (masks > 0).sum(dim=1)
    features = torch.zeros(len(masks), clip.embed_dim, device=hidden.device)
    done = 0
    for rows in _groups(counts, batch_size):
        if advance is not None:
            advance("masked images", done, len(masks))
        done += len(rows)
        chunk = masks[rows]
        length = int(counts[rows].max())
        # kept tokens first, in their order; the rest of the row is padding, weighed 0 and hidden from attention
        order = (chunk > 0).int().argsort(dim=1, descending=True, stable=True)[:, :length]
        kept = torch.gather(chunk, 1, order)
        tokens = hidden[0, 1:][order]
        cls = hidden[:, :1].expand(len(chunk), 1, -1)
        sequence = torch.cat([cls, tokens, torch.zeros_like(cls)], dim=1)
        weights = torch.cat([kept, kept.new_zeros(len(chunk), 1)], dim=1)
        dropped = (chunk.shape[1] - counts[rows]).float().log()
        bias = torch.cat(
            [torch.zeros_like(dropped)[:, None], torch.where(kept > 0, 0.0, -torch.inf), dropped[:, None]], 1
        )
        attention = bias[:, None, None, :].expand(-1, 1, bias.shape[1], -1)
        pooled = clip.resume(sequence, layer, token_mask=weights, attention_mask=attention, batch_size=batch_size)
        assert isinstance(pooled, Tensor)
        features[rows] = pooled
    return features


def _groups(counts: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Row numbers of proposals with like counts, at most `batch_size` together, a quarter of a row padding."""
    order = counts.argsort(descending=True, stable=True)
    sizes = counts[order].tolist()
    start = 0
    for end in range(1, len(sizes) + 1):
        if end == len(sizes) or end - start == batch_size or sizes[end] < 0.75 * sizes[start] - 1:
            yield order[start:end]
            start = end
