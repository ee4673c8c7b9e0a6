"""The processes that run notebooks, and the output folder, which gets their outputs only when they have finished."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zsris_viz.io.hashing import file_hash
from zsris_viz.io.json_files import write_json
from zsris_viz.reproduce.fingerprint import fingerprint
from zsris_viz.reproduce.plan import NotebookRun
from zsris_viz.reproduce.worker import stopped_at

WORKER = (sys.executable, "-m", "zsris_viz.reproduce.worker")


@dataclass(frozen=True)
class Failure:
    """The reason why a run failed; `cell` is the number of the cell in the notebook, from 1, or None."""

    message: str
    traceback: str = ""
    cell: int | None = None
    count: int | None = None
    source: str = ""

    def __str__(self) -> str:
        where = (
            "" if self.cell is None else f"cell {self.cell}" + (f" (In [{self.count}])" if self.count else "") + ": "
        )
        return where + self.message


@dataclass(frozen=True)
class Result:
    """The outcome of one run; `status` is "done", "skipped" (nothing had changed) or "failed"."""

    run: NotebookRun
    status: str
    seconds: float = 0.0
    failure: Failure | None = None
    undeclared: tuple[str, ...] = ()
    """Outputs that the notebook wrote although no entry of figures.yaml names them; they are not published."""


@dataclass
class _Started:
    """A notebook that is running, with its process and its temporary folder."""

    run: NotebookRun
    fingerprint: str
    process: subprocess.Popen[bytes]
    scratch: Path
    since: float = field(default_factory=time.perf_counter)
    timed_out: bool = False


@dataclass
class NotebookExecutor:
    """Run notebooks in separate processes and move their outputs to the output folder.

    Attributes:
        place: The output folder.
        jobs: Number of notebooks that run at a time.
        timeout: Seconds after which a notebook is ended; None for no limit.
        log: Function that takes one line for each event.
        declared: `figures/NAME` and `tables/NAME` of all entries of figures.yaml.
        variables: Environment variables for the notebooks.
    """

    place: Path
    jobs: int
    timeout: float | None
    log: Callable[[str], None]
    declared: frozenset[str]
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, runs: list[NotebookRun], package: str, force: bool) -> list[Result]:
        """Run what is not up to date, in order, several at a time; on an interruption, end what is running.

        Args:
            runs: Notebooks with their parameters.
            package: Hash of the package, on which all results depend, as for `fingerprint`.
            force: Whether to run even what is up to date.

        Returns:
            A result for each run, in their order.
        """
        shutil.rmtree(self.place / ".work", ignore_errors=True)  # left by a killed run
        waiting = deque((run, fingerprint(run, package)) for run in runs)
        running: list[_Started] = []
        results: dict[str, Result] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    run, current = waiting.popleft()
                    if not force and self._up_to_date(run, current):
                        results[run.name] = Result(run, "skipped")
                        self.log(f"{run.name}: up to date")
                    else:
                        running.append(self._start(run, current))
                        self.log(f"{run.name}: running")
                for started in [s for s in running if self._ended(s)]:
                    running.remove(started)
                    result = self._finish(started)
                    results[result.run.name] = result
                    self.log(_line(result))
                if running:
                    time.sleep(0.05)
        finally:
            for started in running:
                _kill(started.process)
            shutil.rmtree(self.place / ".work", ignore_errors=True)
        return [results[run.name] for run in runs]

    def _state(self, run: NotebookRun) -> Path:
        return self.place / ".state" / f"{run.name}.json"

    def _up_to_date(self, run: NotebookRun, fingerprint: str) -> bool:
        try:
            state = json.loads(self._state(run).read_text(encoding="utf-8"))
            return (
                state["status"] == "done"
                and state["fingerprint"] == fingerprint
                and all(file_hash(self.place / name) == known for name, known in state["files"].items())
            )
        except (OSError, ValueError, KeyError):
            return False

    def _start(self, run: NotebookRun, fingerprint: str) -> _Started:
        (self.place / ".work").mkdir(exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f"{run.name}-", dir=self.place / ".work"))
        request = {
            "notebook": str(run.notebook),
            "parameters": {**run.parameters, "output_dir": str(scratch / "made")},
            "shown": str(self.place),
            "scratch": str(scratch.resolve()),
            "executed": str(scratch / "executed.ipynb"),
            "page": str(scratch / "executed.html"),
            "result": str(scratch / "result.json"),
        }
        write_json(scratch / "request.json", request)
        threads = str(max(1, (os.cpu_count() or 1) // self.jobs))
        environment = {"OMP_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false", **os.environ, **self.variables}
        environment.pop("MPLBACKEND", None)  # a kernel draws inline
        with (scratch / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                [*WORKER, str(scratch / "request.json")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            )  # fmt: skip
        return _Started(run, fingerprint, process, scratch)

    def _ended(self, started: _Started) -> bool:
        if started.process.poll() is not None:
            return True
        started.timed_out = self.timeout is not None and time.perf_counter() - started.since > self.timeout
        if started.timed_out:
            _kill(started.process)
        return started.timed_out

    def _finish(self, started: _Started) -> Result:
        """Move the files of a successful run to the output folder, its state last; keep a failed run's notebook."""
        run, scratch = started.run, started.scratch
        outcome = self._outcome(started)
        error, made = outcome["error"], scratch / "made"
        missing = [name for name in run.files if not (made / name).is_file()]
        if error is None and missing:
            error = {"message": f"it ran, but did not write {', '.join(missing)}, which figures.yaml promises"}
        state = {"fingerprint": started.fingerprint, "seconds": outcome["seconds"], "parameters": dict(run.parameters)}
        if error is not None:
            if (scratch / "executed.ipynb").is_file():
                _move(scratch / "executed.ipynb", self.place / "failed" / f"{run.name}.ipynb")
            write_json(_with_parent(self._state(run)), {**state, "status": "failed", "error": error})
            return Result(run, "failed", outcome["seconds"], Failure(**error))
        files = list(run.files)
        for output in run.outputs:
            sidecar = made / f"{output}.json"
            if sidecar.is_file():
                text = sidecar.read_text(encoding="utf-8").replace(str(made), str(self.place))
                sidecar.write_text(text, encoding="utf-8")
                files.append(f"{output}.json")
        for name in files:
            _move(made / name, self.place / name)
        for suffix in (".ipynb", ".html"):
            _move(scratch / f"executed{suffix}", self.place / "notebooks" / (run.name + suffix))
            files.append(f"notebooks/{run.name}{suffix}")
        (self.place / "failed" / f"{run.name}.ipynb").unlink(missing_ok=True)
        hashes = {name: file_hash(self.place / name) for name in files}
        write_json(_with_parent(self._state(run)), {**state, "status": "done", "files": hashes})
        others = {path.relative_to(made).with_suffix("").as_posix() for path in made.rglob("*") if path.is_file()}
        return Result(run, "done", outcome["seconds"], undeclared=tuple(sorted(others - self.declared)))

    def _outcome(self, started: _Started) -> dict[str, Any]:
        """Return the result that the worker wrote, or the reason why there is none."""
        seconds = round(time.perf_counter() - started.since, 2)
        try:
            return {**json.loads((started.scratch / "result.json").read_text(encoding="utf-8")), "seconds": seconds}
        except (OSError, ValueError):
            pass
        log = (started.scratch / "log.txt").read_text(encoding="utf-8", errors="replace")
        message = f"its process ended with code {started.process.returncode}"
        if started.timed_out:
            message = f"ended after {self.timeout:g} s, the limit"
        where = stopped_at(started.scratch / "executed.ipynb")
        return {"error": {"message": message, "traceback": log[-4000:], **where}, "seconds": seconds}


def _line(result: Result) -> str:
    text = f"{result.run.name}: {result.status} in {result.seconds:.0f} s"
    if result.failure is not None:
        text += f": {result.failure}"
    if result.undeclared:
        text += f"; not in figures.yaml, so left out: {', '.join(result.undeclared)}"
    return text


def _with_parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _move(source: Path, target: Path) -> None:
    os.replace(source, _with_parent(target))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker and its kernel, which has a process group of its own."""
    import psutil

    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.kill()
    process.wait()
