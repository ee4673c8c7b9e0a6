"""Real notebooks through papermill: what appears, what a failure looks like, what a second run does."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reproduce.conftest import DRAW, World
from zsris_viz.reproduce import Report, reproduce, runner

FAILS = "x = 1\nraise KeyError('no such layer')"


@pytest.fixture(scope="module", autouse=True)
def settled_package() -> Iterator[None]:
    """Keep the package's hash while somebody edits the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "package_hash", lambda extra: "package")
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Report, list[str]]:
    """Three notebooks, two at a time: a good one, one that fails, and one that writes less than promised."""
    world = World(tmp_path_factory.mktemp("world"))
    world.good("00_good", parameters={"limit": 4}, test_parameters={"alpha": 0.5}, paper="Table 3")
    world.notebook("01_fails", ["print('before')", FAILS, DRAW.format(name="01_fails")])
    world.entry("01_fails")
    world.notebook("02_less", [DRAW.format(name="02_less")])
    world.entry("02_less", outputs=["figures/02_less-curve", "figures/another"])
    lines: list[str] = []
    report = reproduce(
        notebooks=world.notebooks,
        output=world.output,
        parameters={"clip": "tiny"},
        jobs=2,
        test=True,
        log=lines.append,
    )
    return world, report, lines


def test_good_notebook_is_published(run: tuple[World, Report, list[str]]) -> None:
    world, report, _ = run
    assert [result.status for result in report.results] == ["done", "failed", "failed"]
    assert not report.ok
    for name in ("figures/00_good-curve.png", "figures/00_good-curve.svg", "tables/00_good-table.csv"):
        assert (world.output / name).stat().st_size > 20
    assert (world.output / "tables/00_good-table.csv").read_text() == "method,miou\na,4\nb,2.5\n"
    provenance = json.loads((world.output / "figures/00_good-curve.json").read_text())
    assert provenance["model"] == "tiny"
    assert provenance["data"] == "scenes val"
    assert provenance["parameters"] == {"limit": 4}
    assert provenance["seconds"] >= 0
    assert "commit" in provenance


def test_executed_notebook_shows_no_scratch_folder(run: tuple[World, Report, list[str]]) -> None:
    world, _, _ = run
    text = (world.output / "notebooks/00_good.ipynb").read_text()
    assert "alpha = 0.5" in text and 'clip = \\"tiny\\"' in text
    assert f"wrote to {world.output}" in text
    assert ".work" not in text
    assert "A &lt;curve" not in text and "image/png" in text
    assert "wrote to" in (world.output / "notebooks/00_good.html").read_text()
    assert not (world.output / ".work").exists()


def test_failure_names_cell_and_traceback(run: tuple[World, Report, list[str]]) -> None:
    world, report, lines = run
    failure = report.results[1].failure
    assert failure is not None
    assert failure.cell == 4  # text, parameters, print, this one
    assert failure.message == "KeyError: 'no such layer'"
    assert failure.source == FAILS
    assert "raise KeyError" in failure.traceback and "\x1b" not in failure.traceback
    assert any(line.startswith("01_fails: failed") and "cell 4" in line and "KeyError" in line for line in lines)
    assert (world.output / "failed/01_fails.ipynb").is_file()
    assert not list(world.output.glob("*/01_fails-*"))


def test_promised_but_unwritten_output_is_a_failure(run: tuple[World, Report, list[str]]) -> None:
    world, report, _ = run
    assert "figures/another.png, figures/another.svg" in str(report.results[2].failure)
    assert not (world.output / "figures/02_less-curve.png").exists()


def test_index(run: tuple[World, Report, list[str]]) -> None:
    world, report, _ = run
    page = report.index.read_text()
    assert report.index == world.output / "index.html"
    for link in re.findall(r'(?:href|src)="([^"#]+)"', page):
        assert not link.startswith(("http", "/")) and (world.output / link).exists(), link
    assert 'src="figures/00_good-curve.png"' in page
    assert '<td class="number">2.5</td>' in page
    assert "A &lt;curve&gt;" in page and "Table 3" in page
    assert "Cell 4: KeyError" in page
    assert "scenes val" in page and "limit 4" in page


@pytest.mark.slow
def test_second_run_takes_up_what_is_missing(run: tuple[World, Report, list[str]]) -> None:
    world, _, _ = run
    world.notebook("01_fails", [DRAW.format(name="01_fails")])
    made = (world.output / "figures/00_good-curve.png").stat().st_mtime_ns
    again = reproduce(
        ["00", "01_fails"], notebooks=world.notebooks, output=world.output, parameters={"clip": "tiny"}, test=True
    )
    assert [result.status for result in again.results] == ["skipped", "done"]
    assert (world.output / "figures/00_good-curve.png").stat().st_mtime_ns == made
    assert (world.output / "figures/01_fails-curve.svg").is_file()
    assert not (world.output / "failed/01_fails.ipynb").exists()


def test_kernel_is_this_interpreter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel `python3` of the user's must not be taken for ours."""
    theirs = world.root / "theirs" / "kernels" / "python3"
    theirs.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "theirs", "language": "python"}
    (theirs / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(world.root / "theirs"))
    cell = "import sys, pandas\nfrom zsris_viz.outputs import Outputs\n"
    cell += "Outputs(output_dir, 'a').table(pandas.DataFrame({'python': [sys.executable]}), 'python')"
    world.notebook("00_python", [cell])
    world.entry("00_python", outputs=["tables/python.csv"])
    report = reproduce(notebooks=world.notebooks, output=world.output)
    assert report.ok, report.results[0].failure
    assert Path((world.output / "tables/python.csv").read_text().split()[1]) == Path(sys.executable)
