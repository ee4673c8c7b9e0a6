"""The losses of both training stages.

The first stage uses a patch-text contrastive loss, the second binary cross-entropy (BCE) and Dice; both are choices of
this implementation. The contrastive loss is the text-to-pixel form of CRIS (Wang et al., CVPR 2022, eq. 9): every patch
is a positive or a negative of its sentence, weighted by the share of it that the referent covers. The temperature and
an offset are learned.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def patch_text_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """Compute the patch-text contrastive loss, in which all positives of an image weigh as much as all its negatives.

    Args:
        logits: Tensor (B, P), cosines times the learned scale plus the learned offset.
        shares: Tensor (B, P), the share of each patch that the referent covers, 0-1.

    Returns:
        Scalar, the mean over the batch of the average of two terms: the mean BCE of the positives and that of the
        negatives.
    """
    found, other = F.logsigmoid(logits.float()), F.logsigmoid(-logits.float())
    positive = -(shares * found).sum(1) / shares.sum(1).clamp_min(1e-6)
    negative = -((1 - shares) * other).sum(1) / (1 - shares).sum(1).clamp_min(1e-6)
    return (positive + negative).mean() / 2


def mask_loss(logits: Tensor, masks: Tensor, dice_weight: float = 1.0) -> tuple[Tensor, Tensor]:
    """Compute the sum of BCE and weighted Dice loss of mask logits.

    The Dice loss is 1 - (2 |P T| + 1) / (|P| + |T| + 1) with the sums of probabilities P and targets T over all cells.

    Args:
        logits: Tensor (B, M, M), the logits.
        masks: Tensor (B, M, M), the targets, 0-1.
        dice_weight: Weight of the Dice loss.

    Returns:
        Two scalars: BCE plus `dice_weight` times Dice, and BCE alone without gradient. Both are means over the batch.
    """
    flat, wanted = logits.float().flatten(1), masks.flatten(1)
    entropy = F.binary_cross_entropy_with_logits(flat, wanted)
    predicted = flat.sigmoid()
    dice = 1 - (2 * (predicted * wanted).sum(1) + 1) / (predicted.sum(1) + wanted.sum(1) + 1)
    return entropy + dice_weight * dice.mean(), entropy.detach()
