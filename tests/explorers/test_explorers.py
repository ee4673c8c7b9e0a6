"""The explorers without a browser: what controls, events of the page and wrong values change."""

from __future__ import annotations

import ast
import io
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from tests.explorers.conftest import TEXT
from zsris_viz.captioning import Captioner
from zsris_viz.errors import InvalidInputError, UnavailableError, ZsrisWarning
from zsris_viz.explorers import AttentionExplorer, CompareExplorer, LayerExplorer, MethodExplorer
from zsris_viz.explorers.jobs import Cancelled, Job

NAMES = ["layers", "attention", "methods", "compare"]


class Words(Captioner):
    """Describe every picture by its size."""

    def __init__(self, **options: Any) -> None:
        super().__init__("words", **options)

    @property
    def settings(self) -> dict[str, Any]:
        return {}

    def _generate(self, images: list[Image.Image]) -> list[str]:
        return [f"a picture of {image.width} dots" for image in images]


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


def move(explorer: Any, **values: Any) -> None:
    """Do what the page does when a reader moves the cursor."""
    explorer.board.cursor = {**explorer.board.cursor, **values}


def message(explorer: Any) -> str:
    return explorer.board.message.get("text", "")


def panel(explorer: Any, kind: str, number: int = 0) -> dict[str, Any]:
    found = [panel for row in explorer.board.view["rows"] for panel in row if panel["kind"] == kind]
    return found[number]


def page_map(explorer: Any, name: str, *place: int) -> np.ndarray:
    """One map as the page decodes it."""
    sent = explorer.board.view["maps"][name]
    flat = int(np.ravel_multi_index(place, sent["shape"][:-2])) if place else 0
    values = np.frombuffer(sent["values"], np.uint8).reshape(-1, *sent["shape"][-2:])[flat] / 255
    low, high = (float(np.frombuffer(sent[end], "<f4")[flat]) for end in ("low", "high"))
    return low + values * (high - low)


def test_the_page_has_the_map_of_every_layer(layers):
    for layer in layers.state.layers:
        expected = layers.state.view(layer).map.numpy()
        assert np.abs(page_map(layers, "similarity", layer) - expected).max() <= np.ptp(expected) / 255
    assert layers.board.view["maps"]["similarity"]["limits"] == pytest.approx(layers.state.limits)
    notes = panel(layers, "note")
    assert len(notes["texts"]) == 7 and f"{layers.state.view(1).cluster_iou:.3f}" in notes["texts"][1]


def test_a_moved_slider_needs_no_new_view(layers):
    before = layers.board.view
    move(layers, layer=1)
    assert layers.state.layer == 1 and layers.board.view is before
    assert layers.static() is not None


def test_controls_reach_the_state(layers):
    for control, value, name in (
        (layers.negate, False, "negate"),
        (layers.projection, "values", "projection"),
        (layers.expression, "a bus", "expression"),
    ):
        before = page_map(layers, "similarity", 3)
        control.value = value
        assert getattr(layers.state, name) == value, name
        assert not np.allclose(page_map(layers, "similarity", 3), before), name
    assert layers.board.view["axes"]["layer"]["first"] == 1  # the value path has no layer 0


def test_a_click_makes_the_mask_under_it_the_truth(layers, masks):
    move(layers, truth=1)
    assert np.array_equal(layers.state.truth, masks[1].numpy()) and message(layers) == ""
    assert layers.board.view["regions"]["truth"][0]["area"] == int(masks[1].sum())


def test_without_truth_there_are_pictures_but_no_measures(vit, image):
    explorer = LayerExplorer(image, TEXT, vit)
    assert "needs a ground truth" in panel(explorer, "note")["texts"][0]
    assert not [1 for row in explorer.board.view["rows"] for one in row if one["kind"] == "lines"]
    assert isinstance(explorer.static(), Figure)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_expression_is_refused_and_the_view_stays(name, request):
    explorer = request.getfixturevalue(name)
    before = explorer.board.view
    box = explorer.expressions[0] if name == "compare" else explorer.expression
    box.value = "   "
    assert "The expression is empty" in message(explorer) and explorer.board.message["kind"] == "error"
    assert explorer.board.view is before and explorer.state.expression == TEXT
    box.value = TEXT
    assert message(explorer) == ""
    box.value = "a bus"
    assert message(explorer) == "" and explorer.state.expression == "a bus"


