"""The linear readout of nouns from patches."""

from __future__ import annotations

import numpy as np
import torch

from zsris_viz.methods.risclip.config import Architecture
from zsris_viz.methods.risclip.model import RisClipModel
from zsris_viz.miniature.training.patch_noun_probe import STRENGTH, accuracy, noun_readout, patches_of
from zsris_viz.models import load_clip


def test_ridge_against_its_normal_equations() -> None:
    rng = np.random.default_rng(0)
    x, unseen = rng.normal(size=(60, 5)) * 3 + 1, rng.normal(size=(40, 5)) * 3 + 1
    labels, right = rng.integers(0, 3, 60), rng.integers(0, 3, 40)
    hot = np.eye(3)[labels]
    z, u = ((part - x.mean(0)) / (x.std(0, ddof=1) + 1e-8) for part in (x, unseen))
    weights = np.linalg.inv(z.T @ z + STRENGTH * 60 * np.eye(5)) @ z.T @ (hot - hot.mean(0))
    expected = ((u @ weights + hot.mean(0)).argmax(1) == right).mean()
    found = accuracy(*(torch.from_numpy(part) for part in (x, hot, unseen, right)))
    assert abs(found - expected) < 1e-9 and 0 < found < 1


def test_what_can_be_told_apart_is() -> None:
    x = torch.randn(90, 4, generator=torch.Generator().manual_seed(0)) * 0.1
    labels = torch.arange(90) % 3
    x[torch.arange(90), labels] += 5
    assert accuracy(x[:60], torch.nn.functional.one_hot(labels[:60], 3).double(), x[60:], labels[60:]) == 1


def test_patches_of_the_miniature() -> None:
    model = RisClipModel(load_clip("miniature"), Architecture(cfe_layers=(5,), ske_layers=0, decoder="none"))
    rows, nouns = patches_of(model, "train", 3)
    assert set(rows) == {"0", "1", "2", "3", "4", "5", "6", "values"}
    assert all(len(part) == len(nouns) and part.isfinite().all() for part in rows.values()) and len(set(nouns)) > 1
    shares = noun_readout(model, fit=30, tested=10)
    assert all(0 <= value <= 100 for value in shares.values()) and shares["5"] > shares["most"]
