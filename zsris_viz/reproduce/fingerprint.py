"""One hash over everything that a run's results depend on: when it is unchanged, the run need not be repeated."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zsris_viz.io.code_hash import code_hash
from zsris_viz.reproduce.parameters import read_notebook
from zsris_viz.reproduce.plan import NotebookRun

# What starts notebooks has no part in their results.
INDEPENDENT = ("reproduce", "cli", "doctor.py")
LIBRARIES = (
    "torch", "torchvision", "transformers", "open_clip_torch", "segment-anything", "grad-cam", "spacy", "nltk",
    "numpy", "scipy", "pillow", "scikit-image", "pycocotools", "pandas", "matplotlib", "seaborn", "plotly",
)  # fmt: skip


def fingerprint(run: NotebookRun, package: str) -> str:
    """Return a hash of a notebook's cells and parameters, the files that they name, the package and the libraries.

    Args:
        run: Notebook with its parameters and the names of its outputs.
        package: Result of `package_hash`, which is the same for all runs.
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
    """Return a hash of the package's code, weights and data, and of further folders such as `data_manifests`.

    Args:
        extra: Further folders.
    """
    hashes = [code_hash(exclude=INDEPENDENT), *map(code_hash, extra)]
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def _named_files(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield size and time of each file or folder that a parameter names; checkpoints are too large to be read."""
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
