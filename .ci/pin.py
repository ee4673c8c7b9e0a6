"""Write constraints.txt: the installed version of every package that zsris_viz and its extras need, and no other.

Run as ``make constraints`` after the whole suite has passed with new versions.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HEADER = """\
# The exact versions that were tested together, on Python {python}. `make` installs them; pyproject.toml has the ranges.
# The CUDA libraries are left out: torch itself says which ones it takes. Written by `make constraints`.
"""
# Pinned by torch, and different on every platform.
PLATFORM = ("nvidia-", "cuda-", "triton")


def closure(root: str, extras: set[str]) -> set[str]:
    """Names of the installed packages that `root` with `extras` leads to, itself left out."""
    seen: set[tuple[str, str]] = set()
    todo = [(root, extra) for extra in {"", *extras}]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in distribution(name).requires or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                todo += [(canonicalize_name(need.name), wanted) for wanted in {"", *need.extras}]
    return {name for name, _ in seen if name != root}


def main() -> int:
    """Write the file beside pyproject.toml; return 1 when a package that is needed is not installed."""
    try:
        names = sorted(closure("zsris-viz", {"test", "dev", "cluster"}))
    except PackageNotFoundError as missing:
        print(f"{missing.name} is needed but not installed: run `make clean` and `make env`", file=sys.stderr)
        return 1
    lines = [f"{name}=={version(name)}" for name in names if not name.startswith(PLATFORM)]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    target = Path(__file__).resolve().parent.parent / "constraints.txt"
    target.write_text(HEADER.format(python=python) + "\n".join(lines) + "\n")
    print(f"{target.name}: {len(lines)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
