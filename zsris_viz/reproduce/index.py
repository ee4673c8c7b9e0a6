"""`index.html`: every figure and table with a thumbnail, its files and where its numbers come from."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from zsris_viz.io.atomic import write_text
from zsris_viz.outputs import PICTURES, TABLES, commit, versions
from zsris_viz.reproduce.plan import FigureEntry, NotebookRun

ROWS_SHOWN = 30
FORMATS = {".tex": "LaTeX"}
TOLD = ("model", "data", "seconds", "commit", "made", "versions", "parameters")
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: #2563b8 }
@media (prefers-color-scheme: dark) { :root { --link: #8ab8f5 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1.2rem }
a { color: var(--link) } h1 { margin-bottom: 0 } h2 { margin: 0 } h3 { font-size: 1rem; margin: 0 }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 1rem 0 2rem }
section { border-top: 1px solid var(--line); padding: 1.2rem 0 1.8rem }
.entries { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1.2rem; margin-top: 1rem }
article { border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; min-width: 0 }
article.wide { grid-column: 1 / -1 }
article img { width: 100%; max-height: 20rem; object-fit: contain; background: #fff; margin: .5rem 0 }
.scroll { overflow-x: auto; margin: .5rem 0 } table { border-collapse: collapse; font-size: .85rem }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
.note, details, dl { font-size: .85rem } .note { opacity: .75; margin: .2rem 0 }
.failed { color: #b3261e; font-weight: 600 } @media (prefers-color-scheme: dark) { .failed { color: #ff8a80 } }
dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem 1rem; margin: .4rem 0 } dt { opacity: .7 }
dd { margin: 0; overflow-wrap: anywhere }
pre { overflow-x: auto; background: var(--soft); padding: .6rem; font-size: .8rem }
"""


def write_index(place: Path, runs: Sequence[NotebookRun]) -> Path:
    """Write `index.html` over all runs, made or not; links are relative, nothing is loaded from elsewhere."""
    sections = [_section(place, run) for run in runs]
    links = "".join(f'<a href="#{escape(run.name)}">{escape(run.name)}</a>' for run in runs)
    told = " · ".join(filter(None, [
        f"{datetime.now().astimezone():%Y-%m-%d %H:%M}", commit() and f"commit {commit()}",
        *(f"{name} {number}" for name, number in versions().items()),
    ]))  # fmt: skip
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>zsris_viz: figures and tables</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f'<h1>Figures and tables</h1><p class="note">{escape(told)}</p><nav>{links}</nav>'
        + ("".join(sections) or "<p>figures.yaml has no entries.</p>")
        + "</body></html>\n"
    )
    target = place / "index.html"
    write_text(target, page)
    return target


def _section(place: Path, run: NotebookRun) -> str:
    state = _json(place / ".state" / f"{run.name}.json")
    parts = [
        f'<section id="{escape(run.name)}"><h2>{escape(run.name)}</h2>',
        f'<p class="note">{_status(place, run, state)}</p>{_parts(place, run)}',
    ]
    if state.get("status") == "failed":
        error = state["error"]
        where = f"Cell {error['cell']}: " if error.get("cell") else ""
        parts.append(
            f'<p class="failed">Failed. {escape(where + error["message"])}</p><details><summary>Traceback</summary>'
            f"<pre>{escape(error.get('traceback', ''))}</pre></details>"
        )
    parts += [
        '<div class="entries">',
        *(_article(place, entry, output) for entry in run.entries for output in entry.outputs),
    ]
    return "".join([*parts, "</div></section>"])


def _status(place: Path, run: NotebookRun, state: Mapping[str, Any]) -> str:
    if not state:
        return f"Not made yet: zsris reproduce {escape(run.entries[0].id)}"
    files = [f"notebooks/{run.name}.html", f"notebooks/{run.name}.ipynb", f"failed/{run.name}.ipynb"]
    words = [_link(name, "read" if name.endswith("html") else name) for name in files if (place / name).is_file()]
    words.append(f"{state['seconds']:.0f} s")
    if state["parameters"]:
        words.append(escape(_pairs(state["parameters"])))
    return " · ".join(words)


