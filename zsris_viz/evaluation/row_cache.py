"""Rows of earlier evaluations, found by content, so that notebooks that evaluate the same images share their rows.

The prediction of a method on an image depends on the image, its masks and expressions, the settings of the method and
of the models, and the code. All of these are in the key; a change to any of them gives new rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from zsris_viz.datasets.types import Expression, Reference, Sample
from zsris_viz.evaluation.rows import CHANCE
from zsris_viz.io.cache import DiskCache, cache_folder, image_fingerprint, key_of
from zsris_viz.io.code_hash import code_hash
from zsris_viz.methods.base import Method

PART = "rows"
MAX_BYTES = 2**28
# Modules that use rows but do not compute them. Samples are identified by their pixels, so datasets are among them.
INDEPENDENT = (
    "cli", "figures", "papers", "reproduce", "explorers", "probes", "datasets", "miniature/world",
    "miniature/training", "doctor.py", "outputs.py", "segmentation.py", "io", "testing.py",
)  # fmt: skip
WEIGHTS = (".safetensors", ".pt", ".pth")  # are in the settings by their own hashes
RowsByLabel = dict[str, list[dict[str, Any]]]  # label -> columns of each expression, in order


class RowCache:
    """Measured columns of single images and methods, on disk.

    Args:
        store: A DiskCache; by default "rows" in the package's cache folder, of limited size.
        config: Result of `run_settings`, of which the parts that hold for all methods count.

    Attributes:
        store: The DiskCache; None if caching is switched off.
    """

    def __init__(self, config: Mapping[str, Any], store: DiskCache | None = None) -> None:
        where = cache_folder(PART) if store is None else None
        self.store = DiskCache(where, MAX_BYTES) if where is not None else store
        self._methods = config["methods"]
        shared = ("clip", "preprocess", "proposals", "parts", "parser")
        self._shared = {name: config[name] for name in shared} | {"code": rows_code()}
        self._captioner = config["captioner"]

    def get(
        self, sample: Sample, pairs: Sequence[tuple[Reference, Expression]], methods: Mapping[str, Method]
    ) -> tuple[RowsByLabel, dict[str, str]]:
        """Return the stored columns of an image.

        Args:
            sample: Image with its references.
            pairs: References and expressions of the image, in order.
            methods: Methods by label.

        Returns:
            The stored columns by label, and the keys under which those of the other labels may be put.
        """
        if self.store is None:
            return {}, {}
        content = _content(sample, pairs)
        settings_of: dict[str, Any] = {label: self._methods[label] for label in methods}
        captioned = {label for label, method in methods.items() if "captions" in method.info.needs}
        keys = {
            label: key_of(
                what="rows",
                image=content,
                method=settings,
                captioner=self._captioner if label in captioned else None,
                **self._shared,
            )
            for label, settings in {**settings_of, CHANCE: None}.items()
        }
        found = {}
        for label, key in keys.items():
            entry = self.store.get(key)
            rows = None if entry is None else entry.get("rows")
            if isinstance(rows, list) and len(rows) == len(pairs):
                found[label] = rows
        return found, keys

    def put(self, keys: Mapping[str, str], label: str, rows: list[dict[str, Any]]) -> None:
        """Store the columns of a label, unless one of its rows has an error."""
        if self.store is not None and label in keys and not any(row["error"] for row in rows):
            self.store.put(keys[label], {"rows": rows})


def _content(sample: Sample, pairs: Sequence[tuple[Reference, Expression]]) -> str:
    """Return a hash over pixels, masks, classes and expressions of a sample."""
    digest = hashlib.sha256(image_fingerprint(sample.image).encode())
    digest.update(
        repr((str(sample.image_id), sample.instance_categories, [expression for _, expression in pairs])).encode()
    )
    for reference, _ in pairs:
        digest.update(f"{reference.category} {reference.mask.shape}".encode() + reference.mask.tobytes())
    if sample.instances is not None:
        digest.update(sample.instances.data.numpy().tobytes())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def rows_code() -> str:
    """Return a hash over the code and small data that rows depend on, with torch's version."""
    import torch

    return f"{code_hash(exclude=INDEPENDENT, exclude_suffixes=WEIGHTS)[:32]} torch {torch.__version__}"
