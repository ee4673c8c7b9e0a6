"""Resources that a notebook's parameters name: splits of datasets, their files and models; no file is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zsris_viz.datasets.manifests import Manifest, manifests
from zsris_viz.errors import InvalidInputError
from zsris_viz.methods import method_class, method_names
from zsris_viz.papers.roles import FALLBACK
from zsris_viz.papers.table_spec import FILTERED
from zsris_viz.reproduce.plan import NotebookRun

BUILT_IN = ("miniature", "miniature-rn", "sam", "felzenszwalb", "ground-truth", "none")
WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")
# parameters of notebooks that name a model, or several
MODELS = (
    "clip", "clip_b16", "clip_rn", "itc", "proposals", "freesolo", "sam", "mask2former", "captioner", "captioner_2",
)  # fmt: skip
# roles in the papers' tables -> parameter
ROLES = {
    "vit": "clip", "vit-b16": "clip_b16", "rn": "clip_rn", "blip-2": "itc", "albef": "itc", "freesolo": "freesolo",
    "sam": "sam", "mask2former": "mask2former",
}  # fmt: skip
CAPTIONERS = {"blip-2": "captioner", "git": "captioner_2"}


@dataclass(frozen=True)
class Resource:
    """A resource that a run requires: a file of a dataset, a checkpoint or a model.

    Attributes:
        name: Name of a manifest or file.
        kind: "data" or "model".
        available: Whether it was found; None if unknown.
        size: Bytes; None if unknown.
        detail: The searched place, or how to get the resource.
    """

    name: str
    kind: str
    available: bool | None
    size: int | None = None
    detail: str = ""


def splits_of(run: NotebookRun, values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (dataset, split, scheme) of every measured split."""
    dataset = str(values.get("dataset", "scenes"))
    tables = _tables(run)
    if tables:
        from zsris_viz.papers.experiment import Experiment

        place = Experiment(dataset="scenes", limit=1)
        columns = dict.fromkeys(column for table in tables for column in place.columns(table))
        for name, split, split_by in columns:
            if dataset == "scenes" and split_by != "google":
                if not values.get("columns") or f"{name} {split or 'val'}" in values["columns"]:
                    yield "scenes", split or "val", ""
            elif dataset in ("all", name):
                yield name, split or "val", split_by
        return
    names = values.get("splits", values.get("split", "val"))
    for split in [names] if isinstance(names, str) else names:
        yield dataset, str(split), str(values.get("split_by") or "")


def _tables(run: NotebookRun) -> list[Any]:
    """Return the papers' tables among the outputs of a run."""
    from zsris_viz.papers.tables import find_table

    found = []
    for entry in run.entries:
        try:
            found.append(find_table(entry.id))
        except InvalidInputError:
            continue
    return found


def count_split(values: Mapping[str, Any], dataset: str, split: str, split_by: str) -> tuple[int | None, int | None]:
    """Return the images and expressions of a split after `limit`; None if the numbers are not published."""
    limit = values.get("limit")
    if dataset == "scenes":
        from zsris_viz.miniature.world.dataset import SPLITS

        images, expressions = SPLITS.get(split), None
    else:
        manifest = manifests().get(dataset)
        found = [entry for entry in manifest.splits if entry.split == split] if manifest else []
        found = [entry for entry in found if not split_by or entry.split_by == split_by] or found
        images, expressions = (found[0].images, found[0].expressions) if found else (None, None)
    if limit is None or (images is not None and images <= limit):
        return images, expressions
    return int(limit), round(expressions * limit / images) if expressions and images else None


def data_resources(values: Mapping[str, Any], splits: Sequence[tuple[str, str, str]]) -> Iterator[Resource]:
    """Yield the files of the benchmarks and of the data that they need."""
    names = dict.fromkeys(name for name, _, _ in splits if name != "scenes")
    root = str(values.get("data_root") or "")
    for name in names:
        manifest = manifests().get(name)
        if manifest is None:
            continue
        for other in (manifest, *(manifests()[need] for need in manifest.needs if need in manifests())):
            yield from _file_resources(other, root, "data")


