"""Write `index.html`: every figure and table as a card, by notebook and by paper, with search and a light-box."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from zsris_viz.io.atomic import write_text
from zsris_viz.outputs import PICTURES, TABLES
from zsris_viz.provenance import commit, versions
from zsris_viz.reproduce.plan import FigureEntry, NotebookRun

ROWS_SHOWN = 30
FORMAT_TITLES = {".tex": "LaTeX"}
PROVENANCE_FIRST = ("model", "data", "seconds", "commit", "made", "versions", "parameters")
PROVENANCE_HIDDEN = ("name", "kind", "title", "notebook", "files")
TEMPLATE = Path(__file__).with_name("index.html.jinja")


def write_index(output: Path, runs: Sequence[NotebookRun]) -> Path:
    """Write the index page over all runs, finished or not. Links are relative and nothing is loaded from elsewhere.

    Args:
        output: Folder with `figures/`, `tables/` and `notebooks/`.
        runs: Every run of `figures.yaml`, in order.

    Returns:
        The path of the page.
    """
    from jinja2 import Environment

    made = [f"{datetime.now().astimezone():%Y-%m-%d %H:%M}", commit() and f"commit {commit()}"]
    made += [f"{name} {number}" for name, number in versions().items()]
    notebooks = [_notebook(output, run) for run in runs]
    papers = sorted({card["paper_name"] for notebook in notebooks for card in notebook["cards"] if card["paper_name"]})
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    target = output / "index.html"
    write_text(target, template.render(made=" · ".join(filter(None, made)), notebooks=notebooks, papers=papers))
    return target


def _notebook(output: Path, run: NotebookRun) -> dict[str, Any]:
    """Return the section of one notebook: its state, its pages and its cards."""
    state = _read_json(output / ".state" / f"{run.name}.json")
    files = [f"notebooks/{run.name}.html", f"notebooks/{run.name}.ipynb", f"failed/{run.name}.ipynb"]
    return {
        "name": run.name,
        "title": run.name.replace("_", " "),
        "entry_id": run.entries[0].id,
        "state": state,
        "links": [(name, _page_title(name)) for name in files if (output / name).is_file()],
        "parameters": _pairs(state.get("parameters") or {}),
        "partial_runs": _partial_runs(output, run),
        "error": state.get("error") if state.get("status") == "failed" else None,
        "cards": _cards(output, run),
    }


def _page_title(name: str) -> str:
    return "read" if name.endswith("html") else name


def _partial_runs(output: Path, run: NotebookRun) -> list[dict[str, Any]]:
    """Return the runs that made only a part of the notebook's outputs."""
    found = []
    for path in sorted((output / ".state").glob(f"{run.name}--*.json")):
        state, page = _read_json(path), f"notebooks/{path.stem}.html"
        if state.get("status") == "done" and (output / page).is_file():
            parameters = {name: value for name, value in state["parameters"].items() if name != "only"}
            found.append(
                {"page": page, "name": path.stem, "seconds": state["seconds"], "parameters": _pairs(parameters)}
            )
    return found


def _cards(output: Path, run: NotebookRun) -> list[dict[str, Any]]:
    """Return one card for each output name of an entry; a figure and a table of the same name share a card."""
    cards: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in run.entries:
        for stem in entry.outputs:
            name = stem.partition("/")[2]
            card = cards.setdefault((entry.id, name), _new_card(run, entry))
            _add_output(output, card, stem)
    for card in cards.values():
        card["kind"] = " ".join(kind for kind in ("figure", "table") if card[kind])
        words = [card["title"], card["entry_title"], card["paper"], card["id"], *card["missing"], *card["names"]]
        card["text"] = " ".join(filter(None, words)).lower()
    return list(cards.values())


def _new_card(run: NotebookRun, entry: FigureEntry) -> dict[str, Any]:
    paper = entry.paper or ""
    return {
        "id": entry.id, "title": entry.title, "entry_title": entry.title, "notebook": run.name,
        "paper": paper, "paper_name": paper.partition(",")[0].strip(),
        "figure": None, "table": None, "files": [], "missing": [], "names": [], "provenance": [], "summary": "",
    }  # fmt: skip


def _add_output(output: Path, card: dict[str, Any], stem: str) -> None:
    """Add one figure or table to its card."""
    card["names"].append(stem)
    is_table = stem.startswith("tables/")
    if not (output / f"{stem}.{'csv' if is_table else 'png'}").is_file():
        card["missing"].append(stem)
        return
    facts = _read_json(output / f"{stem}.json")
    if facts.get("title") and (not is_table or not card["figure"]):
        card["title"] = facts["title"]
    if is_table:
        card["table"] = _table(output / f"{stem}.csv")
    else:
        card["figure"] = f"{stem}.png"
        card["alt"] = facts.get("alt") or facts.get("title") or card["title"]
    suffixes = TABLES if is_table else tuple(PICTURES)
    card["files"] += [
        (f"{stem}{suffix}", FORMAT_TITLES.get(suffix, suffix[1:].upper()))
        for suffix in suffixes
        if (output / f"{stem}{suffix}").is_file()
    ]
    if facts and not card["provenance"]:
        card["provenance"] = _provenance(facts)
        summary = [str(facts[key]) for key in ("model", "data") if facts.get(key)]
        card["summary"] = " · ".join([*summary, f"{facts.get('seconds', '?')} s"])


def _provenance(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the provenance of an output; entries that a notebook adds come last."""
    own = [key for key in facts if key not in (*PROVENANCE_FIRST, *PROVENANCE_HIDDEN)]
    rows = []
    for key in (*PROVENANCE_FIRST, *own):
        value = facts.get(key)
        if value not in (None, {}, ""):
            rows.append((key, _pairs(value) if isinstance(value, Mapping) else str(value)))
    return rows


def _table(path: Path) -> dict[str, Any] | None:
    """Return the first rows of a CSV file, rounded for reading; None if it is empty."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows:
        return None
    head, body = rows[0], rows[1:]
    numeric = [
        bool(body) and all(_is_number(row[i]) for row in body if i < len(row) and row[i]) for i in range(len(head))
    ]
    shown = [
        [(_rounded(cell) if numeric[i] else cell, numeric[i]) for i, cell in enumerate(row[: len(head)])]
        for row in body[:ROWS_SHOWN]
    ]
    return {
        "head": list(zip(head, numeric, strict=True)),
        "rows": shown,
        "count": len(body),
        "more": max(0, len(body) - ROWS_SHOWN),
    }


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rounded(text: str) -> str:
    """Return a number with at most three significant digits after the integer part; the CSV keeps them all."""
    if not text or text.lstrip("-").isdigit():
        return text
    value = float(text)
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{value:.3g}"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" if name[:1].isalpha() else str(value) for name, value in values.items())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
