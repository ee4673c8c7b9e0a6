"""The sentence of a comparison claims no more than its interval shows."""

from __future__ import annotations

import math

import pytest

from zsris_viz.evaluation import Comparison


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 0.05, "a is 3.0 points of mIoU above B (95 % interval +1.0 to +5.0, 90 expressions on 40 images)."),
        (-0.01, 0.05, "+5.0, 90 expressions on 40 images); the interval contains 0, so this sample does not show"),
        (math.nan, math.nan, "above B (90 expressions on 40 images, too few images for an interval)."),
    ],
)
def test_sentence(low: float, high: float, expected: str) -> None:
    comparison = Comparison("miou", "a", "b", 0.03, low, high, 0.01, 90, 40)
    assert expected in comparison.sentence(b="B")


def test_sentence_of_a_loss() -> None:
    assert "a is 3.0 points of Pr@0.5 below b" in Comparison("accuracy_50", "a", "b", -0.03, -1, 0, 1, 9, 30).sentence()


def test_sentence_of_no_difference() -> None:
    found = Comparison("miou", "a", "b", 0.0, -0.01, 0.01, 1, 9, 30).sentence()
    assert found.startswith("a and b have the same mIoU (95 % interval -1.0 to +1.0")