def test_an_unexpected_error_is_shown_too(layers, monkeypatch):
    monkeypatch.setattr(type(layers.state), "set", lambda *_, **__: 1 / 0)
    layers.expression.value = "a bus"
    assert "ZeroDivisionError" in message(layers)


def test_warnings_of_the_package_are_shown_and_others_pass(layers):
    def change() -> None:
        warnings.warn("the text was cut", ZsrisWarning, stacklevel=1)
        warnings.warn("something else", UserWarning, stacklevel=1)

    with pytest.warns(UserWarning, match="something else"):
        layers.attempt(change)
    assert layers.board.message == {"text": "the text was cut", "kind": "warning"}


def test_long_work_is_counted_and_can_be_cancelled(vit, image, masks, parser):
    explorer = MethodExplorer(image, TEXT, vit, method="score-map", proposals=masks, parser=parser)
    explorer.state.scene.batch_size = 1
    seen: list[dict[str, Any]] = []
    cancelled_at = 1

    def follow(change: Any) -> None:
        seen.append(change["new"])
        if change["new"].get("text") == "crops" and change["new"]["done"] == cancelled_at:
            explorer.board.send_event("cancel")

    explorer.board.observe(follow, names="progress")
    explorer.method.value = "cropping"
    assert [step["done"] for step in seen if step.get("text") == "crops"] == [0, 1] and seen[-1] == {}
    assert "cancelled" in message(explorer) and explorer.method.value == explorer.state.method == "score-map"
    seen.clear()
    cancelled_at = -1
    explorer.method.value = "cropping"
    assert [step["done"] for step in seen if step.get("text") == "crops"] == [0, 1, 2] and seen[-1] == {}
    assert {"text": "computing", "done": 0, "total": 0} in seen
    assert message(explorer) == "" and explorer.state.method == "cropping"


def test_captions_are_counted_and_can_be_cancelled(vit, image, masks, monkeypatch):
    """TAS asks for a caption of every proposal, which takes longest of all."""
    monkeypatch.setattr("zsris_viz.captioning.base.REPORTED", 1)
    explorer = MethodExplorer(image, TEXT, vit, method="cropping", proposals=masks)
    captioner = explorer.state.scene.captioner = Words(cache=False)
    seen: list[dict[str, Any]] = []

    def follow(change: Any) -> None:
        seen.append(change["new"])
        if change["new"].get("text") == "captions" and change["new"]["done"] == 1 and captioner.calls == 1:
            explorer.board.send_event("cancel")

    explorer.board.observe(follow, names="progress")
    explorer.method.value = "tas"
    counted = [(step["done"], step["total"]) for step in seen if step.get("text") == "captions"]
    assert counted == [(0, 3), (1, 3)] and captioner.calls == 2  # of three; the fourth mask is empty
    assert "cancelled" in message(explorer) and explorer.method.value == "cropping"
    explorer.method.value = "tas"
    assert explorer.state.method == "tas" and captioner.calls > 3, message(explorer)


def test_a_cancelled_job_ends_at_its_next_part():
    job = Job("computing", lambda *_: None)
    job.advance("crops", 0, 3)
    job.cancel()
    with pytest.raises(Cancelled):
        job.advance("crops", 1, 3)


def test_the_miniature_on_another_image_has_a_badge(vit, image, masks):
    from zsris_viz.miniature.world.render import DRAWN

    explorer = LayerExplorer(image, TEXT, vit)
    assert explorer.board.badge == ""
    name, vit.name = vit.name, "miniature"
    try:
        assert "its results on a photograph are meaningless" in LayerExplorer(image, TEXT, vit).board.badge
        drawn = image.copy()
        drawn.info["source"] = DRAWN
        assert LayerExplorer(drawn, TEXT, vit).board.badge == ""
    finally:
        vit.name = name


def test_layer_out_of_range_and_rn(vit, rn, image):
    with pytest.raises(InvalidInputError, match="layer 9 does not exist; there are 0 to 6"):
        LayerExplorer(image, TEXT, vit, layer=9)
    with pytest.raises(UnavailableError, match="no patch tokens"):
        LayerExplorer(image, TEXT, rn)


def test_a_constant_map_can_be_drawn(layers):
    layers.state._maps.clear()
    layers.state._views.clear()
    layers.state._maps[TEXT, True, "head"] = torch.full((7, 7, 7), 0.5)
    layers.redraw()
    assert np.allclose(page_map(layers, "similarity", 2), 0.5)
    assert isinstance(layers.static(), Figure)


