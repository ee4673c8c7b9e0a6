"""The settings of a run in plain values: what must be the same for a run to be continued."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from zsris_viz.datasets.types import Subset
from zsris_viz.models.huggingface import add_weights

if TYPE_CHECKING:
    from zsris_viz.datasets.types import Dataset
    from zsris_viz.methods.base import Method
    from zsris_viz.models.base import Clip
    from zsris_viz.proposals.base import Proposer

SAMPLED = 256  # numbers of each weight that go into the fingerprint


def run_config(
    dataset: Dataset,
    methods: Mapping[str, Method],
    clip: Clip,
    proposer: Proposer,
    *,
    parts: str,
    parser: Any = None,
    captioner: Any = None,
    preprocess: Any = None,
) -> dict[str, Any]:
    """Everything that decides the rows of an image. Device, batch size and the number of images do not."""
    return {
        "dataset": dataset_settings(dataset),
        "methods": {label: method_settings(method) for label, method in methods.items()},
        "clip": {"name": clip.name, "dtype": str(clip.dtype), "weights": weights_fingerprint(clip)},
        "preprocess": plain(clip.preprocess if preprocess is None else preprocess),
        "proposals": {"name": proposer.name, **plain(proposer.settings)},
        "parts": parts,
        "parser": parser_name(parser) if parts == "parser" else None,
        "captioner": captioner_settings(captioner, methods),
    }


def config_hash(config: Mapping[str, Any]) -> str:
    """16 hexadecimal digits that change with any setting."""
    text = json.dumps(config, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def dataset_settings(dataset: Dataset) -> dict[str, Any]:
    """Name, split and the dataset's own settings: its `settings` if it has them, else its plain public attributes.

    The first images of a dataset count as the dataset itself, so that a run can be extended; any other choice does not.
    """
    if isinstance(dataset, Subset):
        whole = dataset_settings(dataset.dataset)
        if dataset.indices == list(range(len(dataset.indices))):
            return whole
        chosen = hashlib.sha256(json.dumps([int(index) for index in dataset.indices]).encode()).hexdigest()[:16]
        return {**whole, "indices": chosen}
    own = getattr(dataset, "settings", None)
    if own is None:
        own = {name: value for name, value in vars(dataset).items() if not name.startswith("_") and _is_plain(value)}
    return {"name": dataset.name, "split": dataset.split, "split_by": dataset.split_by, **plain(own)}


def method_settings(method: Method) -> dict[str, Any]:
    """Name and configuration; the preset's name does not matter, its values do. A method with weights of its own also
    names these."""
    weights = getattr(method, "weights", None)
    return {"name": method.name, **plain(method.config)} | ({} if weights is None else {"weights": weights})


def parser_name(parser: Any) -> str:
    """The given parser's name, or that of the one that will be loaded, without loading it."""
    if parser is not None:
        return str(getattr(parser, "name", type(parser).__name__))
    from zsris_viz.language.models import BUILTIN, PREFERRED

    return next((name for name in PREFERRED if importlib.util.find_spec(name) is not None), BUILTIN)


def captioner_settings(captioner: Any, methods: Mapping[str, Method]) -> dict[str, Any] | None:
    """Name and settings of the captioner that methods will ask, weights included; None where no method asks one."""
    if not any(hasattr(method.config, "caption_style") for method in methods.values()):
        return None
    if captioner is None or isinstance(captioner, str):
        from zsris_viz.captioning import shared_captioner

        captioner = shared_captioner(captioner or "miniature")
    name = str(getattr(captioner, "name", type(captioner).__name__))
    return {"name": name, **plain(getattr(captioner, "settings", {}))}


def weights_fingerprint(clip: Clip) -> str:
    """A hash over every weight's name, shape and some of its numbers: tells two trainings of one model apart."""
    modules = [value for part in (clip, getattr(clip, "text", None)) for value in vars(part or object).values()]
    digest = hashlib.sha256()
    seen: set[int] = set()
    for module in modules:
        if not isinstance(module, torch.nn.Module) or id(module) in seen:
            continue
        seen.add(id(module))
        add_weights(digest, module, SAMPLED)
    return digest.hexdigest()[:16]


def plain(value: Any) -> Any:
    """Dataclasses, tuples and the like as dicts, lists, texts and numbers, so that they survive JSON unchanged."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(entry) for entry in value)
    return value if _is_plain(value) else str(value)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool, int, float))
