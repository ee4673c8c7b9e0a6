"""What runs in the workers of a Dask cluster: a plugin brings the recipe, the first shard loads the models."""

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
_RECIPES: dict[str, bytes] = {}
_LOADED: dict[str, tuple[WorkerSpec, Dataset, ImageEvaluator]] = {}
_ONE_AT_A_TIME = threading.Lock()  # a worker may have several threads; the models and the memory are one


class Keeper(WorkerPlugin):
    """Brings a recipe to every worker, also to those that come later.

    Args:
        token: names the run. recipe: a pickled WorkerSpec, which is read with the first shard.
    """

    def __init__(self, token: str, recipe: bytes) -> None:
        self.token, self.recipe = token, recipe

    def setup(self, worker: Any) -> None:
        """Called by Dask when the worker meets the plugin."""
        _RECIPES[self.token] = self.recipe

    def teardown(self, worker: Any) -> None:
        """Called by Dask when the run is over: drop the models."""
        _RECIPES.pop(self.token, None)
        _LOADED.pop(self.token, None)


def run_shard(token: str, places: Sequence[int]) -> Rows:
    """(place, rows) of a few images; the first call in a process loads the models."""
    from distributed.protocol.pickle import loads

    from zsris_viz.evaluation.per_image import evaluate_image

    with _ONE_AT_A_TIME:
        if token not in _LOADED:
            _LOADED.clear()  # of a run that was broken off
            recipe = loads(_RECIPES[token])
            _LOADED[token] = (recipe, *recipe.build())
        recipe, dataset, bench = _LOADED[token]
        return [(place, evaluate_image(dataset[place], recipe.methods, bench)) for place in places]
