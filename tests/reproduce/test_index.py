"""The index page: one card for a figure and a table of one name, rounded numbers, search, filter and light-box."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.browser.servers import BROWSER, browser_page
from zsris_viz.reproduce.index import _rounded, write_index
from zsris_viz.reproduce.plan import FigureEntry, NotebookRun


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0.123456", "0.123"),
        ("12.3456", "12.35"),
        ("123.456", "123"),
        ("7", "7"),
        ("-0.00002", "-2e-05"),
        ("2.5", "2.5"),
        ("1.0", "1"),
        ("", ""),
        ("nan", "nan"),
        ("20", "20"),
    ],
)
def test_rounded(text: str, shown: str) -> None:
    assert _rounded(text) == shown


def sample(folder: Path) -> Path:
    """An index over two entries of one notebook, one of them not made."""
    for kind in ("figures", "tables"):
        (folder / kind).mkdir(parents=True)
    (folder / "figures/scores.png").write_bytes(b"")
    (folder / "figures/scores.json").write_text(json.dumps({"title": "Scores <b>", "model": "m", "alt": "Two bars."}))
    (folder / "tables/scores.csv").write_text("method,miou\na,12.3456\nb,7\n")
    entries = (
        FigureEntry(
            id="scores",
            title="All scores",
            notebook="01",
            outputs=("figures/scores", "tables/scores"),
            paper="TAS, Table 3",
        ),
        FigureEntry(id="later", title="Made later", notebook="01", outputs=("figures/later",)),
    )
    return write_index(folder, [NotebookRun("01", folder / "01.ipynb", {}, entries)])


def test_figure_and_table_of_one_name_share_a_card(tmp_path: Path) -> None:
    page = sample(tmp_path).read_text()
    assert page.count("<article") == 2
    card = page[page.index("<article") : page.index("</article>")]
    assert 'data-kind="figure table"' in card and 'data-paper="TAS"' in card
    assert "Scores &lt;b&gt;" in card and 'alt="Two bars."' in card
    assert "12.35" in card and "Table, 2 rows" in card
    assert "Not made yet (figures/later)" in page


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine: apt-get install chromium")
def test_search_filter_and_light_box_in_a_browser(tmp_path: Path) -> None:
    with browser_page(tmp_path / "failed.png") as page:
        page.goto(sample(tmp_path).as_uri())
        assert page.inner_text("#count") == "2 of 2"
        page.fill("#search", "table 3")
        assert page.inner_text("#count") == "1 of 2"
        page.click("#by-paper")
        assert page.inner_text("#paper-view h2 >> nth=0") == "TAS"
        page.click("button.thumb")
        assert page.inner_text("#caption") == "Scores <b>"
        page.keyboard.press("Escape")
        page.fill("#search", "")
        page.select_option("#kind", "table")
        assert page.inner_text("#count") == "1 of 2"
        page.click("#by-notebook")
        assert page.locator("article:visible").count() == 1
