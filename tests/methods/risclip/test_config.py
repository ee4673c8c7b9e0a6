"""Settings: read from YAML, refused by name when they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.methods.risclip.config import Architecture, Training, checked, read_training


def test_what_a_file_leaves_out_is_default(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("rate: 0.01\narchitecture: {cfe_layers: [2, 4], ske_layers: 1}\ndata: {limit: 5}\n")
    read = read_training(file)
    assert read.rate == 0.01 and read.architecture.cfe_layers == (2, 4) and read.data.limit == 5
    assert read.batch == Training().batch and read.data.split == "train"
    file.write_text("")
    assert read_training(file) == Training()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rat: 0.01", r"rat is no setting; a training has clip, .*rate"),
        ("architecture: {ske_depth: 3}", r"architecture.ske_depth is no setting; architecture has .*ske_layers"),
        ("validation: {splitt: val}", r"validation.splitt is no setting; validation has .*split"),
        ("batch: many", r"batch: .*integer.*'many' was given"),
        ("batch: 0", "batch: .*greater than or equal to 1"),
        ("architecture: {cfe_width: 10, cfe_heads: 4}", "cfe_width=10 does not divide into cfe_heads=4"),
        ("precision: fp8", "precision: .*'no', 'bf16' or 'fp16'"),
        ("- a list", "a mapping of settings is needed"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(CorruptFileError if text == "a: [" else InvalidInputError, match=message):
        read_training(file)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="--show-config"):
        read_training(tmp_path / "a.yaml")


def test_an_architecture_survives_json() -> None:
    read = Architecture(cfe_layers=(2, 4), patch_features="values")
    assert Architecture.model_validate_json(read.model_dump_json()) == read
    with pytest.raises(InvalidInputError, match="somewhere: cells"):
        checked(Architecture, {"cells": 0}, "somewhere")
