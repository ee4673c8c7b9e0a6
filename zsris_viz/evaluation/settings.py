"""The settings of a run as plain values: what must be equal for a run to be continued."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from zsris_viz.datasets.types import Subset
from zsris_viz.io.hashing import weights_hash
from zsris_viz.io.json_files import plain

if TYPE_CHECKING:
    from zsris_viz.datasets.types import Dataset
    from zsris_viz.methods.base import Method
    from zsris_viz.methods.expression_parts import PartSource
    from zsris_viz.models.base import ImageTextModel
    from zsris_viz.proposals.base import Proposer

SAMPLED = 256  # numbers of each weight that go into the fingerprint


def run_settings(
    dataset: Dataset,
    methods: Mapping[str, Method],
    clip: ImageTextModel,
    proposer: Proposer,
    *,
    parts: PartSource,
    parser: Any = None,
    captioner: Any = None,
    preprocess: Any = None,
    none_below: float | Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return everything that decides the rows of an image; device, batch size and number of images do not."""
    return {
        "dataset": dataset_settings(dataset),
        "methods": {
            label: method_settings(method) | _threshold(none_below, label) for label, method in methods.items()
        },
        "clip": {"name": clip.name, "dtype": str(clip.dtype), "weights": weights_fingerprint(clip)},
        "preprocess": plain(clip.preprocess if preprocess is None else preprocess),
        "proposals": {"name": proposer.name, **plain(proposer.settings)},
        "parts": parts,
        "parser": parser_name(parser) if parts == "parser" else None,
        "captioner": captioner_settings(captioner, methods),
    }


def _threshold(none_below: float | Mapping[str, float] | None, label: str) -> dict[str, float]:
    value = none_below.get(label) if isinstance(none_below, Mapping) else none_below
    return {} if value is None else {"none_below": float(value)}


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that change with any setting."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def dataset_settings(dataset: Dataset) -> dict[str, Any]:
    """Return name, split and the dataset's own settings: its `settings`, else its plain public attributes.

    The first images of a dataset count as the dataset itself, so that a run can be extended; other subsets do not.
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
    """Return a method's name, its configuration and the hash of its own weights, if it has any.

    The name of a preset does not matter, its values do.
    """
    weights = {} if method.weights is None else {"weights": method.weights}
    return {"name": method.name, **plain(method.config), **weights}


def parser_name(parser: Any) -> str:
    """Return the name of `parser`, or of the parser that would be loaded, without loading it."""
    if parser is not None:
        return str(getattr(parser, "name", type(parser).__name__))
    from zsris_viz.language.models import BUILTIN, PREFERRED

    return next((name for name in PREFERRED if importlib.util.find_spec(name) is not None), BUILTIN)


def captioner_settings(captioner: Any, methods: Mapping[str, Method]) -> dict[str, Any] | None:
    """Return name, settings and weights of the captioner; None where no method uses captions."""
    if not any("captions" in method.info.needs for method in methods.values()):
        return None
    if captioner is None or isinstance(captioner, str):
        from zsris_viz.captioning import shared_captioner

        captioner = shared_captioner(captioner or "miniature")
    name = str(getattr(captioner, "name", type(captioner).__name__))
    return {"name": name, **plain(getattr(captioner, "settings", {}))}


def weights_fingerprint(clip: ImageTextModel) -> str:
    """Return a hash over every weight's name, shape and some of its values, which differs between two trainings."""
    modules = [value for part in (clip, getattr(clip, "text", None)) for value in vars(part or object).values()]
    distinct = {id(module): module for module in modules if isinstance(module, torch.nn.Module)}
    return weights_hash(*distinct.values(), samples=SAMPLED)[:16]


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool, int, float))
