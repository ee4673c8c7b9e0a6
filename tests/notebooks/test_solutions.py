"""The hidden solutions of the exercises run, each in its notebook after everything else."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from zsris_viz.reproduce import load_entries, runs_of
from zsris_viz.reproduce.parameters import read_notebook

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
RUNS = {run.notebook.stem: run for run in runs_of(load_entries(NOTEBOOKS), NOTEBOOKS, test=True)}
DETAILS = re.compile(r"<details>.*?</details>", re.DOTALL)
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def solutions(path: Path) -> list[str]:
    """Code of every solution, in order."""
    texts = [cell.source for cell in read_notebook(path).cells if cell.cell_type == "markdown"]
    return [code for text in texts for details in DETAILS.findall(text) for code in CODE.findall(details)]


@pytest.mark.parametrize("name", sorted(RUNS))
def test_every_notebook_has_exercises_with_solutions(name: str) -> None:
    assert len(solutions(RUNS[name].notebook)) >= 2
    for code in solutions(RUNS[name].notebook):
        compile(code, name, "exec")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(RUNS))
def test_solutions_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ipykernel.kernelspec import write_kernel_spec
    from nbclient import NotebookClient

    write_kernel_spec(str(tmp_path / "jupyter" / "kernels" / "python3"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    book = read_notebook(RUNS[name].notebook)
    given = {**RUNS[name].parameters, "output_dir": str(tmp_path / "outputs")}
    place = next(i for i, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", []))
    values = "\n".join(f"{key} = {value!r}" for key, value in given.items())
    book.cells.insert(place + 1, nbformat.v4.new_code_cell(values))
    book.cells += [nbformat.v4.new_code_cell(code) for code in solutions(RUNS[name].notebook)]
    NotebookClient(book, timeout=500, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
