"""Bars of outcomes: their lengths are the shares, and small groups are left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation import OUTCOMES
from zsris_viz.figures import role, show_differences, show_outcomes


def test_a_bar_is_cut_into_shares() -> None:
    frame = pd.DataFrame({
        "kind": ["noun", "noun", "size", "size", "colour", "colour"],
        "outcome": ["right", "wrong class"] * 3,
        "share": [75.0, 25, 100, 0, np.nan, np.nan],
        "n": [20, 20, 10, 10, 4, 4],
    })  # fmt: skip
    axes = show_outcomes(frame, "kind").axes[0]
    bars = [[(bar.get_x(), bar.get_width()) for bar in container] for container in axes.containers]
    assert bars == [[(0, 75), (0, 100)], [(75, 25), (100, 0)]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["noun (n = 20)", "size (n = 10)"]
    assert [text.get_text() for text in axes.texts] == ["75", "100", "25", ""]
    with pytest.raises(InvalidInputError, match="fewer than 10"):
        show_outcomes(frame.query("kind == 'colour'"), "kind")


def test_every_outcome_has_its_own_colour() -> None:
    assert len({role(outcome).colour for outcome in OUTCOMES}) == len(OUTCOMES)


def test_a_filled_point_has_a_small_p_value() -> None:
    frame = pd.DataFrame({
        "method": ["a", "b"], "difference": [2.0, -1.0], "low": [1.0, np.nan], "high": [3.0, np.nan],
        "p_holm": [0.0004, 0.06], "n": [50, 9],
    })  # fmt: skip
    axes = show_differences(frame, "method", xlabel="points").axes[0]
    fills = {line.get_xdata()[0]: line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"}
    assert fills[-1.0] == "white" != fills[2.0]
    assert [text.get_text() for text in axes.texts] == ["p < 0.001", "p = 0.060"]
    with pytest.raises(InvalidInputError, match="no comparison"):
        show_differences(frame[:0], "method", xlabel="points")
