"""The explorers without a browser: what a moved slider, a click and a wrong word change on the page."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from tests.explorers.conftest import TEXT
from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.explorers import AttentionExplorer, CompareExplorer, ExplorerPage, LayerExplorer, MethodExplorer


@pytest.fixture
def layers(vit, image, masks, parser):
    return LayerExplorer(image, TEXT, vit, truth=masks[0].numpy(), masks=masks, parser=parser)


@pytest.fixture
def attention(vit, image, masks, parser):
    return AttentionExplorer(image, TEXT, vit, proposals=masks, truth=masks[0].numpy(), parser=parser)


@pytest.fixture
def methods(vit, image, masks, parser):
    return MethodExplorer(image, TEXT, vit, proposals=masks, truth=masks[0].numpy(), parser=parser)


@pytest.fixture
def compare(vit, image, masks, parser):
    return CompareExplorer(image, TEXT, "a bus", vit, proposals=masks, truth=masks[0].numpy(), parser=parser)


def shown(explorer: Any) -> dict[str, str]:
    """Everything on the page that is drawn or written."""
    found: dict[str, str] = {}

    def collect(widget: Any, path: str) -> None:
        for name in ("markup", "value"):
            if isinstance(getattr(widget, name, None), str):
                found[f"{path}.{type(widget).__name__}.{name}"] = getattr(widget, name)
        for number, child in enumerate(getattr(widget, "children", ())):
            collect(child, f"{path}/{number}")

    collect(explorer, "")
    return found


def test_a_slider_move_redraws_map_clusters_curve_and_text(layers):
    before = {name: getattr(layers, name).markup for name in ("picture", "map", "clusters", "curve")}
    told = layers.told.value
    layers.layer.value = 1
    assert layers.state.layer == 1 and "layer 1 of 6" in layers.told.value != told
    assert f"<b>{layers.state.view().cluster_iou:.3f}</b>" in layers.told.value
    for name in ("map", "clusters", "curve"):
        assert getattr(layers, name).markup != before[name], name
    assert layers.picture.markup == before["picture"]
    layers.layer.value = 4
    assert layers.map.markup == before["map"]


def test_a_click_on_the_curve_moves_the_slider(layers):
    layers.curve.click("2")
    assert layers.layer.value == layers.state.layer == 2


def test_other_controls_reach_the_state(layers):
    for control, value, name in (
        (layers.negate, False, "negate"),
        (layers.projection, "values", "projection"),
        (layers.expression, "a bus", "expression"),
    ):
        old = layers.map.markup
        control.value = value
        assert getattr(layers.state, name) == value and layers.map.markup != old, name
    assert layers.layer.min == 1
    layers.projection.value = "head"
    assert layers.layer.min == 0
    wide = layers.map.markup
    layers.own_scale.value = True
    assert layers.map.markup != wide


def test_a_click_makes_the_mask_under_it_the_truth(layers, masks):
    layers.picture.click("image", 0.8, 0.8)
    assert np.array_equal(layers.state.truth, masks[1].numpy()) and layers.message.value == ""
    layers.picture.click("image", 0.01, 0.01)
    assert "no mask lies there" in layers.message.value and np.array_equal(layers.state.truth, masks[1].numpy())


def test_without_truth_there_are_pictures_but_no_measures(vit, image):
    explorer = LayerExplorer(image, TEXT, vit)
    assert "needs a ground truth" in explorer.curve.markup and "IoU" not in explorer.told.value
    explorer.picture.click("image")
    assert "masks=" in explorer.message.value
    assert isinstance(explorer.static(), Figure)


@pytest.mark.parametrize("name", ["layers", "attention", "methods"])
def test_an_empty_expression_is_told_and_the_old_picture_stays(name, request):
    explorer = request.getfixturevalue(name)
    before = {path: text for path, text in shown(explorer).items() if "markup" in path}
    explorer.expression.value = "   "
    assert "The expression is empty" in explorer.message.value
    assert {path: text for path, text in shown(explorer).items() if "markup" in path} == before
    assert explorer.state.expression == TEXT
    explorer.expression.value = "a bus"
    assert explorer.message.value == "" and explorer.state.expression == "a bus"


def test_an_empty_expression_on_either_side_of_a_comparison(compare):
    before = [part.markup for part in compare.pictures]
    compare.expressions[1].value = ""
    assert "empty" in compare.message.value and [part.markup for part in compare.pictures] == before


def test_an_unexpected_error_is_told_too(layers, monkeypatch):
    monkeypatch.setattr(type(layers.state), "set", lambda *_, **__: 1 / 0)
    layers.layer.value = 0
    assert "ZeroDivisionError" in layers.message.value


def test_what_users_type_is_not_markup(layers, methods):
    for explorer in (layers, methods):
        explorer.expression.value = "<img src=x onerror=alert(1)>"
        assert "<img src=x" not in "".join(text for path, text in shown(explorer).items() if "Text.value" not in path)


def test_layer_out_of_range_and_rn(vit, rn, image):
    with pytest.raises(InvalidInputError, match="layer 9 does not exist; there are 0 to 6"):
        LayerExplorer(image, TEXT, vit, layer=9)
    with pytest.raises(UnavailableError, match="no patch tokens"):
        LayerExplorer(image, TEXT, rn)


def test_a_constant_map_is_drawn_in_one_colour(layers):
    layers.state._maps.clear()
    layers.state._views.clear()
    layers.state._maps[TEXT, True, "head"] = torch.full((7, 7, 7), 0.5)
    layers.layer.value = 0
    assert layers.message.value == "" and ">0.500<" in layers.map.markup
    assert isinstance(layers.static(), Figure)


def test_an_unloaded_model_is_told_and_the_old_picture_stays(own_vit, image, masks):
    explorer = LayerExplorer(image, TEXT, own_vit, truth=masks[0].numpy())
    picture = explorer.map.markup
    own_vit.model = None
    explorer.layer.value = 0
    assert "not in memory any more" in explorer.message.value and explorer.map.markup == picture
    with pytest.raises(UnavailableError):
        explorer.static()


def test_what_a_reader_without_a_kernel_sees(layers):
    assert repr(layers) == "LayerExplorer: a widget that needs its kernel; run its cell, or draw it with .static()"


def test_a_closed_explorer(vit, image, masks):
    explorer = LayerExplorer(image, TEXT, vit, truth=masks[0].numpy())
    explorer.close()
    explorer.layer.value = 0
    assert "closed" in explorer.message.value
    with pytest.raises(UnavailableError, match="closed"):
        explorer.static()
    explorer.close()  # twice does no harm


def test_clicked_tokens_are_masked_and_scores_follow(attention):
    before = attention.scores.markup
    attention.tokens.click("2,4")
    assert attention.state.masked == {4} and "line-through" in attention.tokens.markup
    assert attention.scores.markup != before and "score changes by" in attention.told.value
    attention.tokens.click("0,4")
    assert attention.state.masked == frozenset() and attention.scores.markup == before
    attention.tokens.click("0,0")
    assert "cannot be masked" in attention.message.value


def test_buttons_mask_the_context_and_give_it_back(attention):
    by_name = {button.description: button for button in attention.children[0].children[2:]}
    by_name["mask the context"].click()
    assert attention.state.masked == {4}
    by_name["give all back"].click()
    assert attention.state.masked == frozenset()
    attention.expression.value = "a bus"
    by_name["mask the context"].click()
    assert "no context token" in attention.message.value


def test_a_clicked_patch_is_asked_and_cls_again(attention):
    before = attention.looks.markup
    attention.looks.click("image", 0.5, 0.99)
    assert attention.state.query == (6, 3) and attention.looks.markup != before
    attention.looks.click("image", 1.0, 1.0)
    assert attention.state.query == (6, 6)
    attention._ask_cls()
    assert attention.looks.markup == before
    attention.image_head.value = 1
    assert attention.state.image_head == 1
    attention.image_head.value = -1
    attention.image_layer.value = 2
    assert attention.state.image_head is None and "layer 2" in attention.looks.markup
    tokens = attention.tokens.markup
    attention.layer.value = 1
    assert attention.tokens.markup != tokens


def test_an_rn_says_why_its_image_has_no_attention(rn, image, masks, parser):
    explorer = AttentionExplorer(image, TEXT, rn, proposals=masks, parser=parser)
    assert "do not attend to each other" in explorer.looks.markup
    explorer.tokens.click("0,4")
    assert explorer.message.value == "" and isinstance(explorer.static(), Figure)


def test_a_single_proposal(vit, image, masks, parser):
    one = masks.select([0])
    attention = AttentionExplorer(image, TEXT, vit, proposals=one, parser=parser)
    attention.tokens.click("0,4")
    assert "the choice stays" in attention.told.value
    methods = MethodExplorer(image, TEXT, vit, proposals=one, parser=parser)
    methods.expression.value = "something else"
    assert "mask <b>0</b> of 1" in methods.told.value
    compare = CompareExplorer(image, TEXT, "a bus", vit, proposals=one, parser=parser)
    assert "the same choice" in compare.told.value
    assert all(isinstance(explorer.static(), Figure) for explorer in (attention, methods, compare))


def test_a_method_that_fails_is_told_and_the_dropdown_goes_back(methods, monkeypatch):
    from zsris_viz.methods.cropping import Cropping

    def fail(*_: object) -> None:
        raise UnavailableError("there is no captioner")

    table = methods.table.markup
    monkeypatch.setattr(Cropping, "score", fail)
    methods.method.value = "cropping"
    assert "there is no captioner" in methods.message.value
    assert methods.method.value == "global-local" and methods.table.markup == table
    methods.method.value = "score-map"
    assert methods.message.value == "" and methods.table.markup != table
    assert [text for text, _ in methods.preset.options] == methods.state.presets


def test_masks_are_toggled_in_table_and_picture(methods):
    before = methods.picture.markup
    hidden = next(iter({0, 1, 2} - methods.state.shown))
    methods.table.click(str(hidden))
    assert hidden in methods.state.shown and methods.picture.markup != before
    methods.table.click(str(hidden))
    assert methods.picture.markup == before
    methods.picture.click("image", 0.8, 0.8)
    assert methods.state.shown == frozenset({methods.state.ranking.chosen}) ^ {1}
    methods.picture.click("image", 0.0, 0.0)
    assert "No proposal lies there" in methods.message.value
    for name, count in (("all", 4), ("best five", 4), ("none", 0), ("chosen", 1)):
        buttons = methods.children[2].children[0].children[1].children
        next(button for button in buttons if button.description == name).click()
        assert len(methods.state.shown) == count


def test_comparing_methods_and_expressions(compare):
    before = compare.pictures[2].markup
    compare.methods[1].value = "cropping"
    assert compare.state.second.method == "cropping" and compare.pictures[2].markup != before
    compare.expressions[1].value = TEXT
    assert compare.state.second.expression == TEXT and "rank correlation" in compare.told.value


@pytest.mark.parametrize("name", ["layers", "attention", "methods", "compare"])
def test_the_static_twin_follows_the_state(name, request):
    explorer = request.getfixturevalue(name)

    def drawn() -> bytes:
        buffer = io.BytesIO()
        explorer.static().savefig(buffer, format="png", dpi=40)
        return buffer.getvalue()

    first = drawn()
    assert Image.open(io.BytesIO(first)).size[0] > 200
    box = explorer.expressions[0] if name == "compare" else explorer.expression
    box.value = "a bus under the tree"
    assert drawn() != first


def test_the_page_makes_explorers_when_their_tab_opens(vit, image, masks, monkeypatch):
    page = ExplorerPage(image, "a bus", vit, proposals=masks, truth=masks[0].numpy())
    assert isinstance(page.explorer(0), LayerExplorer) and page.explorer(2) is None
    for tab, kind in enumerate((LayerExplorer, AttentionExplorer, MethodExplorer, CompareExplorer)):
        page.tabs.selected_index = tab
        assert isinstance(page.explorer(tab), kind)


def test_an_uploaded_image_replaces_the_old_one(vit, image, masks):
    page = ExplorerPage(image, "a bus", vit, proposals=masks, truth=masks[0].numpy())
    first = page.explorer(0)
    picture = np.zeros((50, 70, 3), dtype=np.uint8)
    picture[10:40, 20:50] = (200, 40, 40)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png")
    for content, name, words in ((b"no image", "a.txt", "could not be used"), (buffer.getvalue(), "b.png", "b.png")):
        page._uploaded({"new": ({"content": memoryview(content), "name": name},)})
        assert words in page.message.value
    assert page.explorer(0) is not first and page.explorer(0).state.size == (50, 70)
    assert page.explorer(0).state.truth is None
    with pytest.raises(UnavailableError):
        first.state.view()


def test_the_page_of_an_rn_says_what_it_cannot_do(rn, image, masks):
    page = ExplorerPage(image, "a bus", rn, proposals=masks)
    assert "no patch tokens" in page.tabs.children[0].children[0].value
    page.tabs.selected_index = 2
    assert isinstance(page.explorer(2), MethodExplorer)
