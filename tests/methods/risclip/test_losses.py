"""Losses against sums written out, the schedule, and what a step trains."""

from __future__ import annotations

import math

import pytest
import torch
from torch import sigmoid, tensor

from tests.methods.risclip.conftest import settings
from zsris_viz.methods.risclip.losses import mask_loss, patch_text_loss
from zsris_viz.methods.risclip.optim import ious, learning_rate, shares_on_grid


def test_contrast_weighs_referent_and_rest_alike() -> None:
    logits = tensor([[2.0, -1.0, 0.5]])
    shares = tensor([[1.0, 0.0, 0.25]])
    inside = (-math.log(sigmoid(tensor(2.0))) * 1 - math.log(sigmoid(tensor(0.5))) * 0.25) / 1.25
    outside = (-math.log(sigmoid(tensor(1.0))) * 1 - math.log(sigmoid(tensor(-0.5))) * 0.75) / 1.75
    assert float(patch_text_loss(logits, shares)) == pytest.approx((inside + outside) / 2, rel=1e-5)


def test_contrast_of_a_perfect_map_is_small_and_of_its_opposite_large() -> None:
    shares = tensor([[1.0, 0.0, 0.0, 0.0]])
    logits = 20 * (shares - 0.5)
    assert float(patch_text_loss(logits, shares)) < 1e-3 < 5 < float(patch_text_loss(-logits, shares))


def test_mask_loss_is_bce_plus_dice() -> None:
    logits, masks = tensor([[[1.0, -2.0]], [[0.0, 3.0]]]), tensor([[[1.0, 0.0]], [[0.0, 0.0]]])
    entropies, dices = [], []
    for row in range(2):
        predicted, wanted = sigmoid(logits[row, 0]).tolist(), masks[row, 0].tolist()
        entropies += [-math.log(p if w else 1 - p) for p, w in zip(predicted, wanted, strict=True)]
        shared = sum(p * w for p, w in zip(predicted, wanted, strict=True))
        dices.append(1 - (2 * shared + 1) / (sum(predicted) + sum(wanted) + 1))
    whole, entropy = mask_loss(logits, masks, 0.7)
    assert float(entropy) == pytest.approx(sum(entropies) / 4, rel=1e-5)
    assert float(whole) == pytest.approx(sum(entropies) / 4 + 0.7 * sum(dices) / 2, rel=1e-5)


def test_shares_and_ious() -> None:
    mask = torch.zeros(1, 4, 4)
    mask[0, :2, :3] = 1
    assert shares_on_grid(mask, (2, 2)).tolist() == [[1.0, 0.5, 0.0, 0.0]]
    logits = torch.full((1, 4, 4), -1.0)
    logits[0, :2, :2] = 1  # 4 of 6 pixels, none too many
    assert ious(logits, mask).tolist() == pytest.approx([4 / 6])
    assert ious(torch.full((1, 4, 4), -1.0), torch.zeros(1, 4, 4)).tolist() == [0.0]


def test_the_rate_rises_and_falls() -> None:
    options = settings(rate=1.0, warmup=0.2, floor=0.1)
    rates = [learning_rate(step, 10, options) for step in range(10)]
    assert rates[:2] == pytest.approx([0.5, 1.0])
    assert rates[9] == pytest.approx(0.1)
    assert rates[5] == pytest.approx(0.1 + 0.9 * 0.5)  # the middle of the cosine
    assert rates[1:] == sorted(rates[1:], reverse=True)
