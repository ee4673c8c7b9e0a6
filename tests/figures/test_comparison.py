"""Measured beside published: where the points stand, and what is said of rows that were not measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures import show_ablation, show_comparison


def frame(**columns: Any) -> pd.DataFrame:
    """Rows "a" and "b" on one column, "b" not measured."""
    table = {
        "line": ["a", "b"],
        "metric": "mIoU",
        "measured": [40.0, np.nan],
        "low": [35.0, np.nan],
        "high": [44.0, np.nan],
        "published": [30.0, 20.0],
        "note": ["", "no weights"],
        **columns,
    }
    return pd.DataFrame(table)


def points(figure: Any) -> set[tuple[float, float]]:
    lines = figure.axes[0].lines
    return {
        (float(x), float(y))
        for line in lines
        if line.get_marker() == "o"
        for x, y in zip(*line.get_data(), strict=True)
    }


def test_both_points_of_a_row_and_the_reason_of_another() -> None:
    figure = show_comparison(frame(), "mIoU", title="T")
    assert points(figure) == {(40.0, 0.0), (30.0, 0.0), (20.0, 1.0)}
    assert [text.get_text() for text in figure.axes[0].texts] == ["not measured: no weights"]
    spans = [line.get_data() for line in figure.axes[0].lines if line.get_marker() != "o"]
    assert sorted(map(list, (span[0] for span in spans))) == [[35.0, 44.0], [40.0, 30.0]]
    with pytest.raises(InvalidInputError, match="mIoU"):
        show_comparison(frame(), "oIoU")


def test_several_columns_are_averaged_over_what_was_measured() -> None:
    table = frame(line="a", measured=[40.0, 50.0], published=[30.0, np.nan])
    assert points(show_comparison(table, "mIoU")) == {(45.0, 0.0), (30.0, 0.0)}
    partly = frame(line="a")  # the second column was not measured: its published number would not be comparable
    assert points(show_comparison(partly, "mIoU")) == {(40.0, 0.0), (30.0, 0.0)}


def test_a_sweep_is_a_curve_over_numbers_and_bars_over_names() -> None:
    numbers = show_ablation(frame(line=["0.5", "1"], measured=[40.0, 42.0]), "mIoU", varied="alpha")
    assert numbers.axes[0].lines[0].get_data()[0].tolist() == [0.5, 1] and numbers.axes[0].get_xlabel() == "alpha"
    names = show_ablation(frame(measured=[40.0, 42.0]), "mIoU", varied="terms")
    assert [patch.get_width() for patch in names.axes[0].patches] == [40, 42]
    with pytest.raises(InvalidInputError, match="no weights"):
        show_ablation(frame(measured=np.nan, note="no weights"), "mIoU", varied="x")
