"""Estimates of what a run needs, without running anything: files, memory, and hours from measured seconds per image."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from zsris_viz.reproduce.parameters import read_parameters
from zsris_viz.reproduce.plan import NotebookRun
from zsris_viz.reproduce.resources import (
    BUILT_IN,
    MODELS,
    Resource,
    count_split,
    data_resources,
    model_resources,
    splits_of,
)

COSTS = Path(__file__).with_name("costs.csv")
WORKING_GB = 1.5  # for activations, beside the weights; measured for 50 masks through ViT-B/32 in fp32
TAS_GB = 22.0  # published for SAM ViT-H, BLIP-2 and CLIP together (TAS, section 4.5)
GB = 1e9


@dataclass(frozen=True)
class Needs:
    """The requirements of one run.

    Attributes:
        run: Name of the run.
        figures: Ids of figures.yaml.
        data: Names of the measured data.
        images: Number of images in all splits; None if unknown.
        expressions: Number of expressions in all splits; None if unknown.
        parts: The required resources.
        memory_gb: Memory of a GPU for weights and activations, in GB; None if unknown.
        memory_note: Source of the number for the memory.
        hours: Device -> hours.
        basis: Source of the hours, or the reason why they are unknown.
    """

    run: str
    figures: tuple[str, ...]
    data: str
    images: int | None
    expressions: int | None
    parts: tuple[Resource, ...]
    memory_gb: float | None
    memory_note: str
    hours: Mapping[str, float] = field(default_factory=dict)
    basis: tuple[str, ...] = ()

    @property
    def unknown(self) -> list[Resource]:
        """Return the resources that could not be checked."""
        return [part for part in self.parts if part.available is None]

    @property
    def missing(self) -> list[Resource]:
        """Return the resources that were not found."""
        return [part for part in self.parts if part.available is False]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"missing": [part.name for part in self.missing]}

    def text(self) -> str:
        """Return a description of several lines for the terminal."""
        counts = [f"{self.images:,} images" if self.images is not None else "an unknown number of images"]
        counts += [f"{self.expressions:,} expressions"] if self.expressions else []
        lines = [f"{self.run}: {', '.join(self.figures)}", f"  data     {self.data}: {', '.join(counts)}"]
        for part in self.parts:
            state = {True: "there", False: "MISSING", None: "unknown"}[part.available]
            size = f" ({part.size / 1e6:,.0f} MB)" if part.size else ""
            lines.append(f"  {state:<8} {part.name}{size}{': ' + part.detail if part.detail else ''}")
        memory = "unknown" if self.memory_gb is None else f"{self.memory_gb:.1f} GB of a GPU"
        lines.append(f"  memory   {memory}: {self.memory_note}")
        lines += [f"  time     {_duration(hours)} on {device}" for device, hours in self.hours.items()]
        lines += [f"  basis    {line}" for line in self.basis]
        return "\n".join(lines)


def needs_of(run: NotebookRun, output: Path) -> Needs:
    """Return what a run needs.

    Args:
        run: The run with all its parameters.
        output: Folder in which earlier runs have saved their state.
    """
    values = {**read_parameters(run.notebook), **run.parameters}
    splits = list(splits_of(run, values))
    parts = [*data_resources(values, splits), *model_resources(values, run)]
    used = [part.name for part in parts if part.kind == "model"]
    counts = [count_split(values, *split) for split in splits]
    images = None if any(count[0] is None for count in counts) else sum(count[0] or 0 for count in counts)
    expressions = None if any(count[1] is None for count in counts) else sum(count[1] or 0 for count in counts)
    memory, note = _memory(parts)
    hours, basis = _hours(used, images, run, output, values)
    return Needs(
        run=run.name,
        figures=tuple(entry.id for entry in run.entries),
        data=", ".join(dict.fromkeys(" ".join(filter(None, split)) for split in splits)) or str(values.get("dataset")),
        images=images,
        expressions=expressions,
        parts=tuple(parts),
        memory_gb=memory,
        memory_note=note,
        hours=hours,
        basis=tuple(basis),
    )


def needs_of_wanted(
    wanted: Iterable[str],
    *,
    parameters: Mapping[str, Any] | None = None,
    notebooks: str | Path | None = None,
    output: str | Path = "outputs",
    test: bool = False,
) -> list[Needs]:
    """Return what the runs of some ids need; the arguments are those of :func:`zsris_viz.reproduce.reproduce`."""
    from zsris_viz.reproduce.runner import plan_runs

    runs = plan_runs(wanted, parameters=parameters, notebooks=notebooks, test=test)[1]
    return [needs_of(run, Path(output)) for run in runs]


def _memory(parts: Sequence[Resource]) -> tuple[float | None, str]:
    """Return GB on a GPU, None if no size is known, and the source of this number."""
    models = {part.name: part for part in parts if part.kind == "model"}
    if {"sam-vit-h", "blip2-opt-2.7b"} <= set(models):
        return TAS_GB, "published for SAM ViT-H, BLIP-2 and CLIP together (TAS, section 4.5)"
    large = [part for part in models.values() if part.name not in BUILT_IN]
    weights = sum(part.size or 0 for part in large) / GB
    unknown = [part.name for part in large if part.size is None and part.name != "precomputed"]
    note = f"weights {weights:.1f} GB on disk, and {WORKING_GB} GB for 50 masks at once"
    if not large:
        note = "the built-in models need none: they run on a CPU"
        return 0.0, note
    if weights == 0 and unknown:
        return None, f"unknown size of {', '.join(unknown)}"
    return weights + WORKING_GB, note + (f"; without {', '.join(unknown)}, of unknown size" if unknown else "")


def _hours(
    used: Sequence[str], images: int | None, run: NotebookRun, output: Path, values: Mapping[str, Any]
) -> tuple[dict[str, float], list[str]]:
    """Return the hours by device, and their source."""
    with COSTS.open(encoding="utf-8", newline="") as file:
        costs = list(csv.DictReader(file))
    hours: dict[str, float] = {}
    basis: list[str] = []
    last = _last_run(run, output, values)
    if last is not None and images:
        seconds, before = last
        hours["this machine"] = seconds * max(1.0, images / before) / 3600
        basis.append(f"this machine: its last run here took {seconds:.0f} s for {before:,} images")
    for device in dict.fromkeys(row["device"] for row in costs):
        known = {row["part"]: row for row in costs if row["device"] == device}
        unmeasured = [name for name in used if name not in known]
        if unmeasured:
            basis.append(f"{device}: no measured seconds for {', '.join(unmeasured)}")
        elif images:
            per_image = sum(float(known[name]["seconds"]) for name in used)
            hours[device] = per_image * images / 3600
            known_parts = "; ".join(f"{name} {known[name]['seconds']} s ({known[name]['basis']})" for name in used)
            basis.append(f"{device}: {per_image:.2f} s an image: {known_parts}")
    return hours, basis


def _last_run(run: NotebookRun, output: Path, values: Mapping[str, Any]) -> tuple[float, int] | None:
    """Return seconds and images of the last whole run with the same models, if there was one."""
    best = None
    for path in sorted((output / ".state").glob(f"{run.notebook.stem}*.json")):
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            before = {**read_parameters(run.notebook), **state["parameters"]}
        except (OSError, ValueError, KeyError):
            continue
        same = all(before.get(name) == values.get(name) for name in (*MODELS, "dataset"))
        if state.get("status") == "done" and same and before.get("only", []) == values.get("only", []):
            counts = [count_split(before, *split)[0] for split in splits_of(run, before)]
            if counts and None not in counts:
                best = float(state["seconds"]), sum(count or 0 for count in counts)
    return best


def _duration(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} hours"
    return f"{60 * hours:.0f} minutes" if hours >= 1 / 60 else f"{3600 * hours:.0f} seconds"
