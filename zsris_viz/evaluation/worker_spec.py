"""What another process needs to evaluate images of a run: names where there are names, objects where there are not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from zsris_viz import __version__
from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.types import Dataset, Subset
from zsris_viz.errors import InvalidTypeError, UnavailableError
from zsris_viz.evaluation.config import weights_fingerprint
from zsris_viz.evaluation.per_image import ImageEvaluator
from zsris_viz.methods.base import Method
from zsris_viz.models.base import Clip
from zsris_viz.proposals import load_proposals
from zsris_viz.proposals.base import Proposer


@dataclass(frozen=True)
class DatasetSource:
    """A dataset as `evaluate` takes it: an object, or a name with what `load_dataset` needs."""

    dataset: Dataset | str
    split: str = "val"
    limit: int | None = None
    data_root: str | os.PathLike[str] | None = None
    split_by: str | None = None

    def load(self) -> Dataset:
        """The dataset, cut to `limit`.

        Raises:
            InvalidInputError: an unknown name, split or scheme. InvalidTypeError: neither a name nor a dataset.
        """
        if isinstance(self.dataset, str):
            options: dict[str, Any] = {"limit": self.limit, "data_root": self.data_root, "split_by": self.split_by}
            return load_dataset(self.dataset, self.split, **options)
        if not isinstance(self.dataset, Dataset):
            raise InvalidTypeError(
                f"A dataset was given as {type(self.dataset).__name__}; give a name, or load_dataset(name, split), "
                "or an object with name, split, split_by, len() and samples by number."
            )
        return self.dataset if self.limit is None else Subset(self.dataset, self.limit)


@dataclass(frozen=True)
class ClipSource:
    """A model as `evaluate` takes it: an object, or a name with what `load_clip` needs."""

    clip: Clip | str
    device: str | torch.device | None = None
    dtype: torch.dtype = torch.float32

    def load(self) -> Clip:
        """The model."""
        if isinstance(self.clip, Clip):
            return self.clip
        from zsris_viz.models import load_clip

        return load_clip(self.clip, device=self.device, dtype=self.dtype)


@dataclass(frozen=True)
class WorkerSpec:
    """A run that another process can take part in; everything in it can be pickled.

    Attributes:
        dataset, clip, proposals: as `evaluate` was given them. methods: by label.
        weights: fingerprint of the model's weights; the process must find the same ones.
        options: further arguments of :class:`~.per_image.ImageEvaluator`. where: of `load_proposals`, for
            proposals that are a name. version: of this package.
    """

    dataset: DatasetSource
    methods: Mapping[str, Method]
    clip: ClipSource
    weights: str
    proposals: Proposer | str
    options: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)
    version: str = __version__

    def build(self) -> tuple[Dataset, ImageEvaluator]:
        """Load everything, once in a process.

        Raises:
            UnavailableError: another version of this package, or other weights, than in the process that asks.
        """
        if self.version != __version__:
            raise UnavailableError(
                f"This worker has zsris_viz {__version__} and the run was started with {self.version}; install the "
                "same version on all workers."
            )
        model = self.clip.load()
        if weights_fingerprint(model) != self.weights:
            raise UnavailableError(
                f"This worker found other weights for {model.name!r} than the process that started the run; give all "
                "workers the same files."
            )
        return self.dataset.load(), ImageEvaluator(model, load_proposals(self.proposals, **self.where), **self.options)
