"""The measured effects: intervals, what is reached, and every quick group of rows on a few scenes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zsris_viz import doctor
from zsris_viz.errors import InvalidInputError
from zsris_viz.miniature.__main__ import main
from zsris_viz.miniature.training import measure_effects
from zsris_viz.miniature.training.effects import Effect, ratio_interval


def test_an_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).normal(3.0, 1.0, size=2000)
    value, low, high = ratio_interval(values, np.ones(2000), 10)
    assert value == pytest.approx(10 * values.mean())
    assert (
        low is not None
        and high is not None
        and (high - low) / 2 == pytest.approx(10 * 1.96 * values.std() / 2000**0.5, rel=0.1)
    )


def test_what_is_reached() -> None:
    assert Effect("a", "val", 70.0, 60.0, 80.0, 10, "%", 75).reached is False
    assert Effect("a", "val", 75.0, 60.0, 80.0, 10, "%", 75).reached is True
    assert Effect("a", "val", 3.0, -1.0, 7.0, 10, "points", 0.0).reached is False
    assert Effect("a", "val", 3.0, 0.5, 7.0, 10, "points", 0.0).reached is True
    assert Effect("a", "", 41.0, None, None, 0, "MB", most=40).reached is False
    assert Effect("a", "val", 3.0, None, None, 10, "points", 0.0).reached is None
    assert ratio_interval([1.0, 2.0], [2.0, 2.0]) == (0.75, None, None)
    row = Effect("a", "val", 3.0, 0.5, 7.0, 10, "points", 0.0)
    assert row.text() == "a (val, 10): +3.0 [+0.5, +7.0] points; interval above 0: reached"
    assert Effect("a", "val", 70.0, 60.0, 80.0, 10, "%").text() == "a (val, 10): 70.0 [60.0, 80.0] %"


def test_groups_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(measure_effects, "CHOOSE_ON", 2)
    output = tmp_path / "rows.json"
    groups = ["choices", "maps", "pairs", "size"]
    options = ["--rows", *groups, "--splits", "val", "--scenes", "3", "--output", str(output)]
    assert main(["measure", "effects", *options]) == 0
    rows = json.loads(output.read_text())
    printed = capsys.readouterr().out
    assert all(row["name"] in printed and row["command"] in printed for row in rows)
    names = {row["name"] for row in rows}
    assert {"Global-Local, all types", "global alone, all types", "minimal pairs, size"} <= names
    assert {row["scenes"] for row in rows if row["split"]} == {3}
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows if row["low"] is not None)
    with pytest.raises(InvalidInputError, match="unknown rows: none"):
        measure_effects.measure(["none"])


def test_the_doctor_warns_of_rows_that_are_surely_below(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Effect("good", "val", 80.0, 70.0, 90.0, 9, "%", 75), Effect("unsure", "val", 70.0, 60.0, 80.0, 9, "%", 75)]
    rows += [Effect("bad", "val", 50.0, 40.0, 60.0, 9, "%", 75, command="command --rows a --scenes 9")]
    monkeypatch.setattr(measure_effects, "measure", lambda **_options: rows)
    checks = list(doctor.measure_models())
    assert [check.status for check in checks] == ["ok", "ok", "warning"]
    assert (checks[2].remedy or "").endswith("command --rows a")