def _parts(place: Path, run: NotebookRun) -> str:
    """A line for each run that made a part of this one's outputs alone."""
    lines = []
    for path in sorted((place / ".state").glob(f"{run.name}--*.json")):
        state, page = _json(path), f"notebooks/{path.stem}.html"
        if state.get("status") == "done" and (place / page).is_file():
            shown = {name: value for name, value in state["parameters"].items() if name != "only"}
            told = [_link(page, path.stem), f"{state['seconds']:.0f} s", *([escape(_pairs(shown))] if shown else [])]
            lines.append(f'<p class="note">Made alone: {" · ".join(told)}</p>')
    return "".join(lines)


def _article(place: Path, entry: FigureEntry, output: str) -> str:
    told = _json(place / f"{output}.json")
    title = escape(told.get("title") or entry.title)
    paper = f'<p class="note">After {escape(entry.paper)}</p>' if entry.paper else ""
    table = output.startswith("tables/")
    first = place / f"{output}.{'csv' if table else 'png'}"
    if not first.is_file():
        return f'<article><h3>{title}</h3>{paper}<p class="note">Not made yet ({escape(output)}).</p></article>'
    if table:
        shown = _table(first)
        suffixes: tuple[str, ...] = TABLES
    else:
        picture = f'<img src="{escape(output)}.png" alt="{title}" loading="lazy">'
        shown = f'<a href="{escape(output)}.png">{picture}</a>'
        suffixes = tuple(PICTURES)
    links = " · ".join(
        _link(f"{output}{suffix}", FORMATS.get(suffix, suffix[1:].upper()))
        for suffix in suffixes
        if (place / f"{output}{suffix}").is_file()
    )
    return (
        f"<article{' class=wide' if table else ''}><h3>{title}</h3>{paper}{shown}"
        f'<p class="note">{links} · {escape(entry.id)}</p>{_provenance(told)}</article>'
    )


def _provenance(told: Mapping[str, Any]) -> str:
    """Model, data and seconds in sight, the rest behind a click; what a notebook adds of its own comes last."""
    if not told:
        return '<p class="note">No provenance was written.</p>'
    own = [key for key in told if key not in (*TOLD, "name", "kind", "title", "notebook", "files")]
    items = []
    for key in (*TOLD, *own):
        value = told.get(key)
        if value not in (None, {}, ""):
            text = _pairs(value) if isinstance(value, Mapping) else str(value)
            items.append(f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>")
    short = " · ".join(escape(str(told[key])) for key in ("model", "data") if told.get(key))
    summary = f"{short or 'Provenance'} · {told.get('seconds', '?')} s"
    return f"<details><summary>{summary}</summary><dl>{''.join(items)}</dl></details>"


def _table(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows:
        return ""
    head, body = rows[0], rows[1:]
    numeric = [
        bool(body) and all(_is_number(row[i]) for row in body if i < len(row) and row[i]) for i in range(len(head))
    ]

    def cells(row: Sequence[str], tag: str) -> str:
        marks = [' class="number"' if i < len(numeric) and numeric[i] else "" for i in range(len(row))]
        return "".join(f"<{tag}{mark}>{escape(cell)}</{tag}>" for cell, mark in zip(row, marks, strict=True))

    lines = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in body[:ROWS_SHOWN])
    more = f'<p class="note">{len(body) - ROWS_SHOWN} more rows in the CSV.</p>' if len(body) > ROWS_SHOWN else ""
    return f'<div class="scroll"><table><tr>{cells(head, "th")}</tr>{lines}</table></div>{more}'


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _link(name: str, text: str) -> str:
    return f'<a href="{escape(name)}">{escape(text)}</a>'


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" if name[:1].isalpha() else str(value) for name, value in values.items())


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
