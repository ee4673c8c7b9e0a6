"""The losses of both stages.

We chose a patch-text contrastive loss for the first stage, and binary cross-entropy and dice for the second. The
contrastive loss is the text-to-pixel form of CRIS (Wang et al., CVPR 2022, eq. 9): every patch is a positive
or a negative of its sentence, by the share of it that the referent covers; the temperature and an offset are learned.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def patch_text_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """Patch-text contrast: BCE of each patch, positives and negatives of an image with equal weight in sum.

    Args:
        logits: (B, P), cosines times the learned scale plus the learned offset. shares: (B, P) in 0-1, how much of
            each patch the referent covers.

    Returns:
        Scalar: mean over the batch of half the positives' mean loss and half the negatives'.
    """
    found, other = F.logsigmoid(logits.float()), F.logsigmoid(-logits.float())
    positive = -(shares * found).sum(1) / shares.sum(1).clamp_min(1e-6)
    negative = -((1 - shares) * other).sum(1) / (1 - shares).sum(1).clamp_min(1e-6)
    return (positive + negative).mean() / 2


def mask_loss(logits: Tensor, masks: Tensor, dice_weight: float = 1.0) -> tuple[Tensor, Tensor]:
    """BCE and dice of mask logits.

    Args:
        logits: (B, M, M). masks: (B, M, M), 0-1. dice_weight: of dice in the sum.

    Returns:
        BCE + dice_weight * dice, and BCE alone; means over the batch. Dice is 1 - (2 |P T| + 1) / (|P| + |T| + 1) with
        soft areas, in pixels.
    """
    flat, wanted = logits.float().flatten(1), masks.flatten(1)
    entropy = F.binary_cross_entropy_with_logits(flat, wanted)
    predicted = flat.sigmoid()
    dice = 1 - (2 * (predicted * wanted).sum(1) + 1) / (predicted.sum(1) + wanted.sum(1) + 1)
    return entropy + dice_weight * dice.mean(), entropy.detach()
