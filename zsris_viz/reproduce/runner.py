"""The entry point: check everything first, then run the notebooks and write the index."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.reproduce.executor import NotebookExecutor, Result
from zsris_viz.reproduce.fingerprint import package_hash
from zsris_viz.reproduce.index import write_index
from zsris_viz.reproduce.parameters import check_parameters, read_parameters
from zsris_viz.reproduce.plan import NotebookRun, find_notebooks, load_entries, part_of, runs_of, select


def plan_runs(
    wanted: Iterable[str] = (),
    *,
    parameters: Mapping[str, Any] | None = None,
    notebooks: str | Path | None = None,
    test: bool = False,
) -> tuple[list[NotebookRun], list[NotebookRun]]:
    """Return all runs of figures.yaml, and those that make the wanted outputs, with their parameters checked.

    A notebook with a parameter `only` makes only its wanted ids.

    Args:
        wanted: See :func:`reproduce`.
        parameters: See :func:`reproduce`.
        notebooks: See :func:`reproduce`.
        test: See :func:`reproduce`.

    Raises:
        InvalidInputError: An unknown id or parameter, or a wrong figures.yaml.
        UnavailableError: There is no figures.yaml.
    """
    folder = find_notebooks(notebooks)
    entries = load_entries(folder)
    chosen = {entry.id for entry in select(entries, wanted)}
    every = runs_of(entries, folder, test=test)
    runs = []
    for run in every:
        if not chosen & {entry.id for entry in run.entries}:
            continue
        values = {**run.parameters, **(parameters or {})}
        part = part_of(run, chosen)
        if part is not run and "only" not in values and isinstance(read_parameters(run.notebook).get("only"), list):
            run, values = part, {**values, "only": [entry.id for entry in part.entries]}
        runs.append(replace(run, parameters=check_parameters(run.notebook, values)))
    return every, runs


@dataclass
class Report:
    """The results of all runs in their order, and the path of the index."""

    results: list[Result]
    index: Path

    @property
    def ok(self) -> bool:
        """Return whether no run failed."""
        return all(result.status != "failed" for result in self.results)


def reproduce(
    wanted: Iterable[str] = (),
    *,
    parameters: Mapping[str, Any] | None = None,
    output: str | Path = "outputs",
    jobs: int | None = None,
    force: bool = False,
    notebooks: str | Path | None = None,
    timeout: float | None = None,
    test: bool = False,
    device: str | None = None,
    dtype: str | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Report:
    """Run the notebooks that make the wanted figures and tables.

    Args:
        wanted: Ids of figures.yaml, notebooks, or their numbers; all when empty.
        parameters: Values for every chosen notebook, over those of figures.yaml.
        output: Folder for `figures/`, `tables/`, `notebooks/` (executed), `failed/` and `index.html`.
        jobs: Notebooks at a time; None: 2, or 1 on a single core.
        force: Run even what is up to date.
        notebooks: Folder with figures.yaml; None: `notebooks/` here or in the clone.
        timeout: Seconds after which a notebook is ended and counts as failed; None: no limit.
        test: The entries' `test_parameters` on top of their `parameters`.
        device: Device of every model for which a notebook names none; None for CUDA if present, else the CPU.
        dtype: Number format of CLIP where a notebook names none, such as "bfloat16" or "auto"; None for float32.
        log: Function that is called with a line for each event.

    Returns:
        The report; a notebook that fails does not stop the others.

    Raises:
        InvalidInputError: An unknown id or parameter, a wrong figures.yaml; nothing has run then.
        UnavailableError: No figures.yaml, or another run is writing to `output`.
    """
    if jobs is not None and jobs < 1:
        raise InvalidInputError(f"jobs={jobs} was given; it must be at least 1")
    folder = find_notebooks(notebooks)
    every, runs = plan_runs(wanted, parameters=parameters, notebooks=folder, test=test)
    from zsris_viz.models.devices import DEVICE_VARIABLE, DTYPE_VARIABLE  # imports torch

    choices = {DEVICE_VARIABLE: device, DTYPE_VARIABLE: dtype}
    variables = {name: value for name, value in choices.items() if value is not None}
    place = Path(output)
    place.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UnavailableError(
            f"another `zsris reproduce` is writing to {place}; wait for it, or take another folder: --output DIR"
        ) from None
    try:
        declared = frozenset(output for run in every for output in run.outputs)
        executor = NotebookExecutor(place, jobs or min(2, os.cpu_count() or 1), timeout, log, declared, variables)
        package = " ".join([package_hash([folder.parent / "data_manifests"]), *variables.values()])
        results = executor.run(runs, package, force)
        return Report(results, write_index(place, every))
    finally:
        lock.release()
