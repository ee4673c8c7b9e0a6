"""The explorers as people meet them: notebook 05 in JupyterLab and through Voila, and the page of `zsris explore`.

A headless Chromium moves the slider and types; pictures and measures must follow, and no cell may end in an error.
Screenshots go to the folder that the environment variable ZSRIS_ARTIFACTS names, else to the test's own folder.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.browser.servers import BROWSER, RUN, browser_page, explore, lab, shut_down_kernels
from zsris_viz.reproduce import load_entries, runs_of

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NAME = "05_layer_probes"
EXPLORER = ".zsris-explorer:has(.zsris-curve)"  # LayerExplorer is the one with a curve
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
    """Notebook 05 with the small parameters of figures.yaml, alone in a folder."""
    run = next(run for run in runs_of(load_entries(NOTEBOOKS), NOTEBOOKS, test=True) if run.notebook.stem == NAME)
    book = nbformat.read(run.notebook, as_version=4)
    given = {**run.parameters, "output_dir": str(tmp_path / "outputs")}
    place = next(i for i, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", []))
    lines = "\n".join(f"{name} = {value!r}" for name, value in given.items())
    book.cells.insert(place + 1, nbformat.v4.new_code_cell(lines))
    (tmp_path / "notebooks").mkdir()
    nbformat.write(book, tmp_path / "notebooks" / "small.ipynb")
    return tmp_path / "notebooks" / "small.ipynb"


def test_notebook_in_jupyterlab(notebook: Path, tmp_path: Path, artefacts: Path) -> None:
    with lab(notebook.parent, tmp_path) as (address, token), browser_page(artefacts / "failed.png") as page:
        page.goto(f"{address}/lab/tree/{notebook.name}?token={token}")
        page.wait_for_selector(IDLE)  # before that, JupyterLab would run nothing
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        explorer = page.locator(EXPLORER).first
        explorer.locator(".zsris-map img").wait_for(timeout=1000 * RUN)
        page.wait_for_selector(IDLE, timeout=1000 * RUN)
        used(page, explorer, artefacts, "lab")
        no_error(page)
        assert page.locator(".jp-InputPrompt", has_text="[*]").count() == 0

        picture = explorer.locator(".zsris-map img").get_attribute("src")
        assert shut_down_kernels(address, token) == 1
        explorer.get_by_role("slider").first.press("ArrowLeft")
        page.wait_for_timeout(1000)
        assert explorer.locator(".zsris-map img").get_attribute("src") == picture  # without a kernel, the last one
        no_error(page)


def test_notebook_through_voila(notebook: Path, tmp_path: Path, artefacts: Path) -> None:
    with (
        explore(tmp_path, "--notebook", str(notebook)) as (address, process, _),
        browser_page(artefacts / "failed.png") as page,
    ):
        page.goto(address, wait_until="commit")  # the page is whole only when every cell has run
        explorer = page.locator(EXPLORER).first
        explorer.locator(".zsris-map img").wait_for(timeout=1000 * RUN)
        used(page, explorer, artefacts, "voila")
        no_error(page)
    assert process.returncode == 0


def test_page_of_explorers(tmp_path: Path, artefacts: Path) -> None:
    """Every tab opens and answers to a click; an upload replaces the image; Ctrl-C leaves nothing behind."""
    with explore(tmp_path) as (address, process, log), browser_page(artefacts / "failed.png") as page:
        page.goto(address.split("?")[0])
        assert page.locator(EXPLORER).count() == 0 and "token" in page.content().lower()  # not without the token
        page.goto(address)
        explorer = page.locator(EXPLORER).first
        explorer.locator(".zsris-map img").wait_for()
        used(page, explorer, artefacts, "explore-layers")

        page.get_by_role("tab", name="Attention").click()
        attention = page.locator(".zsris-explorer:has(.zsris-tokens)")
        attention.locator(".zsris-looks img").wait_for()
        changes(attention, [".zsris-tokens"], lambda: attention.locator('.zsris-tokens [data-key="0,1"]').click())
        changes(attention, [".zsris-looks"], lambda: attention.locator(".zsris-looks img").click())
        attention.screenshot(path=artefacts / "explore-attention.png")

        page.get_by_role("tab", name="Methods").click()
        methods = page.locator(".zsris-explorer:has(.zsris-table)")
        methods.locator(".zsris-image img").wait_for()
        changes(methods, [".zsris-image"], lambda: methods.locator(".zsris-table tr[data-key]").last.click())
        row = methods.locator(".zsris-table tr[data-key]").last
        row.focus()
        changes(methods, [".zsris-image"], lambda: row.press("Enter"))  # without a mouse
        methods.screenshot(path=artefacts / "explore-methods.png")

        page.get_by_role("tab", name="Compare").click()
        compare = page.locator(".zsris-explorer:has(.zsris-difference)")
        compare.locator(".zsris-difference img").wait_for()
        changes(compare, [".zsris-difference"], lambda: type_into(compare, 1, "the thing on the left"))
        compare.screenshot(path=artefacts / "explore-compare.png")
        no_error(page)
    assert process.returncode == 0 and "stopping" in log.read_text()


def used(page: Any, explorer: Any, artefacts: Path, name: str) -> None:
    """Move the layer slider and type another expression: each time pictures and measures must change."""
    pictures = (".zsris-map", ".zsris-clusters", ".zsris-curve", ".zsris-told")
    explorer.scroll_into_view_if_needed()
    explorer.screenshot(path=artefacts / f"{name}-first.png")
    slider = explorer.get_by_role("slider").first
    first = explorer.locator(".zsris-told").inner_text()
    assert re.search(r"IoU of the first cluster \d\.\d{3}", first)
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight"):
        changes(explorer, pictures, lambda key=key: slider.press(key))
    moved = explorer.locator(".zsris-told").inner_text()
    assert layer_of(moved) == layer_of(first) - 1 and moved != first
    explorer.screenshot(path=artefacts / f"{name}-moved.png")

    # The curve has the IoU of every layer: another text, other numbers.
    changes(explorer, (".zsris-map", ".zsris-curve"), lambda: type_into(explorer, 0, "the big green tree"))
    changes(explorer, pictures, lambda: explorer.locator('.zsris-curve [data-key="1"]').click())
    assert layer_of(explorer.locator(".zsris-told").inner_text()) == 1

    picture = explorer.locator(".zsris-map img").get_attribute("src")
    type_into(explorer, 0, " ")
    message = explorer.locator(".zsris-message", has_text="The expression is empty")
    message.wait_for()
    assert explorer.locator(".zsris-map img").get_attribute("src") == picture
    changes(explorer, (".zsris-map", ".zsris-curve"), lambda: type_into(explorer, 0, "the red bus"))
    message.wait_for(state="detached")
    explorer.screenshot(path=artefacts / f"{name}-typed.png")


def layer_of(told: str) -> int:
    found = re.match(r"layer (\d+) of", told)
    assert found, told
    return int(found.group(1))


def type_into(explorer: Any, place: int, text: str) -> None:
    box = explorer.locator("input[type=text]").nth(place)
    box.fill(text)
    box.press("Enter")


def changes(explorer: Any, parts: Sequence[str], action: Any) -> None:
    """Do something, and wait until each of these parts of the explorer is drawn anew."""
    handles = [explorer.locator(part).element_handle() for part in parts]
    before = [handle.inner_html() for handle in handles]
    action()
    differ = "([parts, before]) => parts.every((part, place) => part.innerHTML !== before[place])"
    explorer.page.wait_for_function(differ, arg=[handles, before])


def no_error(page: Any) -> None:
    """No cell has ended in an error, and no widget could not be shown."""
    shown = page.content()
    assert "application/vnd.jupyter.error" not in shown and "Traceback (most recent call last)" not in shown
    assert "Error displaying widget" not in shown and "Error creating widget" not in shown
