"""Painted pixels and SVG: colours where they belong, valid and escaped text, keys to click."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from zsris_viz.explorers import svg as drawings
from zsris_viz.explorers.clickable import Clickable
from zsris_viz.explorers.raster import Canvas, colour_bar, markup, number

WHITE = Image.new("RGB", (40, 20), "white")


@pytest.fixture
def canvas():
    return Canvas(WHITE, side=80)


def test_pictures_have_the_wanted_side(canvas):
    assert canvas.size == (40, 80) and canvas.plain().shape == (40, 80, 3)
    assert Canvas(Image.new("RGB", (900, 3)), 300).size == (1, 300)


@pytest.mark.parametrize("diverging", [False, True])
def test_heat_has_the_scales_colours_over_the_grey_image(canvas, diverging):
    painted = canvas.heat(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), (0.0, 1.0), diverging=diverging)
    scale = matplotlib.colormaps["RdBu_r" if diverging else "viridis"]
    for column, value in ((0, 0.0), (79, 1.0)):
        expected = 255 * (0.25 + 0.75 * np.array(scale(value)[:3]))
        assert np.abs(painted[10, column].astype(float) - expected).max() < 3
    halves = canvas.heat(torch.tensor([[5.0]]), (5.0, 5.0))
    assert len(np.unique(halves.reshape(-1, 3), axis=0)) == 1  # equal ends: one colour
    assert canvas.heat(torch.tensor([[float("nan"), 1.0]]), (0, 1)).shape == (40, 80, 3)


def test_masks_are_enlarged_by_nearest_pixel(canvas):
    mask = np.zeros((20, 40), dtype=bool)
    mask[5:10, 8:20] = True
    assert np.array_equal(canvas.at_size(mask), np.kron(mask, np.ones((2, 2), dtype=bool)))


def test_tints_and_outlines_stay_where_the_mask_is(canvas):
    mask = torch.zeros(20, 40, dtype=torch.bool)
    mask[5:15, 10:30] = True
    inside = canvas.at_size(mask)
    tinted = canvas.tint(canvas.plain(), mask, "#0000ff", 0.5)
    assert (tinted[~inside] == 255).all() and (tinted[inside] == (127, 127, 255)).all()
    black = np.zeros_like(canvas.plain())
    lined = canvas.outline(black, mask, "#ff0000")
    assert (lined[10, 20] == (255, 0, 0)).all() and (lined[9, 20] == 255).all() and (lined[12, 22] == 0).all()
    assert (canvas.outline(black, ~torch.zeros_like(mask), "#ff0000")[0, 0] == (255, 0, 0)).all()
    dashed = canvas.outline(black, mask, "#ff0000", dashed=True)
    assert 0 < (dashed == (255, 0, 0)).all(-1).sum() < (lined == (255, 0, 0)).all(-1).sum()
    assert not black.any()  # nothing is painted in place


def test_a_frame_surrounds_its_cell(canvas):
    framed = canvas.frame(canvas.plain(), (0, 1), (2, 4), "#ff0000")
    red = (framed == (255, 0, 0)).all(-1)
    rows, columns = np.nonzero(red)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 19, 20, 39)


def test_markup_is_a_picture_with_an_escaped_title(canvas):
    made = markup(canvas.plain(), 'a "<b>"', key="image")
    source = re.search(r'src="data:image/jpeg;base64,([^"]+)"', made)
    assert source and Image.open(io.BytesIO(base64.b64decode(source.group(1)))).size == (80, 40)
    assert "<b>" not in made and 'data-key="image"' in made
    assert "data-key" not in markup(canvas.plain(), "x")
    assert "-0.500" in colour_bar((-0.5, 0.5)) and "rgb(" in colour_bar((0, 1), diverging=True)


def test_numbers_are_short():
    assert [number(value) for value in (0, 0.25, -12.3456, 0.00012345, 12345.0)] == [
        "0.000",
        "0.250",
        "-12.346",
        "0.000123",
        "1.23e+04",
    ]


def keys(svg: str) -> list[str]:
    return [part.get("data-key", "") for part in ElementTree.fromstring(svg).iter() if part.get("data-key")]


def test_the_curve_has_a_key_for_each_place_and_leaves_gaps_out():
    made = drawings.curve([1, 2, 3], {"a & b": [0.1, None, 0.3]}, cursor=2, colours=["#ff0000"])
    assert keys(made) == ["1", "2", "3"]
    root = ElementTree.fromstring(made)
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}circle")) == 2
    titles = [part.text for part in root.iter(f"{space}title")]
    assert titles == ["layer 1: a & b 0.100", "layer 2: no value", "layer 3: a & b 0.300"]
    heights = [float(part.get("cy", 0)) for part in root.findall(f"{space}circle")]
    assert heights[0] > heights[1]  # more is higher up
    cursor = next(part for part in root.iter(f"{space}line") if part.get("class") == "zsris-cursor")
    middle = [float(part.get("cx", 0)) for part in root.findall(f"{space}circle")]
    assert float(cursor.get("x1", 0)) == pytest.approx(sum(middle) / 2, abs=0.2)


@pytest.mark.parametrize(("value", "end"), [(0, 0.1), (0.1, 0.1), (0.11, 0.25), (0.3, 0.5), (0.51, 1.0)])
def test_axes_end_at_the_next_step(value, end):
    assert drawings.next_step(value) == end


def test_shades_strike_masked_columns_and_fix_others():
    made = drawings.shades(
        ["mean", "head <0>"],
        ["start", "left", "end"],
        [[0.0, 0.5, 1.0], [0.2, 0.2, float("nan")]],
        limits=(0, 1),
        struck=[1],
        fixed=[0, 2],
        bars=[None, "#ff0000", None],
    )
    assert keys(made) == ["0,1", "1,1"] and made.count("line-through") == 1 and "head &lt;0&gt;" in made
    assert "rgb(68,1,84)" in made and "rgb(253,231,37)" in made  # ends of viridis


def test_movement_rings_both_choices_and_leaves_empty_masks_out():
    made = drawings.movement(
        ["mask 0", "mask 1"], [0.1, -float("inf")], [0.3, -float("inf")], chosen=(0, 0), titles=("all", "less")
    )
    root = ElementTree.fromstring(made)
    rings = [part for part in root.iter() if part.tag.endswith("circle") and part.get("fill") == "none"]
    assert len(rings) == 2 and keys(made) == ["0", "1"]
    assert ElementTree.fromstring(drawings.movement([], [], [], chosen=(None, None))) is not None


def test_a_click_tells_key_and_place():
    heard: list[tuple[str, float, float]] = []
    view = Clickable(lambda *told: heard.append(told), markup="x")
    view.click("3")
    view._handle_custom_msg({"key": "image", "x": 0.25, "y": 1}, [])  # what arrives from the browser
    view._handle_custom_msg({"other": 1}, [])
    assert heard == [("3", 0.5, 0.5), ("image", 0.25, 1.0)]
    Clickable().click("nobody listens")
    assert len(view._esm) < 4000  # what each widget carries into the page
