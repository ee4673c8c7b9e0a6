"""What another process needs to evaluate images of a run: names where there are names, objects where there are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zsris_viz import __version__
from zsris_viz.datasets.types import Dataset
from zsris_viz.errors import UnavailableError
from zsris_viz.evaluation.config import EvaluationConfig
from zsris_viz.evaluation.per_image import ImageEvaluator
from zsris_viz.evaluation.settings import weights_fingerprint
from zsris_viz.methods.base import Method


@dataclass(frozen=True)
class WorkerSpec:
    """A run that another process can take part in; everything in it can be pickled.

    Attributes:
        dataset: Dataset, or its name.
        methods: Methods by label.
        config: Options of the run.
        weights: Fingerprint of the model's weights; the process must find the same ones.
        labels: Columns that all rows share.
        version: Version of this package; the process must have the same.
    """

    dataset: Dataset | str
    methods: Mapping[str, Method]
    config: EvaluationConfig
    weights: str
    labels: Mapping[str, Any] = field(default_factory=dict)
    version: str = __version__

    def build(self) -> tuple[Dataset, ImageEvaluator]:
        """Load dataset, model and proposals, once in a process.

        Returns:
            The dataset, and what evaluates its images.

        Raises:
            UnavailableError: If this process has another version of the package, or other weights.
        """
        if self.version != __version__:
            raise UnavailableError(
                f"This worker has zsris_viz {__version__} and the run was started with {self.version}; install the "
                "same version on all workers."
            )
        evaluator = ImageEvaluator.from_config(self.config, self.labels)
        if weights_fingerprint(evaluator.clip) != self.weights:
            raise UnavailableError(
                f"This worker found other weights for {evaluator.clip.name!r} than the process that started the run; "
                "give all workers the same files."
            )
        return self.config.load_dataset(self.dataset), evaluator
