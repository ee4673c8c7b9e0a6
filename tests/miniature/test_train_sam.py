"""The miniature SAM: its batches, its loss by hand, a few steps, an exact resume, and the card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from zsris_viz.errors import CorruptFileError
from zsris_viz.io.hashing import file_hash
from zsris_viz.miniature.__main__ import main
from zsris_viz.miniature.training.measure_sam import measure
from zsris_viz.miniature.training.sam_batches import SamBatch, draw_batch, horizon
from zsris_viz.miniature.training.sam_model import LOW_SIDE, SIDE, masks_at_points, miniature_sam
from zsris_viz.miniature.training.train_sam import loss_of, mask_losses, train, true_iou
from zsris_viz.miniature.training.training_data import SEED_BASE
from zsris_viz.miniature.world.layout import sample_layout
from zsris_viz.miniature.world.render import render_arrays
from zsris_viz.miniature.world.sampling import scene_seed

RUN: dict[str, Any] = {"scenes": 8, "decay": 4, "batch_size": 2, "prompts": 2, "workers": 0}


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    first, second, other = (draw_batch(3, step, scenes=2, prompts=3) for step in (5, 5, 6))
    for name in vars(first):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert not torch.equal(first.pixels, other.pixels)
    assert first.pixels.shape == (2, 3, SIDE, SIDE) and first.picture.tolist() == [0, 0, 0, 1, 1, 1]


def test_points_lie_in_their_segments() -> None:
    batch = draw_batch(0, 0, scenes=12, prompts=6)
    cells = (batch.points * LOW_SIDE / SIDE).long().clamp(0, LOW_SIDE - 1)
    shares = batch.segments[torch.arange(72), cells[:, 1], cells[:, 0]]
    assert (shares > 0).all() and float((shares > 0.5).float().mean()) > 0.8
    assert 0.1 < float(batch.ground.float().mean()) < 0.4
    areas = batch.segments.mean(dim=(1, 2))
    assert areas[batch.ground].min() > areas[~batch.ground].max()


def test_the_horizon_is_where_the_ground_begins() -> None:
    found = {seed: horizon(sample_layout(SEED_BASE + seed), 128) for seed in range(40)}
    assert 4 < sum(row is not None for row in found.values()) < 20  # one background in four has one
    for seed, row in found.items():
        picture, masks = render_arrays(sample_layout(SEED_BASE + seed), 128)
        empty = ~masks.any(axis=0)
        if row is not None and empty[row - 1].any() and empty[row].any():
            above, below = picture[row - 1][empty[row - 1]].mean(0), picture[row][empty[row]].mean(0)
            assert np.abs(above - below).max() > 8


def test_no_scene_of_the_benchmark_is_drawn() -> None:
    held_out = {scene_seed(split, i, f"layout/{t}") for split in ("val", "test") for i in range(200) for t in range(12)}
    trained = range(SEED_BASE, SEED_BASE + (8 << 32))  # seeds 0 to 7 of any length
    assert not any(seed in trained for seed in held_out)


def test_the_losses_by_hand() -> None:
    torch.manual_seed(0)
    logits, segments = torch.randn(3, 4, 5, 5), torch.rand(3, 5, 5)
    found = mask_losses(logits, segments)
    iou = true_iou(logits, segments)
    for p in range(3):
        for k in range(4):
            shown, wanted = torch.sigmoid(logits[p, k]), segments[p]
            entropy = -(wanted * shown.log() + (1 - wanted) * (1 - shown).log())
            focal = ((shown - wanted) ** 2 * entropy).mean()
            dice = 1 - (2 * (shown * wanted).sum() + 1) / (shown.sum() + wanted.sum() + 1)
            assert float(found[p, k]) == pytest.approx(float(20 * focal + dice), rel=1e-4)
            a, b = shown > 0.5, wanted > 0.5
            assert float(iou[p, k]) == pytest.approx(float((a & b).sum() / (a | b).sum()))
    guessed = torch.rand(3, 4)
    batch = SamBatch(*[torch.zeros(0)] * 3, segments, torch.zeros(3))
    expected = found[:, 1:].min(1).values.mean() + 0.5 * found[:, 0].mean() + ((guessed - iou) ** 2).mean()
    assert float(loss_of(logits, guessed, batch)[0]) == pytest.approx(float(expected), rel=1e-5)


def test_masks_of_many_pictures_are_those_of_sam_one_by_one() -> None:
    torch.manual_seed(0)
    sam = miniature_sam().eval()
    batch = draw_batch(1, 0, scenes=3, prompts=2)
    with torch.no_grad():
        logits, guessed = masks_at_points(sam, batch.pixels, batch.points, batch.picture)
        for row in range(6):
            request = {
                "image": batch.pixels[batch.picture[row]],
                "original_size": (SIDE, SIDE),
                "point_coords": batch.points[row][None, None],
                "point_labels": torch.ones(1, 1),
            }
            answer = sam([request], multimask_output=True)[0]
            assert torch.allclose(answer["low_res_logits"][0], logits[row, 1:], atol=1e-4)
            assert torch.allclose(answer["iou_predictions"][0], guessed[row, 1:], atol=1e-5)


def test_a_run_that_was_stopped_continues_exactly(tmp_path: Path) -> None:
    train(tmp_path / "whole", **RUN)
    for stop in (2, None):
        train(tmp_path / "parts", **RUN, stop_after=stop)
    first, second = (load_file(tmp_path / name / "weights" / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(value.dtype == torch.float16 for value in first.values())


def test_the_commands_train_measure_and_write_the_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, folder, figures = tmp_path / "run", tmp_path / "sam", tmp_path / "figures.json"
    assert main(["train", "sam", "--run", str(run), "--scenes", "2", "--batch", "2", "--prompts", "1"]) == 0
    weights = run / "weights" / "model.safetensors"
    options = ["--scenes", "1", "--splits", "val", "testA", "--size", "64", "--points", "2"]
    assert main(["measure", "sam", "--weights", str(weights), *options, "--out", str(figures)]) == 0
    measured = json.loads(figures.read_text())
    assert set(measured["splits"]) == {"val", "testA"}
    training = json.loads((run / "training.json").read_text())
    (run / "training.json").write_text(json.dumps({**training, "note": "It was stopped twice."}))
    command = ["card", "sam", "--run", str(run), "--figures", str(figures), "--folder", str(folder)]
    assert main(command) == 0
    text = (folder / "README.md").read_text()
    assert file_hash(folder / "model.safetensors") in text and "2 points on 2 scenes in 1 steps" in text
    assert "It was stopped twice." in text
    assert f"{measured['splits']['testA']['mean_best_iou']:.3f}" in text
    assert {path.name for path in folder.iterdir()} == {"README.md", "model.safetensors", "training.csv"}
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in folder.iterdir())
    capsys.readouterr()


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"cut")
    with pytest.raises(CorruptFileError, match="checkpoint"):
        train(tmp_path, **RUN)


@pytest.mark.slow
def test_the_shipped_weights_find_objects() -> None:
    found = measure(scenes=25, splits=("val",))["val"]
    assert found["mean_best_iou"] > 0.7 and found["recall_50"] > 0.85
