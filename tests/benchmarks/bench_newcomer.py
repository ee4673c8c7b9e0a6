"""The two paths of a newcomer, timed: from the clone to a first figure, and to a method of one's own that passes.

    python tests/benchmarks/bench_newcomer.py [--python python3.12] [--folder FOLDER]

Every command is one that README.md, CONTRIBUTING.md or examples/plugin-method/README.md prints, run in a new clone of
this repository; the first figure is that of the README's first Python example. The seconds include the downloads of
packages, so they depend on what the caches of pip and uv hold. Needs the standard library only.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What a person types to make the example their own: another folder, module, class and name.
RENAMED = {"largest_mask": "central_mask", "LargestMask": "CentralMask", "largest-mask": "central-mask"}


class Stopwatch:
    """Runs the steps of a path in one folder and adds up what they take.

    Attributes:
        wall: Seconds of all steps so far.
        cpu: Processor seconds of all steps so far, child processes included.
    """

    def __init__(self, title: str) -> None:
        self.wall = self.cpu = 0.0
        print(f"\n| {title} | wall s | CPU s |\n|---|---:|---:|", flush=True)

    def step(self, name: str, *command: str, cwd: Path, environment: dict[str, str]) -> None:
        """Run a command, print its row, and end the program with its output if it fails."""
        usage, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        run = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
        if run.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{run.stdout[-3000:]}{run.stderr[-3000:]}")
        self.wall, self.cpu = self.wall + wall, self.cpu + cpu
        print(f"| {name} | {wall:.1f} | {cpu:.1f} |", flush=True)

    def close(self) -> None:
        """Print the sum."""
        print(f"| **in all** | **{self.wall:.1f}** | **{self.cpu:.1f}** |", flush=True)


def five_lines(readme: str) -> str:
    """Return the first Python example of the README, with a line that saves its figure."""
    (code, *_) = re.findall(r"```python\n(.*?)```", readme, flags=re.S)
    assert "result.plot()" in code, "the README's first Python example draws no figure"
    return code.replace("result.plot()", "figure = result.plot()") + 'figure.savefig("first.png")\n'


def own_method(example: Path, target: Path) -> None:
    """Copy the template and rename module, class and entry point, as its README says."""
    target.mkdir()
    for source in example.iterdir():
        name, text = source.name, source.read_text(encoding="utf-8")
        for old, new in RENAMED.items():
            name, text = name.replace(old, new), text.replace(old, new)
        (target / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Walk both paths in a temporary folder and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", default="python3", help="interpreter that make uses")
    parser.add_argument("--folder", type=Path, help="an empty folder to work in; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        clone, bin_folder = folder / "zsris_viz", folder / "zsris_viz" / ".venv" / "bin"
        plain = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        active = {**plain, "PATH": f"{bin_folder}{os.pathsep}{plain['PATH']}", "MPLBACKEND": "Agg"}

        path = Stopwatch("From the clone to a first figure")
        path.step("`git clone`", "git", "clone", "--quiet", str(ROOT), str(clone), cwd=folder, environment=plain)
        path.step("`make env`", "make", "env", f"PYTHON={options.python}", cwd=clone, environment=plain)
        code = five_lines((clone / "README.md").read_text(encoding="utf-8"))
        path.step("the five lines of the README", "python", "-c", code, cwd=folder, environment=active)
        path.close()
        assert (folder / "first.png").stat().st_size > 10_000

        method = folder / "central-mask"
        own_method(clone / "examples" / "plugin-method", method)
        path = Stopwatch("From the installed clone to a method of one's own")
        path.step("`pip install -e .`", "pip", "install", "--quiet", "-e", ".", cwd=method, environment=active)
        path.step("`python -m pytest`: its conformance", "python", "-m", "pytest", "-q", cwd=method, environment=active)
        words = ("zsris", "evaluate", "--methods", "central-mask,cropping", "--limit", "20")
        path.step("`zsris evaluate`, 20 images", *words, cwd=method, environment=active)
        path.close()


if __name__ == "__main__":
    main()
