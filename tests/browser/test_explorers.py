"""The explorers in a browser: a notebook in JupyterLab and through Voila, and the page of `zsris explore`.

A headless Chromium moves sliders, hovers, clicks, types and drops files; pictures and measures must follow, and no
cell may end in an error. Screenshots go to the folder that the environment variable ZSRIS_ARTIFACTS names, else to the
test's own folder.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import psutil
import pytest
from PIL import Image

from tests.browser.servers import BROWSER, RUN, browser_page, explore, lab, shut_down_kernels

CELL = """
from zsris_viz.explorers import LayerExplorer, load_example

example = load_example("scene-4")
explorer = LayerExplorer(example.image, example.expression, masks=example.proposals, truth=example.truth)
explorer
"""
NESTED = """
import numpy as np
from zsris_viz.explorers import MethodExplorer, load_example

image = load_example("scene-4").image
masks = np.zeros((3, image.height, image.width), dtype=bool)
for mask, border in zip(masks, (10, 40, 70)):
    mask[border:-border, border:-border] = True
MethodExplorer(image, "the lamp on the left", proposals=masks)
"""
IDLE = "#jp-main-statusbar >> text=/\\| Idle/"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2 * RUN),
    pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine: apt-get install chromium"),
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None, reason="playwright is not installed: pip install playwright"
    ),
]


@pytest.fixture
def artefacts(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("ZSRIS_ARTIFACTS") or tmp_path / "artefacts")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook with one explorer and its figure, alone in a folder."""
    book = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    book.cells = [nbformat.v4.new_code_cell(CELL), nbformat.v4.new_code_cell("explorer.static()")]
    (tmp_path / "notebooks").mkdir()
    nbformat.write(book, tmp_path / "notebooks" / "small.ipynb")
    return tmp_path / "notebooks" / "small.ipynb"


def test_notebook_in_jupyterlab(notebook: Path, tmp_path: Path, artefacts: Path) -> None:
    with lab(notebook.parent, tmp_path) as (address, token), browser_page(artefacts / "failed.png") as page:
        page.goto(f"{address}/lab/tree/{notebook.name}?token={token}")
        page.wait_for_selector(IDLE)  # before that, JupyterLab would run nothing
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        explorer = page.locator(".zsris-layers").first
        explorer.locator(".zsris-frame canvas").first.wait_for(state="attached", timeout=1000 * RUN)
        page.wait_for_selector(IDLE, timeout=1000 * RUN)
        layers_answer(explorer)
        type_into(explorer, 0, "the big green tree")
        explorer.screenshot(path=artefacts / "lab.png")
        no_error(page)
        assert page.locator(".jp-InputPrompt", has_text="[*]").count() == 0
        assert shut_down_kernels(address, token) == 1
        layers_answer(explorer)  # what was sent answers without a kernel too
        no_error(page)


def test_notebook_through_voila(notebook: Path, tmp_path: Path, artefacts: Path) -> None:
    with (
        explore(tmp_path, "--notebook", str(notebook)) as (address, process, _),
        browser_page(artefacts / "failed.png") as page,
    ):
        page.goto(address, wait_until="commit")  # the page is whole only when every cell has run
        explorer = page.locator(".zsris-layers").first
        explorer.locator(".zsris-frame canvas").first.wait_for(state="attached", timeout=1000 * RUN)
        layers_answer(explorer)
        type_into(explorer, 0, "the big green tree")
        no_error(page)
    assert process.returncode == 0


def test_further_clicks_step_through_nested_masks(tmp_path: Path, artefacts: Path) -> None:
    """From the smallest of three squares around the middle to the largest, then none."""
    book = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    book.cells = [nbformat.v4.new_code_cell(NESTED)]
    nbformat.write(book, tmp_path / "nested.ipynb")
    words = ("--notebook", str(tmp_path / "nested.ipynb"))
    with explore(tmp_path, *words) as (address, _, _), browser_page(artefacts / "failed.png") as page:
        page.goto(address, wait_until="commit")
        explorer = page.locator(".zsris-methods").first
        rows = explorer.locator("tr[data-mask]")
        rows.first.wait_for()
        frame = explorer.locator(".zsris-frame:has(canvas)").first
        frame.scroll_into_view_if_needed()
        box = frame.bounding_box()

        def clicked(x: float, y: float) -> list[str]:
            before = drawn(explorer)
            frame.click(position={"x": x * box["width"], "y": y * box["height"]})
            waits(explorer, lambda: drawn(explorer) > before)
            pressed = "rows => rows.filter(row => row.ariaPressed === 'true').map(row => row.dataset.mask)"
            return list(rows.evaluate_all(pressed))

        chosen = [clicked(0.5, 0.5) for _ in range(6)]
        order = [["2"], ["1"], ["0"], []]
        first = order.index(chosen[0])  # the method's own choice may be chosen from the start
        assert chosen == [order[(first + step) % 4] for step in range(6)]
        no_error(page)


