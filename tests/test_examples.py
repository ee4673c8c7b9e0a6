"""The packages in examples/ install, keep their contracts, and are found everywhere without a line changed here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("plugin-*"))
EVERYWHERE = """
import json
import warnings

from typer.testing import CliRunner

from zsris_viz import load_clip, load_dataset
from zsris_viz.cli import app
from zsris_viz.errors import ZsrisWarning
from zsris_viz.explorers.method_state import methods_for
from zsris_viz.probes import probe_names, run_probes

warnings.simplefilter("error", ZsrisWarning)


def zsris(*words):
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


words = ["evaluate", "--dataset", "coloured-squares", "--methods", "largest-mask,cropping", "--limit", "2", "--json"]
evaluation = zsris(*words)
clip = load_clip()
table = run_probes(clip, load_dataset("coloured-squares", limit=1), ["token norm"], controls=(), resamples=5)
print(json.dumps({
    "methods": [info["name"] for info in zsris("methods", "--json")],
    "evaluated": [(row["method"], row["n"]) for row in evaluation["rows"]],
    "explorers": methods_for(clip),
    "probes": list(probe_names()),
    "numbers": len(table),
}))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of a Python in which the examples are installed."""
    site = tmp_path_factory.mktemp("site")
    copies = tmp_path_factory.mktemp("sources")
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    for example in EXAMPLES:  # copies: a build must leave nothing in the repository
        target = copies / example.name
        target.mkdir()
        for file in example.iterdir():
            if file.is_file():
                (target / file.name).write_bytes(file.read_bytes())
        words.append(str(target))
    subprocess.run([*words, "--target", str(site)], check=True)
    return {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}


def test_installed_plug_ins_are_found_everywhere(environment: dict[str, str]) -> None:
    run = subprocess.run([sys.executable, "-c", EVERYWHERE], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(run.stdout)
    assert "largest-mask" in found["methods"] and "largest-mask" in found["explorers"]
    assert found["evaluated"] == [["largest-mask", 8], ["cropping", 8]]
    assert "token norm" in found["probes"] and found["numbers"] > 0


def test_the_examples_pass_their_own_tests(environment: dict[str, str], tmp_path: Path) -> None:
    assert len(EXAMPLES) == 3
    tests = [str(file) for example in EXAMPLES for file in example.glob("test_*.py")]
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path), "--import-mode=importlib"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "6 passed" in run.stdout


@pytest.mark.slow
def test_notebook_09_takes_a_plug_in_by_its_parameters(environment: dict[str, str], tmp_path: Path) -> None:
    words = [sys.executable, "-m", "zsris_viz.cli", "reproduce", "09", "--output", str(tmp_path), "--json"]
    for parameter in (
        "dataset=coloured-squares",
        "split=val",
        "other_splits=[]",
        "methods=[largest-mask, cropping]",
        "reference=cropping",
        "real_proposals=ground-truth",
        "limit=2",
        "real_limit=1",
    ):
        words += ["-p", parameter]
    run = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert "Largest mask" in (tmp_path / "tables" / "evaluation-methods.csv").read_text()
