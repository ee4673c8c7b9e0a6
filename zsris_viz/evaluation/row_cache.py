"""Rows that were worked out before, by content: notebooks that ask the same of the same images share the answer.

What a method chooses on an image depends on the image, its masks and expressions, the settings of the method and of
everything below it, and the code. All of that is in the key; whoever changes any of it gets new rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from zsris_viz.datasets.types import Expression, Reference, Sample
from zsris_viz.evaluation.rows import CHANCE
from zsris_viz.evaluation.settings import method_settings
from zsris_viz.io.cache import DiskCache, cache_folder, image_fingerprint, key_of
from zsris_viz.methods.base import Method

PART = "rows"
MAX_BYTES = 2**28
PACKAGE = Path(__file__).resolve().parents[1]
# What lies above the rows has no part in them; scenes are known by their pixels.
ABOVE = ("cli", "figures", "papers", "reproduce", "explorers", "probes", "datasets", "doctor.py", "outputs.py",
         "latex.py", "segmentation.py", "io")  # fmt: skip
LARGE = (".safetensors", ".pt", ".pth")  # weights are in the settings
Kept = dict[str, list[dict[str, Any]]]  # label -> the judged columns for each expression, in order


class RowCache:
    """Judged columns of single images and methods, on disk.

    Args:
        store: where; by default "rows" in the package's cache folder, bounded.
        config: what `run_settings` gives; its parts that hold for all methods count.

    Attributes:
        store: the DiskCache; None where caching is switched off.
    """

    def __init__(self, config: Mapping[str, Any], store: DiskCache | None = None) -> None:
        where = cache_folder(PART) if store is None else None
        self.store = DiskCache(where, MAX_BYTES) if where is not None else store
        shared = ("clip", "preprocess", "proposals", "parts", "parser", "captioner")
        self._shared = {name: config[name] for name in shared} | {"code": code_hash()}

    def take(
        self, sample: Sample, pairs: Sequence[tuple[Reference, Expression]], methods: Mapping[str, Method]
    ) -> tuple[Kept, dict[str, str]]:
        """What is known of an image, by label, and the keys under which the rest may be put.

        Args:
            sample, pairs: the image and its expressions in order. methods: by label.
        """
        if self.store is None:
            return {}, {}
        content = _content(sample, pairs)
        asked: dict[str, Any] = {label: method_settings(method) for label, method in methods.items()}
        keys = {
            label: key_of(what="rows", image=content, method=settings, **self._shared)
            for label, settings in {**asked, CHANCE: None}.items()
        }
        kept = {}
        for label, key in keys.items():
            entry = self.store.get(key)
            rows = None if entry is None else entry.get("rows")
            if isinstance(rows, list) and len(rows) == len(pairs):
                kept[label] = rows
        return kept, keys

    def put(self, keys: Mapping[str, str], label: str, rows: list[dict[str, Any]]) -> None:
        """Keep the judged columns of a label, unless something went wrong."""
        if self.store is not None and label in keys and not any(row["error"] for row in rows):
            self.store.put(keys[label], {"rows": rows})


def _content(sample: Sample, pairs: Sequence[tuple[Reference, Expression]]) -> str:
    """A hash over pixels, masks, classes and expressions of a sample."""
    digest = hashlib.sha256(image_fingerprint(sample.image).encode())
    digest.update(repr((str(sample.image_id), sample.instance_categories, [said for _, said in pairs])).encode())
    for reference, _ in pairs:
        digest.update(f"{reference.category} {reference.mask.shape}".encode() + reference.mask.tobytes())
    if sample.instances is not None:
        digest.update(sample.instances.data.numpy().tobytes())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def code_hash() -> str:
    """A hash over the package's source and small data, what lies above the rows left out; torch's version too."""
    import torch

    digest = hashlib.sha256(torch.__version__.encode())
    for path in sorted(PACKAGE.rglob("*")):
        inner = path.relative_to(PACKAGE)
        if "__pycache__" in inner.parts or inner.parts[0] in ABOVE or path.suffix in LARGE or not path.is_file():
            continue
        digest.update(inner.as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:32]
