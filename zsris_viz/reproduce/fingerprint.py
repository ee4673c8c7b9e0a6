"""One hash over everything that a run's results depend on: when it is unchanged, the run need not be repeated."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zsris_viz.reproduce.parameters import read_notebook
from zsris_viz.reproduce.plan import NotebookRun

PACKAGE = Path(__file__).resolve().parents[1]
# What starts notebooks has no part in their results.
ABOVE = ("reproduce", "cli", "doctor.py")
LIBRARIES = (
    "torch", "torchvision", "transformers", "open_clip_torch", "segment-anything", "grad-cam", "spacy", "nltk",
    "numpy", "scipy", "pillow", "scikit-image", "pycocotools", "pandas", "matplotlib", "seaborn", "plotly",
)  # fmt: skip


def fingerprint(run: NotebookRun, package: str) -> str:
    """Hash of the notebook's cells, its parameters, what files they name, `package` and the libraries' versions.

    Args:
        run: the run; its outputs' names count too.
        package: what `package_hash` gives; it is the same for all runs.
    """
    cells = [
        (cell.cell_type, cell.source, sorted(cell.metadata.get("tags", [])))
        for cell in read_notebook(run.notebook).cells
    ]
    parts = {
        "cells": cells,
        "parameters": dict(run.parameters),
        "named": dict(_named_files(run.parameters)),
        "outputs": run.outputs,
        "package": package,
        "libraries": dict(_versions()),
        "python": platform.python_version(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()


def package_hash(extra: Iterable[Path] = ()) -> str:
    """Hash of the package's source, weights and data, and of further folders such as `data_manifests`."""
    digest = hashlib.sha256()
    for folder in (PACKAGE, *extra):
        for path in sorted(folder.rglob("*")):
            inner = path.relative_to(folder)
            hidden = any(part.startswith(".") or part == "__pycache__" for part in inner.parts)
            if hidden or not path.is_file() or (folder == PACKAGE and inner.parts[0] in ABOVE):
                continue
            digest.update(f"{inner.as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named_files(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Size and time of each file or folder that a parameter names (a checkpoint, a data root): too large to be read."""
    for name, value in parameters.items():
        if not isinstance(value, str) or not value:
            continue
        path = Path(value).expanduser()
        try:
            if path.is_file():
                yield name, (path.stat().st_size, path.stat().st_mtime_ns)
            elif path.is_dir():
                yield name, sorted((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in path.iterdir())
        except OSError:
            continue


def _versions() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