def test_page_of_explorers(tmp_path: Path, artefacts: Path) -> None:
    """Every tab answers, what can be taken away comes, other images are taken, and Ctrl-C leaves nothing behind."""
    sent: list[Any] = []  # messages of the page to the kernel
    with explore(tmp_path) as (address, process, log), browser_page(artefacts / "failed.png") as page:
        page.on("websocket", lambda socket: socket.on("framesent", lambda message: sent.append(message)))
        page.goto(address.split("?")[0])
        assert page.locator(".zsris-board").count() == 0 and "token" in page.content().lower()  # not without the token
        page.goto(address, wait_until="commit")
        layers = page.locator(".zsris-layers")
        layers.locator(".zsris-frame canvas").first.wait_for(state="attached")
        assert len(kernels(process)) == 1  # the one that was started ahead of the page
        layers_answer(layers)
        pins_are_compared(layers)
        page.screenshot(path=artefacts / "layers.png", full_page=True)
        type_into(layers, 0, "the lamp on the left")
        type_into(layers, 0, " ", message="The expression is empty")
        layers.locator("input[type=text]").first.fill("the lamp on the left")
        layers.locator("input[type=text]").first.press("Enter")
        layers.locator(".zsris-message", has_text="The expression is empty").wait_for(state="hidden")
        code = copied_code(layers)
        assert "LayerExplorer(image, 'the lamp on the left'" in code

        page.get_by_role("tab", name="Attention").click()
        attention = page.locator(".zsris-attention")
        attention.locator(".zsris-frame canvas").first.wait_for(state="attached")
        assert attention.locator("input[type=text]").first.input_value() == "the lamp on the left"  # shared
        hovering_needs_no_kernel(attention, sent)
        attention.locator('th [data-token="1"]').click()
        attention.locator(".zsris-note", has_text="Without the hidden tokens").wait_for()
        page.screenshot(path=artefacts / "attention.png", full_page=True)

        page.get_by_role("tab", name="Methods").click()
        methods = page.locator(".zsris-methods")
        methods.locator("tr[data-mask]").first.wait_for()
        rows_and_masks_are_linked(methods)
        page.screenshot(path=artefacts / "methods.png", full_page=True)
        for kind, start in (("PNG", b"\x89PNG"), ("SVG", b"<?xml"), ("PDF", b"%PDF")):
            with page.expect_download() as download:
                methods.get_by_role("button", name=kind).click()
            assert Path(download.value.path()).read_bytes().startswith(start)

        page.get_by_role("tab", name="Compare").click()
        compare = page.locator(".zsris-compare")
        compare.locator(".zsris-frame canvas").first.wait_for(state="attached")
        assert compare.locator(".zsris-low", has_text="-3.000").count()
        page.screenshot(path=artefacts / "compare.png", full_page=True)

        shared = page.url
        assert "tab=%22compare%22" in shared
        photographs_are_taken(page, tmp_path, artefacts)
        page.goto(shared)
        page.reload()
        page.locator(".zsris-compare .zsris-frame").first.wait_for()  # the address brings tab and example back
        page.set_viewport_size({"width": 360, "height": 740})
        page.wait_for_function("document.querySelector('.zsris-compare').scrollWidth <= window.innerWidth")
        page.screenshot(path=artefacts / "phone.png", full_page=True)
        no_error(page)
    assert process.returncode == 0 and "stopping" in log.read_text()


