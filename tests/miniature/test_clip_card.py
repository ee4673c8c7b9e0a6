"""The model card holds the measured figures and nothing else."""

import dataclasses
import json

import pytest

from zsris_viz.io.hashing import file_hash
from zsris_viz.miniature.training.clip_card import best_map, main
from zsris_viz.miniature.training.effects import Effect

ROW = {"noun": 90.0, "colour": 80.0, "size": 40.0, "position": 30.0, "relation": 20.0, "ordinal": 10.0, "all": 55.5}


@pytest.fixture
def figures():
    names = ("chance", "crop, short", "crop", "global", "global-local", "score map")
    rows = dict.fromkeys(names, ROW)
    rows |= {"patch map layer 1": ROW | {"all": 30.0}, "patch map layer 1 shuffled": ROW | {"all": 25.0}}
    rows |= {
        "patch map negated layer 1": ROW | {"all": 44.0},
        "patch map negated layer 1 shuffled": ROW | {"all": 26.0},
    }
    return {"alpha": 0.85, "scenes": 500, "choices": {"val": rows}, "minimal_pairs": {"noun": 99.0, "size": 71.5}}


def test_the_best_map_is_the_one_that_gains_most(figures):
    assert best_map(figures["choices"]["val"]) == ("patch map negated layer 1", 18.0)
    assert best_map({"crop": ROW}) is None


@pytest.mark.parametrize("model", ["clip", "clip-rn"])
def test_a_card(tmp_path, figures, model):
    weights = tmp_path / "run" / "weights"
    weights.mkdir(parents=True)
    (weights / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "run" / "log.csv").write_text("step\n1\n")
    training = {
        "images": 1000,
        "decay_images": 100,
        "kept_patches": 0.25,
        "began_with": {"sha256": "abc"},
        "steps": 10,
        "batch": 100,
        "seconds": 60,
        "threads": 1,
        "seed": 0,
        "peak_learning_rate": 0.001,
        "note": "One thing was different.",
    }
    (tmp_path / "run" / "training.json").write_text(json.dumps(training))
    (tmp_path / "figures.json").write_text(json.dumps(figures))
    effect = Effect("CoPatch over Global-Local", "val", 1.9, -0.5, 4.4, 500, "points", 0.0, command="measure effects")
    (tmp_path / "effects.json").write_text(json.dumps([dataclasses.asdict(effect)]))
    folder = tmp_path / "shipped"
    main(
        [
            "--model",
            model,
            "--run",
            str(tmp_path / "run"),
            "--figures",
            str(tmp_path / "figures.json"),
            "--effects",
            str(tmp_path / "effects.json"),
            "--folder",
            str(folder),
        ]
    )
    text = (folder / "README.md").read_text()
    assert file_hash(weights / "model.safetensors") in text and "1,000 pictures" in text
    assert "One thing was different." in text
    assert "CoPatch over Global-Local (val, 500): +1.9 [-0.5, +4.4] points; interval above 0: not reached" in text
    assert "| crop | 90.0 | 80.0 | 40.0 | 30.0 | 20.0 | 10.0 | 55.5 |" in text
    assert "44.0 over all kinds, +18.0 points" in text
    assert ("| minimal pairs, size | 70 | 71.5 |" in text) == (model == "clip")
    assert (folder / "training.csv").exists() and (folder / "model.safetensors").read_bytes() == b"weights"
