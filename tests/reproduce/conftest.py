"""Small notebooks and a figures.yaml of their own for each test."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

from zsris_viz.reproduce import executor as workshop

PARAMETERS = 'limit = 3  # scenes\nalpha = 0.95\nclip = "miniature"\nlayers = [1, 2]\noutput_dir = "outputs"'
DRAW = """
import matplotlib.pyplot as plt
import pandas as pd
from zsris_viz.outputs import Outputs
out = Outputs(output_dir, "{name}", model=clip, data="scenes val", parameters={{"limit": limit}})
fig, ax = plt.subplots(figsize=(2, 1)); ax.plot(range(limit))
out.figure(fig, "{name}-curve", title="A <curve>")
out.table(pd.DataFrame({{"method": ["a", "b"], "miou": [limit, 2.5]}}), "{name}-table")
print("wrote to", output_dir)
"""


class World:
    """A folder `notebooks/` and its figures.yaml."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notebooks = root / "notebooks"
        self.notebooks.mkdir()
        self.output = root / "outputs"
        self.entries: list[dict[str, Any]] = []

    def notebook(self, name: str, cells: Sequence[str], parameters: str | None = PARAMETERS) -> Path:
        """Write a notebook: a text cell, the cell tagged `parameters`, then `cells`."""
        book = nbformat.v4.new_notebook()
        book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        book.cells.append(nbformat.v4.new_markdown_cell(f"# {name}"))
        if parameters is not None:
            book.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        book.cells += [nbformat.v4.new_code_cell(textwrap.dedent(cell).strip()) for cell in cells]
        path = self.notebooks / f"{name}.ipynb"
        nbformat.write(book, path)
        return path

    def entry(self, notebook: str, **changes: Any) -> dict[str, Any]:
        """Add an entry; by default it makes a figure and a table named after the notebook."""
        entry = {
            "id": notebook.replace("_", "-"),
            "title": f"What {notebook} shows",
            "notebook": notebook,
            "outputs": [f"figures/{notebook}-curve", f"tables/{notebook}-table"],
            **changes,
        }
        self.entries.append(entry)
        self.write()
        return entry

    def write(self) -> None:
        """Write figures.yaml with the entries as they are now."""
        (self.notebooks / "figures.yaml").write_text(yaml.safe_dump({"figures": self.entries}))

    def good(self, name: str, **changes: Any) -> None:
        """A notebook that draws what its entry promises."""
        self.notebook(name, [DRAW.format(name=name)])
        self.entry(name, **changes)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty world."""
    return World(tmp_path)


FAKE_WORKER = """
import json, os, pathlib, sys, time
request = json.loads(pathlib.Path(sys.argv[1]).read_text())
name = pathlib.Path(request["notebook"]).stem
with open({log!r}, "a") as log:
    log.write(json.dumps([name, "start", time.time(), os.getpid(), request["parameters"]]) + "\\n")
{body}
made = pathlib.Path(request["parameters"]["output_dir"])
figure, table = "figures/%s-curve" % name, "tables/%s-table" % name
for file in (*(figure + end for end in (".png", ".svg", ".pdf", ".json")), table + ".csv", table + ".tex"):
    target = made / file
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("{{}}")
pathlib.Path(request["executed"]).write_text("{{}}")
pathlib.Path(request["page"]).write_text("page")
pathlib.Path(request["result"]).write_text(json.dumps({{"error": None, "seconds": 0.1}}))
with open({log!r}, "a") as log:
    log.write(json.dumps([name, "end", time.time(), os.getpid(), None]) + "\\n")
"""


@pytest.fixture
def fake_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Stand in for papermill; call it with Python lines to run before the promised files are written."""

    def install(body: str = "") -> Path:
        log = tmp_path / "worker.log"
        script = tmp_path / "fake_worker.py"
        script.write_text(FAKE_WORKER.format(log=str(log), body=body))
        monkeypatch.setattr(workshop, "WORKER", (sys.executable, "-S", str(script)))
        return log

    return install