def layers_answer(explorer: Any) -> None:
    """The layer slider changes map, note and title in the page, within a frame or two."""
    explorer.scroll_into_view_if_needed()
    slider = explorer.get_by_role("slider").first
    slider.press("Home")
    waits(explorer, lambda: "Layer 0" in note(explorer) or "Layer 1" in note(explorer))
    first, picture = note(explorer), canvas(explorer)
    slider.press("ArrowRight")
    waits(explorer, lambda: note(explorer) != first and canvas(explorer) != picture)
    explorer.locator('rect[data-place="3"]').click()
    waits(explorer, lambda: note(explorer).startswith("Layer 3"))
    assert slider.input_value() == "3"


def pins_are_compared(explorer: Any) -> None:
    thumbs = explorer.locator(".zsris-grid canvas")
    thumbs.nth(1).hover()
    explorer.locator(".zsris-large figure").first.wait_for()
    thumbs.nth(1).click()
    thumbs.nth(4).click()
    explorer.locator(".zsris-note").first.hover()
    explorer.locator(".zsris-large figcaption", has_text="A: layer 1").wait_for()
    explorer.locator(".zsris-large figcaption", has_text="A minus B").wait_for()
    assert explorer.locator(".zsris-large figure").count() == 3
    assert "cosine similarity" in explorer.locator(".zsris-large .zsris-bar").last.inner_text()


def hovering_needs_no_kernel(explorer: Any, sent: list[Any]) -> None:
    """The mouse over a patch and over a token sends no message; keys do the same."""
    frame = explorer.locator(".zsris-frame[role=application]").last
    frame.scroll_into_view_if_needed()
    box, seen = frame.bounding_box(), set()
    settles(explorer, lambda: len(sent))
    messages = len(sent)
    for place in (0.2, 0.5, 0.8):
        before = drawn(explorer)
        explorer.page.mouse.move(box["x"] + place * box["width"], box["y"] + place * box["height"])
        waits(explorer, lambda before=before: drawn(explorer) > before)
        title = explorer.locator("figcaption", has_text="attention from patch")
        seen.add((title.inner_text(), canvas(explorer)))
    assert len(seen) == 3 and len(sent) == messages
    frame.press("ArrowRight")
    token = explorer.locator('th [data-token="2"]')
    token.hover()
    explorer.locator("figcaption", has_text=f"attention from “{token.inner_text()}”").wait_for()


def rows_and_masks_are_linked(explorer: Any) -> None:
    rows = explorer.locator("tr[data-mask]")
    drawn = "nodes => nodes.filter(node => node.style.display !== 'none').length"
    lines = explorer.locator(".zsris-stage > svg > g:not(:first-child)")
    before = lines.evaluate_all(drawn)
    rows.last.hover()
    waits(explorer, lambda: lines.evaluate_all(drawn) == before + 1)
    rows.last.press("Enter")
    explorer.locator(".zsris-note").first.hover()
    waits(explorer, lambda: rows.last.get_attribute("aria-pressed") == "true")
    order = rows.evaluate_all("rows => rows.map(row => row.dataset.mask)")
    explorer.get_by_role("button", name="mask", exact=True).click()
    ordered = rows.evaluate_all("rows => rows.map(row => row.dataset.mask)")
    assert ordered == sorted(order, key=int)
    explorer.get_by_role("button", name="zoom in").first.click()
    waits(explorer, lambda: "scale(2)" in (explorer.locator(".zsris-stage").first.get_attribute("style") or ""))


