"""Token masking of many proposals at once, without computing the tokens that are masked out."""

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
    """Compute CLS features with the patch tokens multiplied by each mask before every remaining block.

    This is token masking of Global-Local CLIP (Yu et al., CVPR 2023, eq. 3). The result equals `clip.resume(hidden,
    layer, token_mask=masks)` up to rounding and needs less computation. A token whose mask value is 0 is zero before
    every block, so its output is not needed, and as keys all such tokens are identical. One zero token therefore stands
    for z of them, with log z added to its attention logits. Proposals that keep a similar number of tokens are computed
    together.

    Args:
        clip: A ViT.
        hidden: Tensor (1, 1 + P, C), the state of one image after `layer` blocks.
        layer: Number of blocks before `hidden`.
        masks: Tensor (N, P) of floats, the weights of the patches, 0-1.
        batch_size: Largest number of proposals that are computed at once.
        advance: Function that is called with the name of the work, the number of proposals done and their total.

    Returns:
        Tensor (N, D) of float32, not normalised.
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
        # kept tokens first, in their order; the rest of the row is padding with weight 0, which attention ignores
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
    """Yield indices of at most `batch_size` proposals with similar counts, so that padding stays small."""
    order = counts.argsort(descending=True, stable=True)
    sizes = counts[order].tolist()
    start = 0
    for end in range(1, len(sizes) + 1):
        if end == len(sizes) or end - start == batch_size or sizes[end] < 0.75 * sizes[start] - 1:
            yield order[start:end]
            start = end