def test_an_unloaded_model_is_told_and_the_view_stays(own_vit, image, masks):
    explorer = LayerExplorer(image, TEXT, own_vit, truth=masks[0].numpy())
    view = explorer.board.view
    own_vit.model = None
    explorer.negate.value = False
    assert "not in memory any more" in message(explorer) and explorer.board.view is view
    with pytest.raises(UnavailableError):
        explorer.static()


def test_what_a_reader_without_a_kernel_sees(layers):
    assert repr(layers) == "LayerExplorer: a widget that needs its kernel; run its cell, or draw it with .static()"


def test_a_closed_explorer(vit, image, masks):
    explorer = LayerExplorer(image, TEXT, vit, truth=masks[0].numpy())
    explorer.close()
    with pytest.raises(UnavailableError, match="closed"):
        explorer.static()
    explorer.close()  # twice does no harm


def test_clicked_tokens_are_hidden_and_scores_follow(attention):
    before = panel(attention, "pairs")
    attention.board.send_event("token", place=4)
    assert attention.state.masked == {4} and panel(attention, "tokens")["masked"] == [4]
    assert panel(attention, "pairs")["after"] != before["after"]
    assert panel(attention, "pairs")["before"] == before["before"]
    assert "changes by" in panel(attention, "note")["texts"][0]
    attention.board.send_event("token", place=4)
    assert attention.state.masked == frozenset() and panel(attention, "pairs") == before
    attention.board.send_event("token", place=0)
    assert "cannot be masked" in message(attention)


def test_buttons_hide_the_context_and_show_all_tokens(attention):
    attention.hide_context.click()
    assert attention.state.masked == {4}
    attention.show_all.click()
    assert attention.state.masked == frozenset()
    attention.expression.value = "a bus"
    attention.hide_context.click()
    assert "no context word" in message(attention)


def test_the_page_has_the_attention_of_every_patch_and_token(attention):
    state = attention.state
    for layer, place in ((1, 0), (6, 1 + 1 * 7 + 3)):
        state.set(image_layer=layer, query=None if place == 0 else (1, 3))
        expected = state.head_attentions()[state.image_layer - 1, 0].numpy()
        shown = page_map(attention, "image", layer - 1, place)
        assert np.abs(shown - expected).max() <= np.ptp(expected) / 255 + 1e-6
    expected = state.text_attentions()[state.layer - 1, -1].numpy()
    assert np.abs(page_map(attention, "text", state.layer - 1, len(state.tokens) - 1) - expected).max() <= 1 / 255


def test_a_clicked_patch_stays_and_every_head_follows(attention):
    before = page_map(attention, "heads", 2, 1)
    move(attention, query=6 * 7 + 3)
    assert attention.state.query == (6, 3) and not np.allclose(page_map(attention, "heads", 2, 1), before)
    attention.cls_button.click()
    assert attention.state.query is None and np.allclose(page_map(attention, "heads", 2, 1), before)
    mean = page_map(attention, "image", 3, 0)
    attention.head.value = 1
    assert attention.state.image_head == 1 and not np.allclose(page_map(attention, "image", 3, 0), mean)
    attention.head.value = -1
    move(attention, image_layer=2, text_layer=1)
    assert (attention.state.image_layer, attention.state.layer) == (2, 1)


def test_an_rn_says_why_its_image_has_no_attention(rn, image, masks, parser):
    explorer = AttentionExplorer(image, TEXT, rn, proposals=masks, parser=parser)
    assert "no attention between patches" in panel(explorer, "note", 1)["texts"][0]
    explorer.board.send_event("token", place=4)
    assert message(explorer) == "" and isinstance(explorer.static(), Figure)


def test_a_single_proposal(vit, image, masks, parser):
    one = masks.select([0])
    attention = AttentionExplorer(image, TEXT, vit, proposals=one, parser=parser)
    attention.board.send_event("token", place=4)
    assert "the choice stays" in panel(attention, "note")["texts"][0]
    methods = MethodExplorer(image, TEXT, vit, proposals=one, parser=parser)
    methods.expression.value = "something else"
    assert "mask 0 of 1" in panel(methods, "note")["texts"][0]
    compare = CompareExplorer(image, TEXT, "a bus", vit, proposals=one, parser=parser)
    assert "The same choice" in panel(compare, "note")["texts"][0]
    assert all(isinstance(explorer.static(), Figure) for explorer in (attention, methods, compare))


