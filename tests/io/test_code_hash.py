"""The hash of code changes with what the code does, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from zsris_viz.evaluation.row_cache import INDEPENDENT
from zsris_viz.io.code_hash import PACKAGE, code_hash
from zsris_viz.reproduce import fingerprint

SOURCE = '''"""A module."""

LIMIT = 3
"""Text below a constant."""


class Shape:
    """A shape."""

    def area(self):
        """Return the area."""
        return LIMIT  # pixels
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "shape.py").write_text(SOURCE)
    (tmp_path / "data.txt").write_text("1")
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A module.", "Another text."),
        ("Return the area.", "Return it."),
        ('        """Return the area."""\n', ""),
        ("Text below a constant.", "More text."),
        ("  # pixels", ""),
        ("return LIMIT", "return (LIMIT)"),
        ("\n\n\nclass", "\n\n\n\nclass"),
    ],
)
def test_docstrings_comments_and_layout_do_not_count(folder: Path, old: str, new: str) -> None:
    before = code_hash(folder)
    assert old in SOURCE
    (folder / "inner" / "shape.py").write_text(SOURCE.replace(old, new))
    assert code_hash(folder) == before


@pytest.mark.parametrize(("old", "new"), [("LIMIT = 3", "LIMIT = 4"), ("area", "size"), ("return LIMIT", "return")])
def test_code_counts(folder: Path, old: str, new: str) -> None:
    before = code_hash(folder)
    (folder / "inner" / "shape.py").write_text(SOURCE.replace(old, new))
    assert code_hash(folder) != before


def test_files_count_by_name_and_content(folder: Path) -> None:
    before = code_hash(folder)
    (folder / "data.txt").write_text("2")
    changed = code_hash(folder)
    assert changed != before
    (folder / "data.txt").rename(folder / "other.txt")
    assert code_hash(folder) not in (before, changed)
    without = code_hash(folder, exclude=["other.txt", "inner/shape.py"])
    (folder / "inner" / "shape.py").write_text("no python (")
    assert code_hash(folder, exclude=["other.txt", "inner/shape.py"]) == without
    assert code_hash(folder, exclude_suffixes=[".py"]) != code_hash(folder)
    (folder / ".hidden").touch()
    assert code_hash(folder, exclude=["other.txt", "inner/shape.py"]) == without


def test_names_that_are_excluded_exist() -> None:
    later = {"testing.py"}  # conformance tests of plug-ins
    assert all((PACKAGE / name).exists() for name in {*INDEPENDENT, *fingerprint.INDEPENDENT} - later)


def test_the_package_and_further_folders_count(folder: Path) -> None:
    before = fingerprint.package_hash([folder])
    assert fingerprint.package_hash([folder]) == before
    (folder / "data.txt").write_text("2")
    assert fingerprint.package_hash([folder]) != before
