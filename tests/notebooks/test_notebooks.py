"""Every notebook: its form, and a run with the small parameters of figures.yaml that makes what is promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebooks.fork import execute
from zsris_viz.reproduce import NotebookRun, load_entries, reproduce, runs_of
from zsris_viz.reproduce.parameters import check_parameters, read_notebook, read_parameters

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
SECONDS = 300


def runs(*, test: bool) -> list[NotebookRun]:
    return runs_of(load_entries(NOTEBOOKS), NOTEBOOKS, test=test)


def named(path: Path) -> str:
    return path.stem


@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("path", PATHS, ids=named)
def test_notebook_makes_what_it_promises(path: Path, tmp_path: Path) -> None:
    declared = {output for run in runs(test=True) for output in run.outputs}
    wanted = [run for run in runs(test=True) if run.notebook == path]
    assert wanted, "no entry of figures.yaml names this notebook"
    for number, run in enumerate(wanted):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = folder / "outputs"
        failure = execute(path, {**run.parameters, "output_dir": str(made)}, folder, SECONDS)
        assert not failure, failure
        for output in run.outputs:
            suffix = ".png" if output.startswith("figures/") else ".csv"
            assert (made / f"{output}{suffix}").stat().st_size > 0
            assert (made / f"{output}.json").is_file(), f"{output} has no provenance: write it with Outputs"
        written = {file.relative_to(made).with_suffix("").as_posix() for file in made.rglob("*") if file.is_file()}
        assert not written - declared, "written, but not in figures.yaml"


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("path", PATHS, ids=named)
def test_notebook_runs_with_papermill(path: Path, tmp_path: Path) -> None:
    report = reproduce([path.stem], notebooks=NOTEBOOKS, output=tmp_path, test=True, timeout=SECONDS)
    for result in report.results:
        assert result.failure is None, f"{result.failure}\n{result.failure.traceback if result.failure else ''}"
        assert not result.undeclared, "written, but not in figures.yaml"
        assert (tmp_path / "notebooks" / f"{result.run.name}.html").stat().st_size > 0
        for name in result.run.files:
            assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_notebook_form(path: Path) -> None:
    """One cell of parameters, a kernel that everybody has, and nothing of anybody's last run."""
    parameters = read_parameters(path)
    assert parameters["output_dir"] == "outputs"
    book = read_notebook(path)
    assert book.metadata.kernelspec.name == "python3"
    assert book.cells[0].cell_type == "markdown" and book.cells[0].source.startswith("# ")
    for cell in book.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None, f"committed with outputs: {cell.source[:60]}"
            assert "papermill" not in cell.metadata
    tagged = next(c for c in book.cells if "parameters" in c.metadata.get("tags", []))
    lines = [line for line in tagged.source.splitlines() if "=" in line.split("#")[0]]
    assert all("#" in line for line in lines), "each parameter has a comment"


def test_figures_yaml_fits_the_notebooks() -> None:
    for test in (False, True):
        for run in runs(test=test):
            check_parameters(run.notebook, run.parameters)
    assert {run.notebook for run in runs(test=False)} == set(PATHS)


def test_the_notebooks_of_the_papers_tables_take_the_same_parameters() -> None:
    ablations, figures = (read_parameters(NOTEBOOKS / f"{name}.ipynb") for name in ("10_ablations", "11_paper_figures"))
    assert list(ablations) == list(figures)  # one command can ask for tables of both
