"""Turn an executed notebook into one HTML page that needs no network.

The page holds equations as MathML, which browsers draw themselves, so no script has to be bundled or fetched. An
interactive output, which needs a kernel or a script, is replaced by a line that says so; the notebooks draw a static
figure beside each. Cells tagged `hide-input` are folded.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

WIDGET = "application/vnd.jupyter.widget-view+json"
PLOTLY = "application/vnd.plotly.v1+json"
INTERACTIVE = "*Interactive output: open this notebook in JupyterLab to use it. The figure beside it shows the same.*"
# A line that a progress bar leaves behind, such as " 40%|####      | 4/10 [00:01<00:02]".
_PROGRESS = re.compile(r"^.*\d+%\|.*\|.*$\n?", re.M)
_DISPLAY = re.compile(r"\$\$(.+?)\$\$", re.S)
_INLINE = re.compile(r"(?<![\\$\w])\$(?!\s)([^$\n]+?|[^$\n]*\n[^$\n]*?)(?<!\s)\$(?![\d$])")
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.S)
_ARG = re.compile(r"\\arg(?![a-z])")  # which latex2mathml does not know
_BOLD = re.compile(r'<mi mathvariant="bold">([A-Za-z])</mi>')
_MARKDOWN_CHARACTERS = {ord(mark): f"&#{ord(mark)};" for mark in "*_`|~[]\\"}
TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_css -%}
<style>
details.zsris-code > summary { cursor: pointer; font-size: .8rem; opacity: .7; padding: .2rem 0 .2rem 1rem }
math { font-size: 1.06em } math[display=block] { margin: .8em 0; overflow-x: auto }
img { max-width: 100% }
</style>
{%- endblock -%}
{%- block input_group -%}
{%- if 'hide-input' in cell.metadata.get('tags', []) -%}
<details class="zsris-code"><summary>Code of this step</summary>{{ super() }}</details>
{%- else -%}{{ super() }}{%- endif -%}
{%- endblock -%}
"""


def write_page(executed: Path, page: Path) -> None:
    """Write the executed notebook as one HTML page.

    Args:
        executed: The executed notebook, `.ipynb`.
        page: Path of the page to write.
    """
    import nbformat
    from nbconvert import HTMLExporter

    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["title"] = page_title(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = markdown_with_mathml(cell.source)
        elif cell.cell_type == "code":
            cell.outputs = static_outputs(cell.outputs)
    exporter = HTMLExporter()
    exporter.raw_template = TEMPLATE
    body, _ = exporter.from_notebook_node(notebook)
    page.write_text(body, encoding="utf-8")


def page_title(notebook: Any) -> str:
    """Return the notebook's first heading, or "Notebook" if it has none."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (found := re.search(r"^#\s+(.+)$", cell.source, re.M)):
            return found.group(1).strip()
    return "Notebook"


def static_outputs(outputs: list[Any]) -> list[Any]:
    """Return a cell's outputs without progress bars, and with a line in place of what needs a kernel or a script."""
    from nbformat.v4 import new_output

    kept = []
    for output in outputs:
        if output.output_type == "stream":
            text = _PROGRESS.sub("", output.text.replace("\r", "\n"))
            if text.strip():
                kept.append(new_output("stream", name=output.name, text=text))
        elif _needs_script(output.get("data", {})):
            kept.append(new_output("display_data", data={"text/markdown": INTERACTIVE}))
        else:
            data = output.get("data", {})
            if "text/markdown" in data:
                data["text/markdown"] = markdown_with_mathml("".join(data["text/markdown"]))
            kept.append(output)
    return kept


def _needs_script(data: dict[str, Any]) -> bool:
    pictures = any(kind.startswith("image/") for kind in data)
    return (WIDGET in data or PLOTLY in data) and not pictures


def markdown_with_mathml(text: str) -> str:
    """Replace the TeX formulas of a Markdown text by MathML. Code spans and code blocks stay as they are."""
    pieces = _CODE.split(text)
    for index in range(0, len(pieces), 2):
        piece = _DISPLAY.sub(lambda found: _mathml(found.group(1), "block"), pieces[index])
        pieces[index] = _INLINE.sub(lambda found: _mathml(found.group(1), "inline"), piece)
    return "".join(pieces)


def _mathml(formula: str, display: str) -> str:
    """Convert one formula. Characters that mean something in Markdown are written as entities."""
    from latex2mathml.converter import convert

    markup = convert(_ARG.sub(r"\\operatorname{arg}", " ".join(formula.split())), display=display)
    markup = _BOLD.sub(lambda found: f"<mi>{_bold(found.group(1))}</mi>", markup)
    parts = re.split(r"(<[^>]*>)", markup)
    return "".join(part if part.startswith("<") else part.translate(_MARKDOWN_CHARACTERS) for part in parts)


def _bold(letter: str) -> str:
    """Return the mathematical bold letter, since browsers ignore `mathvariant="bold"`."""
    return chr((0x1D400 - ord("A") if letter.isupper() else 0x1D41A - ord("a")) + ord(letter))
