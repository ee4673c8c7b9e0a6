"""The contrastive losses of the built-in CLIP."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def contrastive_loss(logits: Tensor, maybe: Tensor, captions: int) -> Tensor:
    """Return InfoNCE with several captions of a picture and known false negatives.

    Args:
        logits: (T, B), rows are the captions of picture 0, of picture 1, ..., then one wrong caption of each picture.
        maybe: (T, B) bool, True where the caption may be true of the picture; such a pair is no negative.
        captions: int, number of true captions of a picture.

    Returns:
        Scalar, the mean over true captions of the losses over pictures and over texts.
    """
    pictures = logits.shape[1]
    count = pictures * captions
    own = torch.arange(count, device=logits.device) // captions
    positive = logits[torch.arange(count, device=logits.device), own]
    negatives = logits.masked_fill(maybe, -torch.inf)
    over_pictures = torch.logaddexp(positive, negatives[:count].logsumexp(1)) - positive
    over_texts = torch.logaddexp(positive, negatives.logsumexp(0)[own]) - positive
    return (over_pictures.mean() + over_texts.mean()) / 2


class _SmoothMaximum(torch.autograd.Function):
    """Log of the mean of exponentials of cosines, in chunks of texts, which the backward pass computes again."""

    @staticmethod
    def forward(ctx: Any, texts: Tensor, patches: Tensor, sharpness: float, chunk: int) -> Tensor:
        pictures, count, width = patches.shape
        flat = patches.reshape(pictures * count, width).T.contiguous()
        parts = []
        for rows in texts.split(chunk):
            # Cosines are at most 1, so the exponentials stay far from overflow without a subtracted maximum.
            powers = (rows @ flat).mul_(sharpness).exp_()
            parts.append(powers.view(len(rows), pictures, count).sum(-1))
        sums = torch.cat(parts)
        ctx.save_for_backward(texts, patches, sums)
        ctx.sharpness, ctx.chunk = sharpness, chunk
        return (sums.log() - math.log(count)) / sharpness

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        texts, patches, sums = ctx.saved_tensors
        pictures, count, width = patches.shape
        flat = patches.reshape(pictures * count, width)
        columns = flat.T.contiguous()
        of_patches = torch.zeros_like(flat)
        of_texts = []
        weights = gradient / sums
        for rows, weight in zip(texts.split(ctx.chunk), weights.split(ctx.chunk), strict=True):
            powers = (rows @ columns).mul_(ctx.sharpness).exp_().view(len(rows), pictures, count)
            shares = powers.mul_(weight[..., None]).view(len(rows), -1)
            of_texts.append(shares @ flat)
            of_patches.addmm_(shares.T, rows)
        return torch.cat(of_texts), of_patches.view_as(patches), None, None


def patch_logits(patches: Tensor, texts: Tensor, sharpness: float = 20.0, chunk: int = 128) -> Tensor:
    """Return how well the best patch of each picture meets each caption: a smooth maximum of cosines.

    Args:
        patches: (B, P, D), normalised.
        texts: (T, D), normalised.
        sharpness: float, the higher, the nearer to the plain maximum; at most 80 in float32.
        chunk: int, number of texts at a time, which bounds the memory.

    Returns:
        (T, B), to be scaled as cosines are.
    """
    result: Tensor = _SmoothMaximum.apply(texts, patches, sharpness, chunk)
    return result
