"""The page of all explorers: shared image, expression and model, uploads, examples, and the state in the address."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import numpy as np
import pytest
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from PIL import Image

from tests.explorers.conftest import TEXT
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.explorers import (
    AttentionExplorer,
    CompareExplorer,
    ExplorerPage,
    LayerExplorer,
    MethodExplorer,
    example_names,
    load_example,
)
from zsris_viz.explorers.early_kernel import EarlyKernelManager
from zsris_viz.explorers.uploads import read_upload


@pytest.fixture
def page(vit, image, masks, parser):
    made = ExplorerPage(image, TEXT, vit, proposals=masks, truth=masks[0].numpy(), addressed=True)
    made._scene.parser = parser
    return made


def encoded(size: tuple[int, int], kind: str = "png") -> bytes:
    """A photograph-like file."""
    noise = np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize(size, Image.Resampling.NEAREST).save(buffer, kind)
    return buffer.getvalue()


def test_explorers_are_made_when_their_tab_opens(page):
    assert isinstance(page.explorer(0), LayerExplorer) and page.explorer(2) is None
    for tab, kind in enumerate((LayerExplorer, AttentionExplorer, MethodExplorer, CompareExplorer)):
        page.tabs.selected_index = tab
        assert isinstance(page.explorer(tab), kind)
        assert page.explorer(tab).state.scene is page._scene  # features are computed once for all of them


def test_an_expression_follows_into_the_other_tabs(page):
    page.tabs.selected_index = 2
    page.explorer(2).expression.value = "a bus"
    page.tabs.selected_index = 0
    assert page.explorer(0).state.expression == page.explorer(0).expression.value == "a bus"
    page.tabs.selected_index = 3
    assert page.explorer(3).state.first.expression == page.explorer(3).state.second.expression == "a bus"


def test_an_upload_replaces_the_image_and_keeps_the_expression(page):
    first = page.explorer(0)
    first.expression.value = "a bus"
    page.bar.send_event("upload", b"no image", name="a.txt")
    assert "a.txt could not be used: it is not an image that can be read" in page.bar.message
    assert page.explorer(0) is first
    page.bar.send_event("upload", encoded((70, 50)), name="b.png", note="")
    assert page.explorer(0) is not first and page.explorer(0).state.size == (50, 70)
    assert page.explorer(0).state.expression == "a bus" and page.truth is None and "b.png" in page.bar.message
    with pytest.raises(UnavailableError):
        first.state.view()


def test_a_large_image_is_made_smaller_with_a_word(page):
    page.bar.send_event("upload", encoded((2400, 900), "jpeg"), name="wide.jpg")
    assert page.explorer(0).state.size == (384, 1024)
    assert "2400 x 900 pixels was made smaller: 1024 x 384" in page.bar.message


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", CorruptFileError, "not an image that can be read"),
        (encoded((90, 60))[:200], CorruptFileError, "damaged"),
        (encoded((90, 60), "jpeg")[:300], CorruptFileError, "damaged|no image"),
    ],
    ids=["empty", "PNG cut off", "JPEG cut off"],
)
def test_uploads_that_cannot_be_used(content: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        read_upload(content)
    assert "BytesIO" not in str(caught.value)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "png")
    with pytest.raises(InvalidInputError, match=r"too many pixels|20000 x 20000 pixels"):
        read_upload(buffer.getvalue())


def test_examples_are_drawn_scenes_and_photographs(page):
    names = example_names()
    assert {"scene-4", "astronaut", "coffee", "chelsea"} <= set(names)
    scene, photograph = load_example("scene-4"), load_example("chelsea")
    assert scene.proposals is not None and np.asarray(scene.truth).any() and photograph.proposals is None
    assert photograph.image.mode == "RGB" and photograph.expression
    for wrong in ("nobody", "scene-x", "scene-99999999"):
        with pytest.raises(InvalidInputError, match="no example"):
            load_example(wrong)
    page.bar.send_event("examples")
    assert [entry["name"] for entry in page.bar.examples] == names
    assert all(entry["url"].startswith("data:image/jpeg") for entry in page.bar.examples)


def test_an_example_brings_its_expression_masks_and_truth(page):
    page.bar.send_event("example", name="scene-4")
    example = load_example("scene-4")
    assert page.explorer(0).state.expression == example.expression
    assert len(page._scene) == len(example.proposals) and np.array_equal(page.truth, example.truth)
    assert page.bar.message == ""
    page.explorer(0).expression.value = "a bus"
    assert f"belong to the object of “{example.expression}”" in page.bar.message
    page.explorer(0).expression.value = example.expression
    assert page.bar.message == ""
    page.bar.send_event("example", name="nobody")
    assert "nobody could not be used" in page.bar.message


def test_the_address_restores_the_view(vit, parser):
    page = ExplorerPage("scene-4", "a lamp", vit, addressed=True)
    page._scene.parser = parser
    explorer = page.explorer(0)
    explorer.board.cursor = {**explorer.board.cursor, "layer": 2}
    explorer.negate.value = False
    address = page.bar.address
    assert "example=%22scene-4%22" in address
    other = ExplorerPage("scene-7", None, vit)
    other.bar.send_event("address", text=address)
    state = other.explorer(0).state
    assert (state.expression, state.layer, state.negate, other.example) == ("a lamp", 2, False, "scene-4")
    assert load_example("scene-4").expression in other.bar.message  # the ground truth is not that of "a lamp"
    page.tabs.selected_index = 2
    page.explorer(2).method.value = "cropping"
    other.restore(page.bar.address)
    assert other.tabs.selected_index == 2 and other.explorer(2).state.method == "cropping"


@pytest.mark.parametrize(
    "address",
    [
        "tab=1",
        "tab=%7B",
        "layer=99&tab=%22layers%22",
        "expression=%22%22",
        "truth=%5B1%5D",
        "&&&",
        "image=%22/etc/passwd%22",
    ],
    ids=["number for a tab", "JSON cut off", "layer 99", "empty expression", "list for a truth", "no names", "a path"],
)
def test_a_wrong_address_leaves_a_page_that_works(page, address):
    page.bar.send_event("address", text=address)
    page.tabs.selected_index = 2
    page.tabs.selected_index = 0
    page.bar.send_event("address", text=f"expression=%22{TEXT}%22&tab=%22layers%22")
    assert isinstance(page.explorer(0), LayerExplorer) and page.explorer(0).state.size == (60, 90)


def test_an_rn_says_what_it_cannot_do(rn, image, masks):
    page = ExplorerPage(image, "a bus", rn, proposals=masks)
    assert "no patch tokens" in page.tabs.children[0].children[0].value
    page.tabs.selected_index = 2
    assert isinstance(page.explorer(2), MethodExplorer)


def test_an_unexpected_error_is_shown_in_the_tab(page, monkeypatch):
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("nothing to divide")

    monkeypatch.setattr("zsris_viz.explorers.method_state.class_of", fail)
    page.tabs.selected_index = 2
    assert "ZeroDivisionError: nothing to divide" in page.tabs.children[2].children[0].value


def test_only_drawn_scenes_have_no_badge_under_the_miniature(vit) -> None:
    name, vit.name = vit.name, "miniature"
    try:
        page = ExplorerPage("scene-4", None, vit)
        assert page.explorer(0).board.badge == ""
        page.bar.send_event("example", name="chelsea")
        assert "its results on a photograph are meaningless" in page.explorer(0).board.badge
    finally:
        vit.name = name


def test_a_served_page_prepares_its_first_explorer_and_shows_it_when_the_browser_listens(
    vit, image, masks, monkeypatch
):
    """What the browser is then waiting for is computed already: the image does not pass the model again."""
    monkeypatch.setattr("zsris_viz.explorers.page.in_kernel", lambda: True)
    page = ExplorerPage(image, TEXT, vit, proposals=masks, addressed=True)
    assert page.explorer(0) is None
    before = vit.calls.images
    page.bar.send_event("ready")
    assert isinstance(page.explorer(0), LayerExplorer)
    assert vit.calls.images == before
    assert page.explorer(0).state.clip is vit  # closing the first one closed neither model nor scene


def test_one_kernel_is_started_ahead_of_the_first_page(monkeypatch):
    """After it, Voila's pool asks for no further one."""
    manager = EarlyKernelManager()
    manager.kernel_pools_config = {"default": {"pool_size": 1}}

    async def started(self, **options):
        return "kernel"

    monkeypatch.setattr(AsyncMappingKernelManager, "start_kernel", started)
    assert asyncio.run(manager.start_kernel()) == "kernel"
    assert manager.kernel_pools_config["default"]["pool_size"] == 0


def test_methods_get_the_settings_of_drawn_scenes_and_otherwise_their_own(vit, image, masks):
    page = ExplorerPage("scene-4", None, vit)
    page.tabs.selected_index = 3
    assert page.explorer(3).state.dataset == "scenes" and "dataset='scenes'" in page.explorer(3).code()
    page.show(image, expression=TEXT, proposals=masks)
    assert page.explorer(3).state.dataset is None and "dataset" not in page.explorer(3).code()