def test_a_method_that_fails_is_told_and_the_dropdown_goes_back(methods, monkeypatch):
    from zsris_viz.methods.cropping import Cropping

    def fail(*_: object) -> None:
        raise UnavailableError("there is no captioner")

    table = panel(methods, "ranking")
    monkeypatch.setattr(Cropping, "score", fail)
    methods.method.value = "cropping"
    assert "there is no captioner" in message(methods)
    assert methods.method.value == "global-local" and panel(methods, "ranking") == table
    methods.method.value = "score-map"
    assert message(methods) == "" and panel(methods, "ranking") != table
    assert [text for text, _ in methods.preset.options] == methods.state.presets


def test_the_ranking_has_every_mask_and_its_parts(methods, masks):
    table = panel(methods, "ranking")
    assert sorted(table["indices"]) == [0, 1, 2, 3] and table["chosen"] == methods.state.ranking.chosen
    scores = dict(zip(table["indices"], [row[0] for row in table["values"]], strict=True))
    assert scores[3] is None  # an empty mask has no score
    for index in (0, 1, 2):
        assert scores[index] == pytest.approx(float(methods.state.ranking.scores[index]))
    overlaps = {index: row[-1] for index, row in zip(table["indices"], table["values"], strict=True)}
    assert overlaps[2] == pytest.approx(float(masks.iou(masks[0])[2, 0]))


def test_shown_masks_are_in_the_figure(methods):
    before = len(methods.static().subfigs)
    move(methods, shown=[0, 1])
    assert methods.state.shown == {0, 1} and before == len(methods.static().subfigs)
    move(methods, shown=[9])
    assert "mask 9 does not exist" in message(methods)


def test_comparing_methods_and_expressions(compare):
    before = page_map(compare, "difference")
    compare.methods[1].value = "cropping"
    assert compare.state.second.method == "cropping" and not np.allclose(page_map(compare, "difference"), before)
    assert compare.board.view["maps"]["difference"]["limits"] == [-3, 3]  # the same scale for every pair
    compare.expressions[1].value = TEXT
    assert compare.state.second.expression == TEXT and "rank correlation" in panel(compare, "note")["texts"][0]


@pytest.mark.parametrize("name", NAMES)
def test_the_static_figure_follows_the_state(name, request):
    explorer = request.getfixturevalue(name)

    def drawn() -> bytes:
        buffer = io.BytesIO()
        explorer.static().savefig(buffer, format="png", dpi=40)
        return buffer.getvalue()

    first = drawn()
    assert Image.open(io.BytesIO(first)).size[0] > 200
    box = explorer.expressions[0] if name == "compare" else explorer.expression
    box.value = "a bus $x^$ under the tree"  # is no formula
    assert drawn() != first


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_figure_is_saved_in_three_formats(name, kind, start, request, monkeypatch):
    explorer = request.getfixturevalue(name)
    sent: list[Any] = []
    monkeypatch.setattr(explorer.board, "send", lambda content, buffers=None: sent.append((content, buffers)))
    explorer.board.send_event("save", format=kind)
    ((content, buffers),) = sent
    assert content["name"] == f"{explorer.name}.{kind}" and buffers[0].startswith(start)
    explorer.board.send_event("save", format="exe")
    assert len(sent) == 1


@pytest.mark.parametrize("name", NAMES)
def test_copied_code_makes_the_same_explorer(name, request, monkeypatch):
    explorer = request.getfixturevalue(name)
    if name == "layers":
        move(explorer, layer=2)
    if name == "methods":
        explorer.method.value = "cropping"
    code = explorer.code()
    ast.parse(code)
    monkeypatch.setattr("zsris_viz.models.load_clip", lambda *_: explorer.state.clip)
    names: dict[str, Any] = {}
    exec(code, names)
    made = names["explorer"]
    assert type(made) is type(explorer) and made.state.expression == TEXT
    assert np.array_equal(made.state.truth, explorer.state.truth)
    for key, sent in explorer.board.view["maps"].items():
        assert made.board.view["maps"][key]["values"] == sent["values"]
    assert made.board.cursor.get("layer") == explorer.board.cursor.get("layer")
