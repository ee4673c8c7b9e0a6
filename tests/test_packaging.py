"""The house: one set of dependencies everywhere, light imports, whole wheels, no traces of a machine."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import zsris_viz
from tests import import_graph

ROOT = Path(__file__).resolve().parent.parent
# What conda-forge calls otherwise.
CONDA_NAMES = {"torch": "pytorch", "playwright": "playwright-python"}
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def wanted() -> dict[str, Requirement]:
    """Every dependency of pyproject.toml, those of the extras too."""
    lines = [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]
    found = [Requirement(line) for line in lines]
    names = [canonicalize_name(need.name) for need in found]
    assert len(set(names)) == len(names), "a dependency is listed twice"
    return dict(zip(names, found, strict=True))


def tracked(*places: str) -> list[Path]:
    """Files that git knows or would add; the test is skipped outside a clone."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *places]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not in a git clone")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_environment_yml_says_the_same_as_pyproject() -> None:
    content = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert content["channels"] == ["conda-forge"]
    plain = [line for line in content["dependencies"] if isinstance(line, str)]
    (pip,) = [line["pip"] for line in content["dependencies"] if isinstance(line, dict)]
    assert pip == ["-e ."]
    conda = {canonicalize_name(need.name): str(need.specifier) for need in map(Requirement, plain)}
    assert conda.pop("python") == PROJECT["requires-python"]
    assert conda.pop("pip") == ""
    expected = {CONDA_NAMES.get(name, name): str(need.specifier) for name, need in wanted().items()}
    assert conda == expected


def pinned() -> dict[str, tuple[str, list[str]]]:
    """Version and hashes, on this Python, of every package in constraints.txt."""
    text = (ROOT / "constraints.txt").read_text().replace("\\\n", " ")
    pins: dict[str, tuple[str, list[str]]] = {}
    names = re.findall(r"^([a-z0-9.-]+)==", text, flags=re.M)
    repeated = {canonicalize_name(name) for name in names if names.count(name) > 1}  # one version for each Python
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        found = re.fullmatch(r"([a-z0-9.-]+)==([\w.!]+)( ; [^#]*?)?((?: +--hash=sha256:[0-9a-f]{64})+)", line)
        assert found, line[:200]
        name = canonicalize_name(found[1])
        if found[3] and name in pins and not Marker(found[3].removeprefix(" ; ")).evaluate():
            continue  # the pin of another Python
        assert name not in pins, f"{name} twice"
        if not found[3] or Marker(found[3].removeprefix(" ; ")).evaluate() or name not in repeated:
            pins[name] = found[2], found[4].split()
    return pins


def test_constraints_pin_every_dependency_within_its_range_by_hash() -> None:
    pins = pinned()
    for name, need in wanted().items():
        assert name in pins, f"{name} is not pinned: make constraints"
        assert need.specifier.contains(pins[name][0]), f"{name} {pins[name][0]} is outside {need.specifier}"


def test_pip_installs_by_hash_and_refuses_another_file(tmp_path: Path) -> None:
    """What `make` does without uv, with one wheel that is built here."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for digest, expected in ((right, 0), ("0" * 64, 1)):
        wishes = tmp_path / "constraints.txt"
        wishes.write_text(f"tiny==1.0 \\\n    --hash=sha256:{digest}\n")
        words = ["-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(tmp_path), "--require-hashes"]
        words += ["--requirement", str(wishes), "--target", str(tmp_path / digest[:8])]
        run = subprocess.run([sys.executable, *words], capture_output=True, text=True)
        assert run.returncode == expected, run.stderr


def test_every_import_is_a_declared_dependency() -> None:
    """What the package, its notebooks' helpers and its tests import is in pyproject.toml, not there by accident."""
    homes = packages_distributions()
    needs = wanted()
    core = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    cluster = {canonicalize_name(Requirement(line).name) for line in EXTRAS["cluster"]}
    wrong = []
    for folder, allowed in (("zsris_viz", core | cluster), ("tests", set(needs))):
        for path in tracked(folder):
            if path.suffix != ".py":
                continue
            for module in imported(path):
                if module in sys.stdlib_module_names or module in ("zsris_viz", "tests"):
                    continue
                if not allowed & {canonicalize_name(name) for name in homes.get(module, [module])}:
                    wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong


