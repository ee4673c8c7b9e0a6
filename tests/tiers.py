"""The tier of every test: `pytest -m unit` runs one tier, `python -m tests.tiers` counts the tests of each."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

TIERS = {
    "unit": "one function or class, in this process",
    "integration": "several subpackages together: commands, runs on folders, processes, servers, installed packages",
    "model_quality": "what the built-in weights reach, and what a short training learns",
    "notebooks": "every notebook, from top to bottom with few images",
    "browser": "explorers and pages in Chromium",
}
# The first tier that has the beginning of a test's path; all other tests are unit tests.
PATHS = (
    ("notebooks", ("notebooks/",)),
    ("browser", ("browser/",)),
    (
        "model_quality",
        ("miniature/test_", "methods/risclip/test_train", "language/test_parser"),
    ),
    (
        "integration",
        (
            "evaluation/test_dask_engine",
            "evaluation/test_evaluate",
            "evaluation/test_shards",
            "evaluation/test_survival",
            "explorers/test_server",
            "reproduce/",
            "test_cli",
            "test_conformance",
            "test_examples",
            "test_packaging",
            "test_registry",
            "test_train_command",
        ),
    ),
)
HERE = Path(__file__).resolve().parent


def tier_of(path: Path) -> str:
    """Return the tier of a test file.

    Args:
        path: File below this folder.
    """
    name = path.resolve().relative_to(HERE).as_posix()
    return next((tier for tier, beginnings in PATHS if name.startswith(beginnings)), "unit")


def main() -> None:
    """Print how many tests each tier has, slow ones apart."""
    counts: Counter[tuple[str, str]] = Counter()
    for speed, expression in (("fast", "not slow"), ("slow", "slow")):
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", expression, str(HERE)]
        listed = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent).stdout
        for line in listed.splitlines():
            if "::" in line:
                counts[tier_of(HERE.parent / line.partition("::")[0]), speed] += 1
    print("| tier | what it tests | fast | slow |\n|---|---|---:|---:|")
    for tier, meaning in TIERS.items():
        print(f"| `{tier}` | {meaning} | {counts[tier, 'fast']} | {counts[tier, 'slow']} |")


if __name__ == "__main__":
    main()
