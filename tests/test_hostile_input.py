"""The page of bad input names tests that exist, and no source reads a file by running what is in it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "hostile-input.md"
# A row has the input, what happens, and one or more tests in the third column.
ROWS = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if "| `tests/" in line]
IDS = [name for row in ROWS for name in re.findall(r"`(tests/[^`]+)`", row)]
# Calls that are safe with one argument only, and calls that are never safe on a file.
SAFE = {"from_pretrained": "trust_remote_code", "torch.load": "weights_only", "np.load": "allow_pickle"}
NEVER = (
    "pickle.load",
    "torch.jit.load",
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
    "eval",
    "exec",
    "joblib.load",
)
# Trainings of the built-in models read what they wrote themselves.
SOURCES = [path for path in (ROOT / "zsris_viz").rglob("*.py") if "miniature/training" not in path.as_posix()]


def test_every_case_has_a_test() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert len(ROWS) == len([row for row in rows if not row.startswith("| input")]) > 140
    assert f"lists {len(ROWS)} such cases" in PAGE.read_text(encoding="utf-8")


def test_every_named_test_is_defined() -> None:
    defined: dict[str, set[str]] = {}
    for name in IDS:
        file, _, function = name.partition("::")
        if file not in defined:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            defined[file] = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert function.partition("[")[0] in defined[file], name


@pytest.mark.slow
def test_every_named_test_is_collected() -> None:
    files = sorted({name.partition("::")[0] for name in IDS})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "slow or not slow", *files]
    collected = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.splitlines()
    assert not sorted(set(IDS) - set(collected))


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a file, with the dotted name of what is called; "x.f" where x is no name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("kind", [*SAFE, "never"])
def test_no_call_reads_a_file_by_running_it(kind: str) -> None:
    found = 0
    for path in SOURCES:
        for name, call in calls(path):
            where = f"{path.relative_to(ROOT)}:{call.lineno} calls {name}"
            if kind == "never":
                assert name not in NEVER, where
            elif name == kind or name.endswith(f".{kind}"):
                if name == "SiglipTokenizer.from_pretrained":  # our own, whose call of transformers is found too
                    continue
                given = {option.arg: ast.unparse(option.value) for option in call.keywords}
                assert given.get(SAFE[kind]) == ("True" if kind == "torch.load" else "False"), where
                found += 1
    assert found or kind == "never"