def imported(path: Path) -> set[str]:
    """Top-level names of all absolute imports in a file, those inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_public_names_exist() -> None:
    assert set(zsris_viz.__all__) <= set(dir(zsris_viz))
    for name in zsris_viz.__all__:
        assert getattr(zsris_viz, name) is not None, name
    with pytest.raises(AttributeError, match="nothing"):
        zsris_viz.nothing  # noqa: B018


@pytest.mark.parametrize(("before", "after"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_that_wait_sleep_unless_the_user_chose_otherwise(before: str | None, after: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {} if before is None else {"OMP_WAIT_POLICY": before}
    code = "import zsris_viz, os; print(os.environ['OMP_WAIT_POLICY'])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == after


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, zsris_viz, zsris_viz.cli; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "torch",
        "torchvision",
        "transformers",
        "numpy",
        "pandas",
        "spacy",
        "matplotlib",
        "PIL",
        "papermill",
        "nltk",
    }
    assert not heavy & set(loaded)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from hatchling.builders.wheel import WheelBuilder

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("dist")), versions=["standard"])
    return Path(built)


def test_wheel_has_every_file_of_the_package_but_the_trainings(wheel: Path) -> None:
    """Weights, the parser and WordNet travel with the code, whatever .gitignore says of folders with their names."""
    training = "zsris_viz/miniature/training/"
    expected = {path.relative_to(ROOT).as_posix() for path in tracked("zsris_viz")}
    expected = {name for name in expected if not name.startswith(training)}
    assert zsris_viz.__version__ in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert expected <= names
    assert {f"zsris_viz/{path.relative_to(ROOT).as_posix()}" for path in tracked("data_manifests")} <= names
    assert not {name for name in names if "__pycache__" in name or name.startswith(training)}


@pytest.mark.slow
def test_an_installed_wheel_segments_and_says_that_training_needs_the_source(wheel: Path, tmp_path: Path) -> None:
    from PIL import Image

    site = tmp_path / "site"
    words = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, *words], check=True)
    Image.new("RGB", (60, 40), "green").save(tmp_path / "photo.png")
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=tmp_path, env=environment)

    where = run("-c", "import zsris_viz; print(zsris_viz.__file__)")
    assert where.stdout.startswith(str(site)), where
    segmented = run("-m", "zsris_viz.cli", "segment", "photo.png", "the dog", "--json")
    assert segmented.returncode == 0 and '"candidates"' in segmented.stdout, segmented.stderr
    assert run("-m", "zsris_viz.cli", "data", "list").returncode == 0
    train = run("-m", "zsris_viz.miniature", "train", "clip")
    assert train.returncode == 1 and "need the source" in train.stderr and "Traceback" not in train.stderr


def test_sources_name_no_package_index_and_no_home_folder() -> None:
    texts = [".py", ".md", ".toml", ".yml", ".yaml", ".txt", ".ipynb", ".cfg"]
    # Put together here, or this file would be found.
    words = ["pypi." + "org", "files.python" + "hosted", "--index" + "-url"]
    # A path begins where a word does: a word of a treebank with slashes in it is none.
    wrong = re.compile("|".join(map(re.escape, words)) + rf"|(?<!\w){re.escape(str(Path.home()))}/")
    found = []
    for path in tracked("."):
        if path.suffix in texts or path.name in ("Makefile", "run"):
            text = path.read_text(encoding="utf-8", errors="replace")
            found += [f"{path.relative_to(ROOT)}: {word}" for word in wrong.findall(text)]
    assert not found


def test_imports_form_no_circle_and_never_lead_upward() -> None:
    everything = import_graph.graph(at_import=False)
    unknown = [name for name in everything if import_graph.floor(name) is None and name != import_graph.PACKAGE]
    assert not unknown, f"say in tests/import_graph.py on which floor these are: {', '.join(unknown)}"
    assert not import_graph.circles(import_graph.graph(at_import=True))
    assert not import_graph.circles(everything)
    assert not import_graph.upward(everything), "\n".join(import_graph.upward(everything))


def test_no_two_classes_share_a_name() -> None:
    homes: dict[str, list[str]] = {}
    for name, path in import_graph.modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(name)
    assert not {name: places for name, places in homes.items() if len(places) > 1}


def test_sources_refer_to_nothing_outside_the_repository() -> None:
    """A reader has the repository and the papers, no notes that were used while it was written."""
    # Put together here, or this file would be found.
    phrases = ["the " + "seed fixes", "methods" + ".md", "design" + ".md", "review" + "s/"]
    found = []
    for path in tracked("zsris_viz", "tests", "notebooks", "docs", "README.md"):
        if path.suffix in (".py", ".md", ".ipynb", ".yaml", ".toml"):
            text = path.read_text(encoding="utf-8").lower()
            found += [f"{path.relative_to(ROOT)}: {phrase}" for phrase in phrases if phrase in text]
    assert not found


def test_values_have_ordinary_names() -> None:
    """Variables, arguments, attributes, functions and classes, private ones too, in the package and in the tests."""
    private = {"told", "said", "say", "says", "asked", "ask", "heard", "look", "looks", "spoken"}
    fields = {
        ast.Name: "id",
        ast.arg: "arg",
        ast.Attribute: "attr",
        ast.keyword: "arg",
        ast.FunctionDef: "name",
        ast.ClassDef: "name",
    }
    found = []
    values = {"seen", "one", "given", "mend", "ours", "rival", "rivals", "alive", "gone", "answer", "answers"}
    for folder, words in ((import_graph.PACKAGE, private | values), ("tests", private)):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                identifier = getattr(node, fields.get(type(node), ""), None)
                if identifier and identifier.strip("_").lower() in words:
                    found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)} {identifier}")
    assert not found, "\n".join(found)


def test_files_are_short_enough_to_read() -> None:
    """A file has one purpose; a longer one is split."""
    lengths = {
        name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in import_graph.modules().items()
    }
    assert not {name: length for name, length in lengths.items() if length > 330}


def test_version_and_licence() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", zsris_viz.__version__)
    licence = (ROOT / "LICENSE").read_text()
    assert licence.startswith("MIT License") and "zsris_viz contributors" in licence


def test_makefile_names_what_the_readme_promises() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert targets >= {"env", "figures", "test", "test-slow", "lab", "lint", "clean"}
    readme = (ROOT / "README.md").read_text()
    assert set(re.findall(r"make ([a-z-]+)", readme)) <= targets
    assert {"make figures", "make test"} <= set(re.findall(r"make [a-z-]+", readme))


def test_workflows_and_contributing_call_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert workflows
    for path in (*workflows, ROOT / "CONTRIBUTING.md"):
        called = set(re.findall(r"(?:run: |^|`)make ([a-z-]+)", path.read_text(), flags=re.M))
        assert called and called <= targets, f"{path.name}: {called - targets}"
    for path in (*workflows, ROOT / "CITATION.cff", ROOT / ".pre-commit-config.yaml"):
        assert yaml.safe_load(path.read_text()), path
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]) == zsris_viz.__version__


def test_make_says_when_python_is_too_old(tmp_path: Path) -> None:
    old = tmp_path / "python3.8"
    old.write_text('#!/bin/sh\ncase "$1" in -V) echo "Python 3.8.1";; *) exit 1;; esac\n')
    old.chmod(0o755)
    for python, message in ((str(old), "needs Python 3.11 or newer"), ("no-python", "not found")):
        words = ["make", "env", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"]
        run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        assert run.returncode != 0 and message in run.stderr
    assert not (tmp_path / "venv").exists()
