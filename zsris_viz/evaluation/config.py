"""The options of `evaluate` in one object."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import torch

from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.types import Dataset, Subset
from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.evaluation.shards import Shard
from zsris_viz.io.cache import DiskCache
from zsris_viz.methods.expression_parts import PartSource
from zsris_viz.models.base import ImageTextModel
from zsris_viz.proposals import load_proposals
from zsris_viz.proposals.base import Proposer

if TYPE_CHECKING:
    from zsris_viz.captioning.base import Captioner
    from zsris_viz.evaluation.dask_engine import DaskEngine
    from zsris_viz.language.parser import Parser
    from zsris_viz.models.loading import StateDictKind
    from zsris_viz.models.preprocessing import Preprocess


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Options of :func:`~zsris_viz.evaluation.runner.evaluate`.

    Attributes:
        split: Split of a dataset that is given by name.
        text: Form of the expressions of a refer dataset that is given by name, "sent" or "raw"; None for its default.
        split_by: Splitting scheme of a dataset that is given by name, such as "umd"; None for its default.
        data_root: Folder in which the benchmark's files and precomputed proposals lie; None for the default.
        limit: Number of images, taken from the front; None for all.
        clip: Image-text model, or a name for `load_clip`.
        kind: Training of a state dict in OpenAI's layout, "openai" or "open_clip", which tells its activation.
        device: Device of a model or of proposals that are given by name; None for CUDA where there is one.
        dtype: Number format of a model that is given by name, such as "bfloat16" or "auto"; None for float32.
        batch_size: Number of crops that are encoded at once; it changes the rows by rounding only.
        preprocess: Preprocessing for methods that do not name their own; None for the model's.
        proposals: Proposer, or a name for `load_proposals`.
        preset: Preset of methods that are given by name: "default" or "official".
        none_below: Score of the best proposal below which an empty mask is predicted, for all methods or by label; for
            datasets whose expressions may have no target. None always predicts a proposal.
        parts: Source of noun phrases, directions and relations: the "parser", or the dataset's own ("gold").
        parser: Parser for methods that need one; None for the package's own.
        captioner: Captioner, or its name, for methods that need one; None for the miniature.
        output: Folder that keeps the rows. The same call continues an interrupted run there; None keeps them in memory.
        shard: Share of the images for this job, such as "2/8"; jobs with all shards write to one output folder.
        engine: Where images are evaluated: None for this process, "dask://HOST:PORT" for a running Dask scheduler,
            "dask://local:N" for N new processes, or a DaskEngine.
        reuse: Whether rows of earlier runs are taken from the user's cache folder, or from the given cache.
        progress: Whether a progress bar is shown.
    """

    split: str = "val"
    split_by: str | None = None
    text: str | None = None
    data_root: str | os.PathLike[str] | None = None
    limit: int | None = None
    clip: ImageTextModel | str = "miniature"
    kind: StateDictKind | None = None
    device: str | torch.device | None = None
    dtype: str | torch.dtype | None = None
    batch_size: int = 64
    preprocess: Preprocess | str | None = None
    proposals: Proposer | str = "ground-truth"
    preset: str = "default"
    none_below: float | Mapping[str, float] | None = None
    parts: PartSource = "parser"
    parser: Parser | None = None
    captioner: Captioner | str | None = None
    output: str | os.PathLike[str] | None = None
    shard: str | None = None
    engine: str | DaskEngine | None = None
    reuse: bool | DiskCache = False
    progress: bool = True

    def __post_init__(self) -> None:
        """Check the values that can be checked without loading anything.

        Raises:
            InvalidInputError: If an option has a value that is not accepted.
        """
        if self.parts not in get_args(PartSource):
            raise InvalidInputError(f"parts={self.parts!r} is unknown; use {' or '.join(get_args(PartSource))}.")
        for name in ("limit", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidInputError(f"{name}={value} was given; a whole number from 1 up is accepted.")
        if self.shard is not None:
            Shard.parse(self.shard)
            if self.output is None:
                raise InvalidInputError(f"shard={self.shard!r} needs an output folder, which all shards share.")

    @classmethod
    def create(
        cls, config: EvaluationConfig | None = None, options: Mapping[str, Any] | None = None
    ) -> EvaluationConfig:
        """Return `config`, or the defaults, with some options replaced.

        Args:
            config: Options to start from.
            options: Name of an option and its new value.

        Returns:
            The new config; `config` is unchanged.

        Raises:
            InvalidTypeError: If an option is unknown.
            InvalidInputError: If an option has a value that is not accepted.

        Example:
            >>> EvaluationConfig.create(EvaluationConfig(limit=5), {"preset": "official"}).limit
            5
        """
        names = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(options or ()) - set(names))
        if unknown:
            raise InvalidTypeError(f"evaluate() has no option {', '.join(unknown)}; it has {', '.join(names)}.")
        return dataclasses.replace(cls() if config is None else config, **(options or {}))

    def for_worker(self) -> EvaluationConfig:
        """Return the same options for another process, which neither stores rows nor shows progress."""
        return dataclasses.replace(self, output=None, engine=None, reuse=False, progress=False)

    def load_dataset(self, dataset: Dataset | str) -> Dataset:
        """Return the dataset with at most `limit` images.

        Args:
            dataset: Dataset, or a name for `load_dataset`.

        Raises:
            InvalidInputError: If the name, split or scheme is unknown.
            InvalidTypeError: If `dataset` is neither a name nor a dataset.
        """
        if isinstance(dataset, str):
            options: dict[str, Any] = {"limit": self.limit, "data_root": self.data_root, "split_by": self.split_by}
            if self.text is not None:
                options["text"] = self.text
            return load_dataset(dataset, self.split, **options)
        if not isinstance(dataset, Dataset):
            raise InvalidTypeError(
                f"A dataset was given as {type(dataset).__name__}; give a name, or load_dataset(name, split), "
                "or an object with name, split, split_by, len() and samples by number."
            )
        return dataset if self.limit is None else Subset(dataset, self.limit)

    def load_model(self) -> ImageTextModel:
        """Return the image-text model."""
        if isinstance(self.clip, ImageTextModel):
            return self.clip
        from zsris_viz.models import load_clip

        return load_clip(self.clip, device=self.device, dtype=self.dtype, kind=self.kind)

    def load_proposer(self) -> Proposer:
        """Return the source of proposals."""
        if not isinstance(self.proposals, str):
            return load_proposals(self.proposals)
        return load_proposals(self.proposals, data_root=self.data_root, device=self.device)
