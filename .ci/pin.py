"""Write constraints.txt: the installed version of every package that zsris_viz and its extras need, with hashes.

Run as `make constraints` after the whole suite has passed with new versions. uv finds what other platforms and Python
versions need in addition, and reads the SHA-256 of every file of each package from the index.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("test", "dev", "docs", "cluster")
OLDEST_PYTHON = "3.11.7"  # some pinned packages refuse the first releases of 3.11
HEADER = """\
# The exact versions that were tested together, on Python {python}, with the SHA-256 of each of their files: pip and uv
# refuse anything else. `make` installs them; pyproject.toml has the ranges. Written by `make constraints`.
"""


def closure(root: str, extras: tuple[str, ...]) -> set[str]:
    """Return the names of the installed packages that `root` with `extras` leads to, itself left out."""
    visited: set[tuple[str, str]] = set()
    todo = [(root, extra) for extra in ("", *extras)]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in visited:
            continue
        visited.add((name, extra))
        for line in distribution(name).requires or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                todo += [(canonicalize_name(need.name), wanted) for wanted in ("", *need.extras)]
    return {name for name, _ in visited if name != root}


def main() -> int:
    """Write the file; return 1 if a package that is needed is not installed, or uv is missing or fails."""
    uv = shutil.which("uv")
    if uv is None:
        print("uv is needed to collect the hashes: pip install uv", file=sys.stderr)
        return 1
    try:
        pins = [f"{name}=={version(name)}" for name in sorted(closure("zsris-viz", EXTRAS))]
    except PackageNotFoundError as missing:
        print(f"{missing.name} is needed but not installed: run `make clean` and `make env`", file=sys.stderr)
        return 1
    target = ROOT / "constraints.txt"
    with tempfile.TemporaryDirectory() as folder:
        installed, hashed = Path(folder) / "installed.txt", Path(folder) / "hashed.txt"
        installed.write_text("\n".join(pins) + "\n")
        words = [uv, "pip", "compile", "pyproject.toml", "--quiet", "--universal", "--generate-hashes"]
        words += [word for extra in EXTRAS for word in ("--extra", extra)]
        words += ["--python-version", OLDEST_PYTHON, "--constraint", str(installed), "--output-file", str(hashed)]
        words += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
        if subprocess.run(words, cwd=ROOT).returncode:
            return 1
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        target.write_text(HEADER.format(python=python) + hashed.read_text())
    print(f"{target.name}: {len(pins)} installed packages, and what other platforms need")
    return 0


if __name__ == "__main__":
    sys.exit(main())
