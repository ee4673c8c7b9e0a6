"""Maps, bars, curves and tables: scales and numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from zsris_viz import figures
from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.map_pooling import upsample

IMAGE = Image.new("RGB", (12, 8), "white")
LOW, HIGH = np.full((2, 3), 0.1), np.array([[0.2, 0.4, 0.6], [0.8, 1.0, 0.2]])


def drawn(axis: object) -> object:
    """The map of an axis: the layer over the picture."""
    return axis.images[1]  # type: ignore[attr-defined]


def test_maps_share_one_scale_unless_asked() -> None:
    fig = figures.show_maps(IMAGE, {"low": LOW, "high": HIGH}, with_image=False)
    assert [drawn(axis).get_clim() for axis in fig.axes[:2]] == [(pytest.approx(0.1), pytest.approx(1.0))] * 2
    fig = figures.show_maps(IMAGE, {"low": LOW, "high": HIGH}, with_image=False, scale="each")
    assert [drawn(axis).get_clim() for axis in fig.axes[:2]] == [pytest.approx((-0.4, 0.6)), pytest.approx((0.2, 1.0))]
    assert "each map by itself" in fig.axes[-1].get_ylabel()


def test_a_centre_makes_the_scale_symmetric_and_limits_win() -> None:
    fig = figures.show_maps(IMAGE, {"a": HIGH - 0.5}, with_image=False, centre=0)
    assert drawn(fig.axes[0]).get_clim() == pytest.approx((-0.5, 0.5))
    assert drawn(fig.axes[0]).get_cmap().name == "RdBu_r"
    fig = figures.show_maps(IMAGE, {"a": HIGH}, with_image=False, centre=0, limits=(-3, 3))
    assert drawn(fig.axes[0]).get_clim() == (-3, 3)


def test_a_map_is_drawn_as_methods_average_it() -> None:
    grid = torch.from_numpy(HIGH).float()
    fig = figures.show_maps(IMAGE, {"smooth": grid}, with_image=False)
    assert np.allclose(drawn(fig.axes[0]).get_array(), upsample(grid, (8, 12)).numpy())
    fig = figures.show_maps(IMAGE, {"cells": grid}, with_image=False, smooth=False)
    assert drawn(fig.axes[0]).get_array().shape == (2, 3)
    assert drawn(fig.axes[0]).get_extent() == [-0.5, 11.5, 7.5, -0.5]


def test_map_grid_has_one_scale_and_leaves_gaps_empty() -> None:
    fig = figures.show_map_grid({"x": IMAGE, "y": IMAGE}, {"x": {"a": LOW, "b": HIGH}, "y": {"b": LOW}})
    clims = {drawn(axis).get_clim() for axis in fig.axes[:6] if len(axis.images) > 1}
    assert len(clims) == 1 and not fig.axes[4].axison
    assert [axis.get_title(loc="left") for axis in fig.axes[:3]] == ["x", "a", "b"]


def test_wrong_maps_are_errors() -> None:
    with pytest.raises(InvalidInputError, match=r"rows, columns"):
        figures.show_maps(IMAGE, {"a": np.zeros((1, 2, 3))})
    with pytest.raises(InvalidInputError, match="shared"):
        figures.show_maps(IMAGE, {"a": LOW}, scale="own")
    with pytest.raises(InvalidInputError, match="no map"):
        figures.show_maps(IMAGE, {})
    with pytest.raises(InvalidInputError, match="no image"):
        figures.show_map_grid({"x": IMAGE}, {"z": {"a": LOW}})


FRAME = pd.DataFrame(
    {
        "method": ["a", "b", "a"],
        "split": ["val", "val", "testA"],
        "miou": [50.0, 60.0, 70.0],
        "low": [45.0, 58.0, 60.0],
        "high": [56.0, 63.0, 75.0],
    }
)


def test_bars_have_their_heights_and_whiskers() -> None:
    fig = figures.bars_with_intervals(FRAME[:2], "method", "miou", low="low", high="high", reference={"chance": 26})
    (ax,) = fig.axes
    assert [bar.get_height() for bar in ax.patches] == [50, 60]
    segments = ax.collections[0].get_segments()
    assert [(part[0][1], part[1][1]) for part in segments] == [(45, 56), (58, 63)]
    assert ax.lines[-1].get_ydata()[0] == 26 and [text.get_text() for text in ax.texts] == ["50.0", "60.0"]


def test_bars_by_hue_leave_missing_ones_out() -> None:
    fig = figures.bars_with_intervals(FRAME, "method", "miou", hue="split", horizontal=True)
    (ax,) = fig.axes
    widths = [bar.get_width() for bar in ax.patches]
    assert widths[:3] == [50, 60, 70] and np.isnan(widths[3])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["val", "testA"]
    assert ax.get_xlabel() == "miou"


def test_wrong_tables_are_errors() -> None:
    with pytest.raises(InvalidInputError, match="no column oiou"):
        figures.bars_with_intervals(FRAME, "method", "oiou")
    with pytest.raises(InvalidInputError, match="several rows"):
        figures.bars_with_intervals(FRAME, "method", "miou")
    with pytest.raises(InvalidInputError, match="no number"):
        figures.heat_table(pd.DataFrame({"a": [np.nan]}))


def test_curves_are_sorted_and_marked() -> None:
    frame = pd.DataFrame({"k": [3, 1, 2], "miou": [30.0, 10.0, 20.0], "low": [29, 9, 19], "high": [31, 11, 21]})
    fig = figures.curves(frame, "k", "miou", low="low", high="high", reference={"chance": 5}, mark={"default": 2})
    (ax,) = fig.axes
    assert ax.lines[0].get_xydata().tolist() == [[1, 10], [2, 20], [3, 30]]
    assert len(ax.collections) == 1 and [text.get_text().strip() for text in ax.texts] == ["default"]


def test_heat_table_writes_every_number_and_frames_the_best() -> None:
    frame = pd.DataFrame([[1.0, 2.5], [3.25, np.nan]], index=["g", "l"], columns=["s", "np"])
    ax = figures.heat_table(frame, limits=(0, 5)).axes[0]
    assert [text.get_text() for text in ax.texts] == ["1.0", "2.5", "3.2"]
    assert ax.images[0].get_clim() == (0, 5)
    assert ax.patches[0].get_xy() == (-0.47, 0.53)
    rows = figures.heat_table(frame, mark_best="rows").axes[0].patches
    assert [frame.get_xy() for frame in rows] == [(0.53, -0.47), (-0.47, 0.53)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["g", "l"]


def test_style_sets_colours_for_all_eyes() -> None:
    import matplotlib as mpl

    with mpl.rc_context():
        figures.style(2)
        assert mpl.rcParams["font.size"] == 18
        assert mpl.colors.to_hex(mpl.rcParams["axes.prop_cycle"].by_key()["color"][0]) == "#e69f00"
