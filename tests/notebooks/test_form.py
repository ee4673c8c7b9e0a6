"""The form of a notebook: its parts, short cells, folded plumbing, and plain English."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from zsris_viz.reproduce.parameters import read_notebook

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
REWRITTEN: tuple[str, ...] = (
    "00_start_here",
    "01_mask_proposals",
    "02_baselines",
    "03_global_local",
    "04_tas",
    "05_layer_probes",
    "06_context_tokens",
    "07_copatch",
    "08_risclip",
    "09_evaluation",
    "10_ablations",
    "11_paper_figures",
    "12_hybridgl_and_beyond",
)
PATHS = [NOTEBOOKS / f"{name}.ipynb" for name in REWRITTEN]
MOST_LINES = 30
MOST_WIDTH = 120
OPENING = ("What you will learn", "Prerequisites", "Time")
# Names that do not say what a value is, words of private jargon, and claims that no sample can support.
ODD_NAMES = re.compile(r"\b(told|said|one|asked|look|looks|seen|spoken|lying|answer)\b")
ODD_WORDS = re.compile(r"\b(surely|beyond doubt|the seed has|its like|of no good|in ink|out of luck|mends)\b", re.I)


def cells(path: Path, kind: str) -> list[Any]:
    return [cell for cell in read_notebook(path).cells if cell.cell_type == kind]


def prose(path: Path) -> str:
    return "\n\n".join(cell.source for cell in cells(path, "markdown"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_parts_of_a_notebook(path: Path) -> None:
    first, *_ = cells(path, "markdown")
    for part in OPENING:
        assert f"**{part}" in first.source, f"the first cell says nothing about: {part}"
    headings = re.findall(r"^## +(.*)$", prose(path), re.M)
    for heading in ("Summary", "Exercises", "References"):
        assert heading in headings, f"no section {heading!r} among {headings}"
    assert headings.index("Summary") < headings.index("Exercises") < headings.index("References")
    assert re.search(r"\*\*Next\*\*: .*\]\(\d\d_\w+\.ipynb\)", prose(path)) or path.stem.startswith("12")
    references = prose(path).split("## References")[1]
    assert re.search(r"https://(arxiv\.org|doi\.org|openaccess|aclanthology|openreview|github)", references)
    code = "\n".join(cell.source for cell in cells(path, "code"))
    assert "get_pipeline(" in code, "no pipeline diagram"
    assert code.count("what_we_see(") >= 2, "results are not read"
    assert "<details>" in prose(path), "no solution of an exercise"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_cells_are_short_and_plumbing_is_folded(path: Path) -> None:
    for cell in cells(path, "code"):
        lines = cell.source.splitlines()
        assert len(lines) <= MOST_LINES, f"{len(lines)} lines: {cell.source[:80]}"
        assert all(len(line) <= MOST_WIDTH for line in lines), cell.source[:80]
        assert not re.search(r"\bout\.(figure|table)\(|note_source\(", cell.source), "use out.show"
        assert "interact(" not in cell.source, "use figure_with_controls: interact can stall an executed notebook"
        tags = cell.metadata.get("tags", [])
        if "parameters" not in tags and len(re.findall(r"^(?:from|import) ", cell.source, re.M)) > 4:
            assert "hide-input" in tags, f"imports are not folded: {cell.source[:80]}"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_names_and_words(path: Path) -> None:
    for cell in cells(path, "code"):
        code = re.sub(r"#.*|\"[^\"\n]*\"|'[^'\n]*'", "", re.sub(r'""".*?"""', "", cell.source, flags=re.S))
        assert not (found := ODD_NAMES.findall(code)), f"{found} in {cell.source[:80]}"
    text = prose(path) + "\n".join(cell.source for cell in cells(path, "code"))
    assert not (found := ODD_WORDS.findall(text)), found
