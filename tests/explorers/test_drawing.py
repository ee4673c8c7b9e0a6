"""What is sent to the page: outlines, maps, images and numbers."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Polygon
from PIL import Image

from zsris_viz.errors import InvalidInputError
from zsris_viz.explorers.board import PanelBoard, image_for_page, maps_for_page, plain_panel, region_for_page, script
from zsris_viz.figures.outlines import label_place, mask_outlines, simplify
from zsris_viz.figures.panels import Axis, Maps, Note, PanelView, RankingTable, Region
from zsris_viz.figures.roles import ROLES, role


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_outlines_enclose_the_mask_and_nothing_else(seed):
    rng = np.random.default_rng(seed)
    mask = np.kron(rng.random((5, 6)) < 0.5, np.ones((6, 6), dtype=bool))
    rows, columns = np.indices(mask.shape)
    centres = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1)
    inside = np.zeros(mask.size, dtype=int)
    for points in mask_outlines(mask):
        inside += Polygon(points).contains_points(centres)
    assert np.mean((inside % 2 == 1).reshape(mask.shape) == mask) > 0.995  # corners may be cut


def test_a_large_mask_is_thinned_and_keeps_its_place():
    mask = np.zeros((3000, 4000), dtype=bool)
    mask[1000:2000, 500:3500] = True
    (points,) = mask_outlines(mask)
    assert len(points) < 12
    assert np.abs(points.min(axis=0) - (500, 1000)).max() <= 4 and np.abs(points.max(axis=0) - (3500, 2000)).max() <= 4


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_a_label_lies_inside_its_mask(seed):
    rng = np.random.default_rng(seed)
    mask = np.kron(rng.random((4, 4)) < 0.4, np.ones((5, 5), dtype=bool))
    if mask.any():
        x, y = label_place(mask)
        assert mask[int(y), int(x)]


def test_an_empty_mask_has_no_outline():
    empty = np.zeros((4, 4), dtype=bool)
    assert mask_outlines(empty) == [] and region_for_page(empty)["path"] == ""
    assert region_for_page(np.eye(4, dtype=bool))["area"] == 4


@given(st.integers(0, 2**32 - 1), st.floats(1e-4, 1e3))
@settings(max_examples=25, deadline=None)
def test_maps_lose_at_most_half_a_step(seed, scale):
    values = np.random.default_rng(seed).normal(size=(3, 2, 4, 5)).astype(np.float32) * np.float32(scale)
    sent = maps_for_page(Maps(values, ("layer", "head"), "cosine"))
    low, high = (np.frombuffer(sent[end], "<f4").reshape(3, 2, 1, 1) for end in ("low", "high"))
    back = low + np.frombuffer(sent["values"], np.uint8).reshape(sent["shape"]) / 255 * (high - low)
    assert (np.abs(back - values) <= (high - low) / 255 * 0.51).all()


def test_maps_at_a_cursor():
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    maps = Maps(values, ("layer", "head"), "weight")
    axes = {"layer": Axis("layer", 1, ("1", "2")), "head": Axis("head", -1, ("mean", "0", "1"))}
    assert np.array_equal(maps.at({"layer": 2, "head": -1}, axes), values[1, 0])
    assert maps.limits_of(values[0, 0]) == (0, 3)
    with pytest.raises(InvalidInputError, match="2 leading axes; 1 are named"):
        Maps(values, ("layer",), "weight")


def test_images_are_shrunk_for_the_page_and_keep_the_masks_size():
    sent = image_for_page(Image.new("RGB", (4000, 3000), "red"))
    assert (sent["width"], sent["height"]) == (4000, 3000)
    kind, data = re.fullmatch(r"data:image/(\w+);base64,(.+)", sent["url"]).groups()
    assert kind == "jpeg" and Image.open(io.BytesIO(base64.b64decode(data))).size == (1024, 768)
    small = image_for_page(Image.new("RGB", (90, 60), "red"))
    assert small["url"].startswith("data:image/png")


def test_panels_are_plain_json():
    table = plain_panel(RankingTable(("score",), (0, 1), ((0.5,), (float("-inf"),)), 0))
    assert table["values"] == [[0.5], [None]] and table["kind"] == "ranking"
    assert plain_panel(Region("a", 0, "truth", when={"layer": 3}))["when"] == {"layer": 3}


def test_a_region_is_visible_where_it_belongs():
    region = Region("a", 2, "truth", when={"layer": 3})
    assert region.visible({"layer": 3}) and not region.visible({"layer": 2})
    optional = Region("a", 2, "selected", optional=True)
    assert optional.visible({"shown": [2]}) and optional.visible({"selected": 2})
    assert not optional.visible({"shown": [1]})


def test_titles_have_the_names_of_values():
    view = PanelView("", Image.new("RGB", (4, 4)), (), {"layer": Axis("layer", 1, ("first", "second"))})
    assert view.text("map of {layer} {other}", {"layer": 2}) == "map of second {other}"
    assert Note(("a", "b"), "layer").at({"layer": 2}, view.axes) == "b"


def test_roles_have_colours_that_differ():
    assert role("truth").dashed and not role("choice").dashed
    for first, second in (("truth", "choice"), ("noun phrase", "context"), ("choice", "selected")):
        assert ROLES[first].colour != ROLES[second].colour
    with pytest.raises(InvalidInputError, match="unknown; use one of truth"):
        role("nobody")


def test_events_and_cursor_reach_python():
    received: list[object] = []
    board = PanelBoard(lambda event, content: received.append((event, content.get("place"))), received.append)
    board._handle_custom_msg({"event": "token", "place": 3}, [])  # what arrives from the browser
    board._handle_custom_msg({"other": 1}, [])
    board.cursor = {"layer": 3}
    board.cursor = {"layer": 3, "pins": []}
    assert received == [("token", 3), {"layer": 3}, {"pins": []}]
    assert len(script()) < 60_000 and script().count("export default") == 1


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3))
@settings(max_examples=25, deadline=None)
def test_simplified_outlines_are_those_of_scikit_image(seed, tolerance):
    from skimage.measure import approximate_polygon

    steps = np.random.default_rng(seed).normal(size=(40, 2))
    points = np.cumsum(steps, axis=0)
    np.testing.assert_array_equal(simplify(points, tolerance), approximate_polygon(points, tolerance))
    closed = np.vstack([points, points[:1]])
    np.testing.assert_array_equal(simplify(closed, tolerance), approximate_polygon(closed, tolerance))
