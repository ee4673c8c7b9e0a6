"""The miniature's RISCLIP: its recipe, its card and its ablation, on trainings of a few steps."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from zsris_viz.io.hashing import file_hash
from zsris_viz.methods.global_local import GlobalLocal
from zsris_viz.methods.risclip.config import Training, checked
from zsris_viz.miniature.training import ablate_risclip, risclip_card, train_risclip
from zsris_viz.miniature.world.words import NOUNS
from zsris_viz.models import load_clip

KINDS = {"all": 80.0, "noun": 90.0, "colour": 85.5}
TINY: dict[str, Any] = {
    "cfe_layers": [5], "cfe_width": 8, "cfe_heads": 2, "ske_layers": 1, "ske_width": 16, "ske_heads": 2,
    "decoder_width": 8, "decoder_layers": [0], "cells": 2, "patch_features": "values",
}  # fmt: skip


def test_the_recipe_is_a_training() -> None:
    options = checked(Training, train_risclip.recipe(), "the recipe")
    assert options.data.split == "train" and options.validation is not None and options.clip == "miniature"
    changed = train_risclip.recipe(steps={"align": 1}, seed=3)
    assert changed["steps"] == {**train_risclip.RECIPE["steps"], "align": 1} and changed["seed"] == 3
    assert train_risclip.RECIPE["steps"]["align"] != 1  # the recipe itself stays


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe with the smallest parts."""
    small = {**train_risclip.RECIPE, "architecture": TINY, "batch": 2, "expressions": 2, "log_every": 1}
    small |= {"validation": {"split": "val", "limit": 1}, "steps": {"align": 2, "decode": 1, "joint": 2}}
    monkeypatch.setattr(train_risclip, "RECIPE", small)


@pytest.mark.usefixtures("tiny")
def test_train_and_ship(tmp_path: Path) -> None:
    run, folder = tmp_path / "run", tmp_path / "shipped"
    cache = tmp_path / "cache"
    train_risclip.main(["--run", str(run), "--limit", "3", "--cache", str(cache)])
    found = {"by_kind": KINDS, "miou": 80.0, "miou_low": 78.1, "miou_high": 82.0, "oiou": 79.0, "accuracy_50": 88.0}
    figures = {
        "scenes": 500,
        "risclip": {"val": found, "test": found},
        "steps": {name: {"pointing": 50.0, "ranked": 60.0} for name in ("clip", "cfe", "ske", "mask")},
        "readout": {"0": 12.0, "1": 25.2, "values": 55.3, "most": 9.0},
        "zero_shot": {
            "proposals": "sam", "images": 100, "upper_bound": 84.0,
            "methods": {"cropping": {"all": 50.0}, "global-local": {"all": 61.5, "noun": 70.0}},
        },
        "risclip_same_scenes": found,
    }  # fmt: skip
    (tmp_path / "figures.json").write_text(json.dumps(figures))
    risclip_card.main(["--run", str(run), "--figures", str(tmp_path / "figures.json"), "--folder", str(folder)])
    text = (folder / "README.md").read_text()
    assert file_hash(folder / "model.safetensors") in text
    assert "| val | 90.0 | 85.5 | – | – | – | – | 80.0 | 78.1 to 82.0 | 79.0 | 88.0 |" in text
    assert "| points above the best zero-shot method (global-local) | 10 | +18.5 |" in text
    assert "| mIoU on val, all kinds | 75 | 80.0 |" in text
    assert str(tmp_path) not in text + (folder / "config.yaml").read_text() + str(
        (folder / "model.safetensors").read_bytes()
    )
    # What was shipped is a checkpoint that the built-in tower takes, and a recipe that can be run again.
    from zsris_viz import load_clip
    from zsris_viz.methods.risclip import load_model, read_training

    assert load_model(folder / "model.safetensors", load_clip("miniature", device="cpu")).architecture.cells == 2
    assert read_training(folder / "config.yaml").steps.align == 2


def test_trials_share_one_budget() -> None:
    found = ablate_risclip.trials(2000)
    names = [trial.variant for trial in found]
    assert len(set(names)) == len(names) and names[0] == ablate_risclip.WHOLE
    assert [trial.variant for trial in found if trial.study == "images"] == [
        f"{shots} images" for shots in (16, 64, 256, 1024)
    ]
    assert set(ablate_risclip.UNSEEN) < set(NOUNS) and len(ablate_risclip.UNSEEN) == 5
    for total in (7, 100, 1001):
        for one_stage in (False, True):
            steps = ablate_risclip.split_steps(total, one_stage=one_stage)
            assert sum(steps.values()) == total and (steps["align"] == 0) == one_stage


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_an_ablation_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablate_risclip, "recipe", train_risclip.recipe)
    options = {"steps": 3, "images": 20, "tested": 2, "proposals": "felzenszwalb"}
    rows = ablate_risclip.ablate(tmp_path, **options)
    studies = {row["study"] for row in rows}
    assert studies == {"zero-shot", "parts", "images", "nouns"}
    whole = [row for row in rows if row["variant"] == ablate_risclip.WHOLE]
    assert {row["tested"] for row in whole} <= set(ablate_risclip.GROUPS) and whole[0]["images"] == 20
    with (tmp_path / "ablation.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == len(rows)
    monkeypatch.setattr(ablate_risclip, "run_trial", None)  # nothing is left to do
    assert len(ablate_risclip.ablate(tmp_path, **options)) == len(rows)


def test_rivals_have_the_settings_of_the_data_set() -> None:
    clip = load_clip("miniature")
    (row,) = ablate_risclip.measure(["global-local"], 6, ["all"], "ground-truth", clip)
    tuned = GlobalLocal.for_dataset("scenes")
    (same,) = ablate_risclip.measure({"tuned": tuned}, 6, ["all"], "ground-truth", clip)
    (other,) = ablate_risclip.measure({"other": GlobalLocal()}, 6, ["all"], "ground-truth", clip)
    assert row["miou"] == same["miou"] != other["miou"]
