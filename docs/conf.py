"""Sphinx configuration of the book: executed notebooks as chapters, how-to pages, API and command-line reference."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from importlib.metadata import version as installed_version
from pathlib import Path

import nbformat

import zsris_viz
from zsris_viz.reproduce.pages import markdown_with_mathml, static_outputs
from zsris_viz.reproduce.plan import load_entries

ROOT = Path(__file__).resolve().parent.parent
# Executed notebooks come from an earlier `make figures`; nothing is executed while the book is built.
OUTPUT = Path(os.environ.get("ZSRIS_OUTPUT", ROOT / "outputs")).resolve()
DOCS = Path(__file__).parent
CHAPTERS = DOCS / "chapters"
GALLERY = DOCS / "gallery"
# Subpackages whose public names are listed in the reference, with their titles.
SUBPACKAGES = {
    "models": "Image-text models",
    "methods": "Methods",
    "datasets": "Datasets",
    "proposals": "Mask proposals",
    "language": "Language",
    "captioning": "Captions",
    "probes": "Probes",
    "evaluation": "Evaluation",
    "figures": "Figures",
    "explorers": "Explorers",
    "reproduce": "Reproduction of figures and tables",
}

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
html_theme_options = {"show_navbar_depth": 1, "use_download_button": False, "home_page_in_toc": True}
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["style.css"]

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
    target = DOCS / "reference" / "cli.md"
    words = ["-m", "typer", "zsris_viz.cli", "utils", "docs", "--name", "zsris", "--title", "The zsris command"]
    subprocess.run([sys.executable, *words, "--output", str(target)], check=True, capture_output=True)


def write_python_reference() -> None:
    """Write a page for each subpackage with its public names that the package itself does not export."""
    folder = DOCS / "reference" / "subpackages"
    folder.mkdir(exist_ok=True)
    for subpackage, title in SUBPACKAGES.items():
        module = importlib.import_module(f"zsris_viz.{subpackage}")
        documented = [
            name for name in module.__all__ if callable(getattr(module, name)) and name not in zsris_viz.__all__
        ]
        lines = [f"# {title}", "", "```{eval-rst}", f".. currentmodule:: zsris_viz.{subpackage}", ""]
        lines += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
        lines += [*(f"   {name}" for name in documented), "```", ""]
        (folder / f"{subpackage}.md").write_text("\n".join(lines), encoding="utf-8")


def write_gallery() -> None:
    """Write a page with the figures of an earlier `make figures`, by the paper that each one reproduces in kind."""
    GALLERY.mkdir(exist_ok=True)
    by_paper: dict[str, list[str]] = defaultdict(list)
    for entry in load_entries(ROOT / "notebooks"):
        paper = (entry.paper or "Figures of this package").partition(",")[0]
        for stem in entry.outputs:
            picture, facts = OUTPUT / f"{stem}.png", OUTPUT / f"{stem}.json"
            if picture.is_file() and facts.is_file():
                shutil.copyfile(picture, GALLERY / picture.name)
                by_paper[paper].append(
                    _gallery_card(picture.name, entry.notebook, json.loads(facts.read_text("utf-8")))
                )
    lines = ["# Gallery", ""]
    if not by_paper:
        lines += ["Run `make figures` before `make docs` to see all figures here.", ""]
    else:
        lines += ["Figures on the built-in models and the drawn world, by the paper that each reproduces in kind.", ""]
    for paper, cards in by_paper.items():
        lines += [f"## {paper}", "", "::::{grid} 1 2 3 3", ":gutter: 2", "", *cards, "::::", ""]
    (GALLERY / "index.md").write_text("\n".join(lines), encoding="utf-8")


def _gallery_card(name: str, notebook: str, facts: dict[str, object]) -> str:
    title = str(facts.get("title") or Path(name).stem)
    alt = " ".join(str(facts.get("alt") or title).split()).replace(":", " ")
    lines = [":::{grid-item-card} " + title, f":img-bottom: {name}", f":img-alt: {alt}"]
    lines += [f":link: ../chapters/{notebook}", ":link-type: doc", ":::", ""]
    return "\n".join(lines)


copy_chapters()
write_command_reference()
write_python_reference()
write_gallery()
