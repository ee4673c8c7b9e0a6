"""Where a result comes from: names of models and data, the git commit of the package, versions of the libraries."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Sized
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

REPORTED_PACKAGES = ("zsris-viz", "torch", "transformers")


class Named(Protocol):
    """Protocol of objects with a name, such as models, captioners and datasets."""

    @property
    def name(self) -> str:
        """Name of the object."""
        ...


def describe(value: Named | str | None) -> str | None:
    """Name a model or a data set in one line: a text as it is, else its `name`, `split` and number of items."""
    if value is None or isinstance(value, str):
        return value
    name = str(getattr(value, "name", type(value).__name__))
    split = getattr(value, "split", None)
    words = [name] if not isinstance(split, str) else [name, split]
    if split is not None and isinstance(value, Sized):
        words.append(f"({len(value)} images)")
    return " ".join(words)


@functools.lru_cache(maxsize=1)
def commit() -> str | None:
    """Return the package's git commit, with "+" if its files have changed since; None without a clone or git."""
    folder = Path(__file__).resolve().parent
    # A status that wants to refresh the index would get in the way of another git command.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=20, env=environment
        ).stdout.strip()

    try:
        if not git("ls-files", "--", "__init__.py"):  # installed into somebody else's repository
            return None
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None


@functools.lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Return the versions of this package and of the libraries whose versions it reports."""
    found = {}
    for name in REPORTED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
