"""Measured beside published: where the points stand, and how paired differences are drawn."""

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
        "dataset": "refcoco",
        "split": "val",
        "split_by": "unc",
        "metric": "mIoU",
        "measured": [40.0, np.nan],
        "low": [35.0, np.nan],
        "high": [44.0, np.nan],
        "published": [30.0, 20.0],
        "n": [90.0, np.nan],
        "images": [30.0, np.nan],
        "measured_on": "refcoco val",
        "note": ["", "no weights"],
        **columns,
    }
    return pd.DataFrame(table)


def pairs(**columns: Any) -> pd.DataFrame:
    table = {"line": ["a", "b"], "dataset": "refcoco", "split": "val", "difference": [3.0, -2.0], "low": [1.0, -5.0]}
    return pd.DataFrame({**table, "high": [5.0, 1.0], "p_holm": [0.01, 0.4], "n": 90, **columns})


def points(axes: Any) -> set[tuple[float, float]]:
    return {
        (float(x), float(y))
        for line in axes.lines
        if line.get_marker() == "o"
        for x, y in zip(*line.get_data(), strict=True)
    }


def filled(axes: Any) -> dict[float, bool]:
    """Return for each point of differences whether it is filled."""
    marks = [line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())]
    return {float(line.get_xdata()[0]): line.get_markerfacecolor() != "white" for line in marks}


def test_both_points_of_a_row_its_interval_and_its_number() -> None:
    figure = show_comparison(frame(), "mIoU", title="T")
    (axes,) = figure.axes
    assert points(axes) == {(40.0, 0.0), (30.0, 0.0), (20.0, 1.0)}
    assert [text.get_text() for text in axes.texts] == ["not measured"]
    spans = [line.get_data() for line in axes.lines if line.get_marker() != "o"]
    assert sorted(map(list, (span[0] for span in spans))) == [[35.0, 44.0], [40.0, 30.0]]
    assert axes.get_title(loc="left") == "refcoco val\nn = 90 (30 images)"
    with pytest.raises(InvalidInputError, match="mIoU"):
        show_comparison(frame(), "oIoU")


def test_every_measured_column_has_a_panel() -> None:
    table = frame(line="a", split=["val", "testA"], measured=[40.0, 50.0], n=[90.0, 70.0], images=30.0)
    first, second = show_comparison(table, "mIoU").axes
    assert points(first) == {(40.0, 0.0), (30.0, 0.0)} and points(second) == {(50.0, 0.0), (20.0, 0.0)}
    partly = frame(line="a", split=["val", "testA"])  # the second column was not measured
    assert [points(axes) for axes in show_comparison(partly, "mIoU").axes] == [{(40.0, 0.0), (30.0, 0.0)}]
    unmeasured = frame(line="a", split=["val", "testA"], measured=np.nan)
    (axes,) = show_comparison(unmeasured, "mIoU").axes
    assert points(axes) == {(25.0, 0.0)} and axes.get_title(loc="left") == "published only"


def test_a_row_without_any_number_is_left_out() -> None:
    (axes,) = show_comparison(frame(published=[30.0, np.nan]), "mIoU").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a"]


def test_differences_are_filled_where_they_are_clear_after_the_correction() -> None:
    _, right = show_comparison(
        frame(measured=[40.0, 42.0], n=90.0, images=30.0), "mIoU", pairs=pairs(), reference="b"
    ).axes
    assert filled(right) == {3.0: True, -2.0: False}
    names = {label.get_text(): label.get_fontweight() for label in right.figure.axes[0].get_yticklabels()}
    assert names == {"a": "normal", "b": "bold"}


def test_a_sweep_is_a_curve_over_numbers_and_rows_over_names() -> None:
    measured = {"measured": [40.0, 42.0], "n": 90.0, "images": 30.0}
    numbers = show_ablation(frame(line=["0.5", "1"], **measured), "mIoU", varied="alpha")
    assert numbers.axes[0].lines[0].get_data()[0].tolist() == [0.5, 1] and numbers.axes[0].get_xlabel() == "alpha"
    names = show_ablation(frame(**measured), "mIoU", varied="terms")
    assert points(names.axes[0]) == {(40.0, 0.0), (42.0, 1.0), (30.0, 0.0), (20.0, 1.0)}
    with pytest.raises(InvalidInputError, match="no weights"):
        show_ablation(frame(measured=np.nan, note="no weights"), "mIoU", varied="x")


def test_a_sweep_with_groups_has_a_curve_for_each_and_places_for_names() -> None:
    lines = ["1, negated", "2, negated", "avg, negated", "1, as it is", "2, as it is", "avg, as it is"]
    table = pd.concat([frame(measured=[40.0, 41.0], n=90.0, images=30.0)] * 3, ignore_index=True).assign(line=lines)
    differences = pd.concat([pairs()] * 3, ignore_index=True).assign(line=lines).query("line != '2, negated'")
    options = {"varied": "layer", "pairs": differences, "reference": "2, negated"}
    left, right = show_ablation(table, "mIoU", **options).axes
    curves = [line for line in left.lines if len(line.get_xdata()) == 3]
    assert [line.get_label() for line in curves] == ["negated", "as it is"]
    assert curves[0].get_xdata().tolist() == [1, 2, 3.5]
    assert [label.get_text() for label in left.get_xticklabels()] == ["1", "2", "avg"]
    assert len(points(right)) == 5 and len({line.get_color() for line in curves}) == 2
