"""The code that runs in the workers of a Dask cluster: a plugin sends the run, the first shard loads the models."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from distributed import WorkerPlugin

if TYPE_CHECKING:
    from zsris_viz.datasets.types import Dataset
    from zsris_viz.evaluation.per_image import ImageEvaluator
    from zsris_viz.evaluation.worker_spec import WorkerSpec

Rows = list[tuple[int, list[dict[str, Any]]]]
_SPECS: dict[str, bytes] = {}
_LOADED: dict[str, tuple[WorkerSpec, Dataset, ImageEvaluator]] = {}
_LOCK = threading.Lock()  # a worker may have several threads; the models and the memory are one


class WorkerSpecPlugin(WorkerPlugin):
    """Send a spec to every worker, also to workers that join later.

    Args:
        token: Identifier of the run.
        spec: A pickled WorkerSpec, which is unpickled with the first shard.
    """

    def __init__(self, token: str, spec: bytes) -> None:
        self.token, self.spec = token, spec

    def setup(self, worker: Any) -> None:
        """Register the spec on a worker; Dask calls this when the plugin reaches the worker."""
        _SPECS[self.token] = self.spec

    def teardown(self, worker: Any) -> None:
        """Release the models; Dask calls this when the run is over."""
        _SPECS.pop(self.token, None)
        _LOADED.pop(self.token, None)


def run_shard(token: str, places: Sequence[int]) -> Rows:
    """Return (place, rows) of a few images; the first call in a process loads the models."""
    from distributed.protocol.pickle import loads

    from zsris_viz.evaluation.per_image import evaluate_image

    with _LOCK:
        if token not in _LOADED:
            _LOADED.clear()  # of a run that was broken off
            spec = loads(_SPECS[token])
            _LOADED[token] = (spec, *spec.build())
        spec, dataset, evaluator = _LOADED[token]
        return [(place, evaluate_image(dataset[place], spec.methods, evaluator)) for place in places]
