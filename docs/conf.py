"""Sphinx configuration of the book: executed notebooks as chapters, how-to pages, API and command-line reference."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

import nbformat

from zsris_viz.reproduce.pages import markdown_with_mathml, static_outputs

ROOT = Path(__file__).resolve().parent.parent
# Executed notebooks come from an earlier `make figures`; nothing is executed while the book is built.
OUTPUT = Path(os.environ.get("ZSRIS_OUTPUT", ROOT / "outputs")).resolve()
CHAPTERS = Path(__file__).parent / "chapters"

project = "zsris_viz"
author = "zsris_viz contributors"
release = installed_version("zsris-viz")
copyright = f"2026, {author}"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
root_doc = "index"
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
html_theme = "sphinx_book_theme"
html_title = "zsris_viz"
html_theme_options = {"show_navbar_depth": 1, "use_download_button": True, "home_page_in_toc": True}
html_copy_source = False

nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}  # the pages load nothing from elsewhere
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings give types together with shapes and units
autodoc_member_order = "bysource"
napoleon_use_ivar = True
default_role = "code"


def copy_chapters() -> list[str]:
    """Copy the executed notebooks beside the other pages, with equations as MathML and without widgets.

    Returns:
        Their names without suffix, in order. Where a notebook was not executed, its source is the chapter.
    """
    CHAPTERS.mkdir(exist_ok=True)
    names = []
    for source in sorted((ROOT / "notebooks").glob("*.ipynb")):
        executed = OUTPUT / "notebooks" / source.name
        notebook = nbformat.read(executed if executed.is_file() else source, as_version=4)
        notebook.metadata.pop("widgets", None)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = markdown_with_mathml(cell.source)
            elif cell.cell_type == "code":
                cell.outputs = static_outputs(cell.outputs)
        nbformat.write(notebook, CHAPTERS / source.name)
        names.append(source.stem)
    return names


def write_command_reference() -> None:
    """Write the reference of the `zsris` command from the command's own help."""
    target = Path(__file__).parent / "reference" / "cli.md"
    words = ["-m", "typer", "zsris_viz.cli", "utils", "docs", "--name", "zsris", "--title", "The zsris command"]
    subprocess.run([sys.executable, *words, "--output", str(target)], check=True, capture_output=True)


copy_chapters()
write_command_reference()
