"""Pages of executed notebooks: equations as MathML, no script from elsewhere, no frozen widget or progress bar."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from zsris_viz.reproduce.pages import INTERACTIVE, markdown_with_mathml, page_title, static_outputs, write_page

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_formula_of_the_notebooks_is_converted(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            converted = markdown_with_mathml(cell.source)
            inside = "".join(re.findall(r"<math.*?</math>", converted, re.S))
            assert not re.search(r"(\\|&#92;|&#x0005C;)[a-z]+", inside), cell.source
            assert "$" not in re.sub(r"```.*?```|`[^`]*`", "", converted, flags=re.S), cell.source


def test_formulas() -> None:
    assert "<mi>α</mi>" in markdown_with_mathml(r"weight $\alpha$ of") or "&#x003B1;" in markdown_with_mathml(
        r"$\alpha$"
    )
    assert 'display="block"' in markdown_with_mathml("$$x = 1$$")
    assert "\U0001d41f" in markdown_with_mathml(r"$\mathbf f$")
    assert markdown_with_mathml("a cost of 5$ and 6$ more") == "a cost of 5$ and 6$ more"
    assert markdown_with_mathml("`$x$` and ```\n$y$\n```") == "`$x$` and ```\n$y$\n```"
    assert "*" not in re.sub(r"<[^>]*>", "", markdown_with_mathml("$a * b * c$"))


def test_outputs_that_need_a_kernel_give_way_to_a_line() -> None:
    widget = new_output("display_data", data={"application/vnd.jupyter.widget-view+json": {}, "text/plain": "Box()"})
    figure = new_output("display_data", data={"image/png": "aGk=", "text/plain": "Figure"})
    bar = new_output("stream", name="stderr", text=" 40%|####  | 4/10 [00:01<00:02]\rdone\n")
    only_bar = new_output("stream", name="stderr", text="\r  0%|          | 0/30 [00:00<?, ?it/s]")
    kept = static_outputs([widget, figure, bar, only_bar])
    assert [output.output_type for output in kept] == ["display_data", "display_data", "stream"]
    assert kept[0].data == {"text/markdown": INTERACTIVE}
    assert kept[1].data["image/png"] == "aGk=" and kept[2].text.strip() == "done"


def test_page_needs_no_network_and_folds_tagged_cells(tmp_path: Path) -> None:
    cells = [
        new_markdown_cell("# Title of it\n\n$x^2$"),
        new_code_cell("hidden = 1", metadata={"tags": ["hide-input"]}),
        new_code_cell("shown = 1"),
    ]
    notebook = new_notebook(cells=cells, metadata={"widgets": {"state": {}}})
    nbformat.write(notebook, tmp_path / "a.ipynb")
    write_page(tmp_path / "a.ipynb", tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert "<title>Title of it</title>" in page and "<msup>" in page
    assert not re.search(r'<(script|link)[^>]*(src|href)="(https?:)?//', page)
    folded = re.findall(r'<details class="zsris-code">.*?</details>', page, re.S)
    assert len(folded) == 1 and "hidden" in folded[0]


def test_title_of_a_notebook_without_a_heading() -> None:
    assert page_title(new_notebook(cells=[new_code_cell("x")])) == "Notebook"