def photographs_are_taken(page: Any, folder: Path, artefacts: Path) -> None:
    """A large photograph is made smaller in the page, a text file is refused, a drop and an example are taken."""
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    blocks = colours.resize((4000, 3000), Image.Resampling.NEAREST)
    noise = rng.integers(-20, 20, (3000, 4000, 1), dtype=np.int16)
    grain = Image.fromarray((np.asarray(blocks).astype(np.int16) + noise).clip(0, 255).astype(np.uint8))
    grain.save(folder / "large.jpg", quality=98)
    assert (folder / "large.jpg").stat().st_size > 8_000_000  # more than the page sends as it is
    page.set_input_files("input[type=file]", folder / "large.jpg")
    page.locator(".zsris-status", has_text="4000 x 3000 pixels, made smaller: 1024 x 768").wait_for()
    page.locator(".zsris-badge:visible").first.wait_for()  # the miniature on a photograph
    page.screenshot(path=artefacts / "photograph.png", full_page=True)
    captions_are_cancelled(page, artefacts)
    (folder / "words.txt").write_text("no image")
    page.set_input_files("input[type=file]", folder / "words.txt")
    page.locator(".zsris-status", has_text="not an image that can be read").wait_for()
    buffer = io.BytesIO()
    blocks.resize((80, 60)).save(buffer, "png")
    page.evaluate(
        """content => {
            const carried = new DataTransfer();
            carried.items.add(new File([new Uint8Array(content)], "dropped.png", {type: "image/png"}));
            document.querySelector(".zsris-page-bar").dispatchEvent(new DragEvent("drop", {dataTransfer: carried}));
        }""",
        list(buffer.getvalue()),
    )
    page.locator(".zsris-status", has_text="dropped.png").wait_for()
    page.get_by_text("examples", exact=True).click()
    page.locator('[data-example="chelsea"] img').scroll_into_view_if_needed()
    page.screenshot(path=artefacts / "examples.png")
    page.locator('[data-example="scene-7"]').click()
    page.wait_for_function("location.hash.includes('scene-7')")


def captions_are_cancelled(page: Any, artefacts: Path) -> None:
    """TAS captions every region; the count moves, and what was shown before stays after "cancel"."""
    page.get_by_role("tab", name="Methods").click()
    methods = page.locator(".zsris-methods")
    methods.locator("tr[data-mask]").first.wait_for()
    methods.locator(".zsris-progress").wait_for(state="hidden")
    methods.get_by_label("method", exact=True).select_option("tas")
    methods.locator(".zsris-progress", has_text="captions").wait_for()
    methods.screenshot(path=artefacts / "captions.png")
    methods.get_by_role("button", name="cancel").click()
    methods.locator(".zsris-message", has_text="was cancelled").wait_for()
    assert methods.get_by_label("method", exact=True).input_value() != "tas"
    methods.locator(".zsris-note", has_text="Choice: mask").wait_for()


def copied_code(explorer: Any) -> str:
    explorer.get_by_role("button", name="copy as code").click()
    code = explorer.locator(".zsris-code")
    code.wait_for()
    text = code.inner_text()
    ast.parse(text)
    return text


def note(explorer: Any) -> str:
    return explorer.locator(".zsris-note").first.inner_text()


def canvas(explorer: Any) -> str:
    """A text that changes with the pixels of the pictures."""
    return explorer.locator(".zsris-frame canvas").evaluate_all("all => all.map(one => one.toDataURL()).join()")


def type_into(explorer: Any, place: int, text: str, message: str | None = None) -> None:
    """Type an expression; the maps must change, or a message appear."""
    box = explorer.locator("input[type=text]").nth(place)
    before = canvas(explorer)
    box.fill(text)
    box.press("Enter")
    if message is not None:
        explorer.locator(".zsris-message", has_text=message).wait_for()
    else:
        waits(explorer, lambda: canvas(explorer) != before and not explorer.locator(".zsris-message").inner_text())


def drawn(explorer: Any) -> int:
    """How many frames the explorer's board has drawn."""
    return int(explorer.locator(".zsris-board").get_attribute("data-frames") or 0)


def kernels(process: Any) -> list[Any]:
    """The kernels below a process of `zsris explore`."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "ipykernel_launcher" in child.cmdline()]


def settles(explorer: Any, value: Callable[[], int], seconds: float = 0.5) -> None:
    """Wait until a value has not changed for a while."""
    while True:
        before = value()
        explorer.page.wait_for_timeout(1000 * seconds)
        if value() == before:
            return


def waits(explorer: Any, holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds."""
    for _ in range(int(seconds * 20)):
        if holds():
            return
        explorer.page.wait_for_timeout(50)
    raise AssertionError(f"it did not hold within {seconds} s")


def no_error(page: Any) -> None:
    """No cell has ended in an error, and no widget could not be shown."""
    shown = page.content()
    assert "application/vnd.jupyter.error" not in shown and "Traceback (most recent call last)" not in shown
    assert "Error displaying widget" not in shown and "Error creating widget" not in shown