def _file_resources(manifest: Manifest, root: str, kind: str) -> Iterator[Resource]:
    """Yield the files of a manifest, found by name alone: hashes are for `zsris data verify`."""
    get = f"zsris data fetch {manifest.name} --data-root {root or 'DIR'}"
    for file in (entry for entry in manifest.files if not entry.optional):
        places = [file.path, *file.provides]
        available = bool(root) and (
            (Path(root) / file.path).is_file()
            or (bool(file.provides) and all((Path(root) / place).exists() for place in file.provides))
        )
        name = manifest.name if kind == "model" else places[0]
        yield Resource(
            name, kind, available, file.size, "" if available else f"{get}{'' if root else ' (data_root is not set)'}"
        )


def model_resources(values: Mapping[str, Any], run: NotebookRun) -> list[Resource]:
    """Return every model that a parameter names, once; for tables of the papers the models of their rows."""
    named: list[str] = []
    for parameter in _used_parameters(run, values):
        value = values.get(parameter)
        many = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else [value]
        named += [name.removesuffix("+filter") for name in many if isinstance(name, str) and name]
    return [_model(name, str(values.get("data_root") or "")) for name in dict.fromkeys(named)]


def _parameter(role: str, values: Mapping[str, Any]) -> str:
    """Return the parameter that names the model of a role."""
    return ROLES[role] if values.get(ROLES[role]) else ROLES[FALLBACK.get(role, role)]


def _used_parameters(run: NotebookRun, values: Mapping[str, Any]) -> list[str]:
    """Return the parameters whose models are used."""
    tables = _tables(run)
    if not tables or len(tables) < len(run.entries):  # something else is made, too: pictures, for example
        return list(MODELS)
    lines = [line for table in tables for line in table.lines if line.method is not None]
    roles = {line.tower for line in lines} | {line.proposals.removesuffix(FILTERED) for line in lines}
    wanted = [_parameter(role, values) for role in ROLES if role in roles]
    methods = {line.method for line in lines if line.method in method_names()}  # others are chance and upper bound
    if any("captions" in method_class(name).info.needs for name in methods):
        wanted += [name for role, name in CAPTIONERS.items() if any(line.captioner == role for line in lines)]
    return list(dict.fromkeys(wanted))


def _model(name: str, root: str) -> Resource:
    if name in BUILT_IN:
        return Resource(name, "model", True, None, "built in")
    kind, _, file = name.partition(":")
    if file and kind in ("precomputed", "sam", "mask2former"):
        path = Path(file).expanduser()
        title = kind if kind == "precomputed" else name
        if path.exists():
            return Resource(title, "model", True, _weight_bytes(path))
        if kind == "mask2former" and file.count("/") == 1:
            cached = _in_hub_cache(file)
            return Resource(title, "model", cached or None, None, "" if cached else "a repository of unknown size")
        return Resource(title, "model", False, None, f"there is no file {file}")
    if Path(name).expanduser().exists():
        return Resource(name, "model", True, _weight_bytes(Path(name).expanduser()))
    manifest = _manifest_of(name)
    if manifest is None:
        cached = _in_hub_cache(name) if name.count("/") == 1 else False
        return Resource(name, "model", cached or None, None, "not in data_manifests, so its size is unknown")
    size = sum(file.size or 0 for file in manifest.files) or None
    if manifest.hub is not None and _in_hub_cache(manifest.hub.repo):
        return Resource(manifest.name, "model", True, size, "in the Hugging Face cache")
    parts = list(_file_resources(manifest, root, "model"))
    if any(part.available for part in parts):
        return parts[0]
    get = f"zsris data fetch {manifest.name}" + (f" --data-root {root or 'DIR'}" if manifest.hub is None else "")
    return Resource(manifest.name, "model", False, size, get)


def _weight_bytes(path: Path) -> int:
    """Return the size of a file, or of the weights in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.iterdir() if file.suffix in WEIGHT_SUFFIXES)


def _manifest_of(name: str) -> Manifest | None:
    """Return the record of a model by its own name, its repository, its file, or OpenAI's name ("RN50", "ViT-B/32")."""
    plain = name.lower().replace("/", "").replace("-", "")
    for manifest in manifests().values():
        called = {manifest.name.lower(), (manifest.hub.repo.lower() if manifest.hub else "")}
        if any(Path(name).as_posix().endswith(file.path) for file in manifest.files):
            return manifest
        short = manifest.name.removeprefix("clip-").replace("-", "")
        if name.lower() in called or (manifest.name.startswith("clip-") and short == plain):
            return manifest
    return None


def _in_hub_cache(repo: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repo, "config.json"), str)
