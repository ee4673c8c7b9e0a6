"""`figures.yaml`: the notebook and the parameters of each figure and table, and the runs that make them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.io.yaml_files import read_yaml
from zsris_viz.outputs import PICTURES, TABLES

LONGEST_NAME = 120  # characters of a run's name, which names files
FOLDERS = ("figures/", "tables/")
SUFFIXES = {"figures/": tuple(PICTURES), "tables/": TABLES}


class FigureEntry(BaseModel):
    """An entry of `figures.yaml`: a figure, a table or a whole notebook; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    title: str = Field(min_length=1)
    notebook: str = Field(min_length=1)
    kind: Literal["figure", "table", "notebook"] = "notebook"
    outputs: tuple[str, ...] = Field(min_length=1)
    parameters: dict[str, Any] = Field(default_factory=dict)
    test_parameters: dict[str, Any] = Field(default_factory=dict)
    paper: str | None = None

    @field_validator("notebook")
    @classmethod
    def _without_suffix(cls, value: str) -> str:
        return value.removesuffix(".ipynb")

    @field_validator("outputs")
    @classmethod
    def _stems(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        stems = []
        for value in values:
            folder = next((folder for folder in FOLDERS if value.startswith(folder)), None)
            if folder is None or value.count("/") != 1 or value == folder:
                raise ValueError(f"output {value!r} is neither figures/NAME nor tables/NAME")
            for suffix in SUFFIXES[folder]:
                value = value.removesuffix(suffix)
            stems.append(value)
        return tuple(stems)

    @field_validator("parameters", "test_parameters")
    @classmethod
    def _not_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        if "output_dir" in value:
            raise ValueError("output_dir is set by `zsris reproduce --output DIR`, not here")
        return value


@dataclass(frozen=True)
class NotebookRun:
    """One execution of a notebook, which makes the outputs of all entries with this notebook and these parameters."""

    name: str
    """The name of the executed notebook: the notebook's own name unless it runs more than once."""
    notebook: Path
    parameters: Mapping[str, Any]
    entries: tuple[FigureEntry, ...]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return `figures/NAME` and `tables/NAME` of all entries, in order, each once."""
        return tuple(dict.fromkeys(output for entry in self.entries for output in entry.outputs))

    @property
    def files(self) -> tuple[str, ...]:
        """Return the files that must be there after the run: those of every figure and table."""
        return tuple(name for output in self.outputs for name in files_of(output))


def files_of(output: str) -> tuple[str, ...]:
    """Return the files of one output.

    `figures/a` has `figures/a.png`, `.svg` and `.pdf`; `tables/a` has `tables/a.csv` and `.tex`.
    """
    folder = output[: output.index("/") + 1]
    return tuple(output + suffix for suffix in SUFFIXES[folder])


def find_notebooks(folder: str | Path | None = None) -> Path:
    """Return the folder with `figures.yaml`: the given one, else `notebooks/` here, else that of the package's clone.

    Raises:
        UnavailableError: There is none.
    """
    local = Path("notebooks")
    clone = Path(__file__).resolve().parents[2] / "notebooks"
    places = [Path(folder)] if folder is not None else [local, clone]
    for place in places:
        if (place / "figures.yaml").is_file():
            return place
    raise UnavailableError(
        f"no figures.yaml in {', '.join(map(str, places))}; run in a clone of zsris_viz, or give its folder: "
        "zsris reproduce --notebooks DIR"
    )


def load_entries(notebooks: Path) -> list[FigureEntry]:
    """Read and check `figures.yaml`.

    Raises:
        CorruptFileError: The file is not valid YAML.
        InvalidInputError: A key is unknown, a notebook is missing, or an id or output occurs twice.
    """
    path = notebooks / "figures.yaml"
    content = next(iter(read_yaml(path)), None)
    if not isinstance(content, dict) or set(content) != {"figures"} or not isinstance(content["figures"], list):
        raise InvalidInputError(f"{path} must hold one key, `figures`, with a list of entries")
    entries: list[FigureEntry] = []
    for number, item in enumerate(content["figures"], start=1):
        named = item.get("id", f"number {number}") if isinstance(item, dict) else f"number {number}"
        try:
            entries.append(FigureEntry.model_validate(item))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'entry'}: {e['msg']}" for e in error.errors())
            raise InvalidInputError(f"{path}, entry {named}: {wrong}") from error
    _check(path, entries)
    return entries


def _check(path: Path, entries: Sequence[FigureEntry]) -> None:
    ids: set[str] = set()
    entry_of: dict[str, str] = {}
    for entry in entries:
        if entry.id in ids:
            raise InvalidInputError(f"{path}: two entries have the id {entry.id!r}")
        ids.add(entry.id)
        if not (path.parent / f"{entry.notebook}.ipynb").is_file():
            raise InvalidInputError(f"{path}, entry {entry.id}: there is no notebook {entry.notebook}.ipynb beside it")
        for output in entry.outputs:
            if output in entry_of:
                raise InvalidInputError(f"{path}: {entry_of[output]} and {entry.id} both make {output}")
            entry_of[output] = entry.id


def select(entries: Sequence[FigureEntry], wanted: Iterable[str]) -> list[FigureEntry]:
    """Return entries by id, by notebook ("03_global_local") or by its number ("03"); all if none is named.

    Raises:
        InvalidInputError: A name that matches nothing; the message lists the existing names.
    """
    chosen: set[str] = set()
    names = list(wanted)
    for name in names:
        word = name.removesuffix(".ipynb")
        found = {e.id for e in entries if word in (e.id, e.notebook, e.notebook.split("_")[0])}
        if not found:
            known = [*(e.id for e in entries), *dict.fromkeys(e.notebook for e in entries)]
            near = difflib.get_close_matches(word, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise InvalidInputError(
                f"no figure, table or notebook {name!r}{hint} There are: {', '.join(known) or 'none'}"
            )
        chosen |= found
    return [e for e in entries if not names or e.id in chosen]


def part_of(run: NotebookRun, ids: Collection[str]) -> NotebookRun:
    """Return the run with the entries among `ids` alone, under its own name; the run itself if those are all."""
    members = tuple(entry for entry in run.entries if entry.id in ids)
    if members == run.entries:
        return run
    name = f"{run.name}--{'+'.join(entry.id for entry in members)}"
    return replace(run, name=name[:LONGEST_NAME], entries=members)


def runs_of(entries: Sequence[FigureEntry], notebooks: Path, *, test: bool = False) -> list[NotebookRun]:
    """Group entries that want the same notebook with the same parameters, in the order of `figures.yaml`.

    Args:
        entries: All entries, not a selection: a run makes the outputs of each of them.
        notebooks: Folder of the notebooks.
        test: `test_parameters` on top of `parameters`.
    """
    groups: dict[tuple[str, str], tuple[dict[str, Any], list[FigureEntry]]] = {}
    for entry in entries:
        parameters = {**entry.parameters, **(entry.test_parameters if test else {})}
        key = (entry.notebook, repr(sorted(parameters.items())))
        groups.setdefault(key, (parameters, []))[1].append(entry)
    stems = [notebook for notebook, _ in groups]
    runs = []
    for (notebook, _), (parameters, members) in groups.items():
        name = notebook if stems.count(notebook) == 1 else f"{notebook}--{members[0].id}"
        runs.append(NotebookRun(name, notebooks / f"{notebook}.ipynb", parameters, tuple(members)))
    return runs
