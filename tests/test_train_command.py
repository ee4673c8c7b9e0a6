"""`zsris train risclip`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from zsris_viz.cli import app

SMALL = """
clip: miniature
device: cpu
threads: 1
architecture: {cfe_layers: [5], cfe_width: 8, ske_layers: 1, ske_width: 16, decoder_width: 8, cells: 2}
data: {dataset: scenes, split: train, limit: 3}
validation: {split: val, limit: 1}
steps: {align: 1, decode: 1, joint: 1}
batch: 2
expressions: 2
"""


def run(*words: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["train", "risclip", *words])
    return found.exit_code, found.stdout, found.stderr


def test_settings_can_be_shown_and_read_back(tmp_path: Path) -> None:
    code, text, _ = run("--show-config")
    assert code == 0 and yaml.safe_load(text)["steps"]["align"] > 0
    file = tmp_path / "a.yaml"
    file.write_text(text)
    assert run("--config", str(file), "--show-config")[1] == text


def test_bad_calls_say_what_to_do(tmp_path: Path) -> None:
    code, _, errors = run()
    assert code == 2 and "--show-config" in errors
    code, _, errors = run("--config", str(tmp_path / "no.yaml"))
    assert code == 2 and "there is no settings file" in errors
    file = tmp_path / "a.yaml"
    file.write_text("stepz: 3")
    code, _, errors = run("--config", str(file))
    assert code == 2 and "stepz is no setting" in errors and "Traceback" not in errors


def test_a_training(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(SMALL)
    code, text, errors = run("--config", str(file), "--output", str(tmp_path / "run"), "--json")
    assert code == 0, errors
    result = json.loads(text)
    assert result["steps"] == 3 and 0 <= result["val_miou"] <= 100 and "stage align" in errors
    assert Path(result["checkpoint"]) == tmp_path / "run" / "model.safetensors"
    code, _, errors = run("--config", str(file), "--output", str(tmp_path / "run"))
    assert code == 0
    file.write_text(SMALL.replace("batch: 2", "batch: 1"))
    code, _, errors = run("--config", str(file), "--output", str(tmp_path / "run"))
    assert code == 2 and "other settings (batch)" in errors


@pytest.mark.parametrize("words", [["train", "--help"], ["train", "risclip", "--help"]])
def test_help(words: list[str]) -> None:
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0 and "risclip" in found.stdout.lower()
