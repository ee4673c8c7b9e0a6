"""The grid of choices."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures import TRUTH, Choices, show_choices


def box(left: int, right: int) -> np.ndarray:
    mask = np.zeros((8, 8), dtype=bool)
    mask[2:6, left:right] = True
    return mask


def test_columns_are_the_union_and_right_choices_are_framed() -> None:
    image = Image.new("RGB", (8, 8), "white")
    rows = [
        Choices(image, "left box", box(0, 4), {"a": box(0, 4), "b": box(4, 8)}),
        Choices(image, "right box", box(4, 8), {"b": None, "c": box(3, 7)}),
    ]
    axes = np.array(show_choices(rows).axes).reshape(2, 4)
    titles = [[axis.get_title(loc="left") or axis.get_title() for axis in line] for line in axes]
    assert titles[0] == ["left box", "a\nIoU 1.00", "b\nIoU 0.00", ""]
    assert titles[1] == ["right box", "", "IoU 0.00", "c\nIoU 0.60"]
    assert not axes[0, 3].axison and not axes[1, 1].axison
    framed = [[axis.axison and axis.spines["left"].get_visible() for axis in line[1:]] for line in axes]
    assert framed == [[True, False, False], [False, False, True]]
    assert axes[0, 1].spines["left"].get_edgecolor()[:3] == pytest.approx(
        tuple(int(TRUTH[place : place + 2], 16) / 255 for place in (1, 3, 5))
    )


def test_no_row_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="at least one"):
        show_choices([])
