"""The command that trains the miniature CLIP: a few steps, the loss by hand, a resumed run, and folders that load."""

import subprocess
import sys

import pytest
import torch

from zsris_viz.errors import UnavailableError
from zsris_viz.miniature.training.clip_batches import Batches, contrastive_loss, patch_logits
from zsris_viz.miniature.training.clip_towers import RnTowers, busy_patches
from zsris_viz.miniature.training.schedule import learning_rate
from zsris_viz.miniature.training.train_clip import train
from zsris_viz.miniature.training.training_data import PictureStore


def settings(**more):
    return {"minutes": 1.0, "batch": 8, "steps": 2, "seed": 0, "peak": 1e-3, "threads": 1, "bf16": False} | more


def test_the_loss_by_hand():
    torch.manual_seed(0)
    logits = torch.randn(6, 2)  # two captions of each of two pictures, then one wrong caption of each
    maybe = torch.tensor([[1, 0], [1, 1], [0, 1], [0, 1], [0, 0], [1, 0]], dtype=torch.bool)
    total = 0.0
    for row, own in enumerate([0, 0, 1, 1]):
        rivals = [logits[row, p] for p in range(2) if not maybe[row, p]]
        total += torch.stack([logits[row, own], *rivals]).logsumexp(0) - logits[row, own]
        others = [logits[t, own] for t in range(6) if not maybe[t, own]]
        total += torch.stack([logits[row, own], *others]).logsumexp(0) - logits[row, own]
    assert contrastive_loss(logits, maybe, 2).item() == pytest.approx(total.item() / 8, rel=1e-5)


def test_busy_patches_are_distinct_and_mostly_where_something_is():
    torch.manual_seed(0)
    pixels = torch.zeros(200, 3, 112, 112)
    pixels[:, :, :16, :16] = torch.randn(200, 3, 16, 16)  # four patches with contrast
    kept = busy_patches(pixels, 20)
    assert all(len(set(row.tolist())) == 20 for row in kept)
    shares = torch.tensor([len({0, 1, 14, 15} & set(row.tolist())) for row in kept]).float().mean()
    assert shares > 0.9  # half of the pictures are drawn evenly; an even draw of all would give 0.4


def test_batches_are_the_same_for_the_same_seed():
    first, second = (Batches(32, seed=3).draw(6, 0.5) for _ in range(2))
    assert torch.equal(first["pixels"], second["pixels"]) and torch.equal(first["ids"], second["ids"])
    assert first["maybe"].shape == (24, 6)
    assert all(first["maybe"][row, row // 3] for row in range(18))
    assert not any(first["maybe"][18 + row, row] for row in range(6))


def test_a_store_wraps_around_its_capacity():
    store = PictureStore(32, capacity=6, seed=1)
    shapes = {store.batch(4)[0].shape for _ in range(8)}
    assert shapes == {(4, 32, 32, 3)}


def test_the_command_trains_and_resumes(tmp_path):
    command = [sys.executable, "-m", "zsris_viz.miniature", "train", "clip", "--run", str(tmp_path), "--batch", "8"]
    for steps in ("1", "2"):
        done = subprocess.run([*command, "--steps", steps], capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr
    assert [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().splitlines()] == ["step", "1", "2"]
    from zsris_viz import load_clip

    clip = load_clip(str(tmp_path / "weights"))
    assert clip.embed_texts(["a red cat"]).shape == (1, 128)
    assert (clip.num_layers, clip.grid) == (6, (14, 14))


def test_the_rn_miniature_takes_over_the_text_tower(tmp_path):
    vit = train("clip", tmp_path / "vit", **settings(steps=1))
    rn = train("clip-rn", tmp_path / "rn", **settings(steps=1, batch=4), text_from=vit)
    from zsris_viz import load_clip

    texts = ["the small cup", "2nd dog from the left"]
    a, b = load_clip(str(vit)), load_clip(str(rn))
    torch.testing.assert_close(a.embed_texts(texts), b.embed_texts(texts), atol=2e-3, rtol=0)
    assert b.kind == "rn" and b.grid == (5, 5)


def test_no_text_tower_to_take_over(tmp_path):
    with pytest.raises(UnavailableError, match="train clip"):
        RnTowers(1000, tmp_path)


def test_the_learning_rate_rises_and_falls():
    rates = [learning_rate(step, 100, peak=1.0) for step in range(101)]
    assert rates[0] == pytest.approx(0.01) and max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates[-1] == pytest.approx(0.02) and rates[10:] == sorted(rates[10:], reverse=True)


def test_unknown_commands_list_the_known_ones(capsys):
    from zsris_viz.miniature.__main__ import main

    assert main(["train", "everything"]) == 2
    assert "train clip" in capsys.readouterr().err


def test_patch_logits_are_a_smooth_maximum():
    torch.manual_seed(1)
    patches = torch.nn.functional.normalize(torch.randn(2, 5, 8), dim=-1)
    texts = torch.nn.functional.normalize(torch.randn(3, 8), dim=-1)
    cosines = torch.stack([torch.stack([(patch @ text).max() for patch in patches]) for text in texts])
    torch.testing.assert_close(patch_logits(patches, texts, sharpness=1e4), cosines, atol=1e-3, rtol=0)
    assert (patch_logits(patches, texts) <= cosines + 1e-6).all()
