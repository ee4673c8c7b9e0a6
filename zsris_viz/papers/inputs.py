"""The models, proposals and images behind the rows of the papers' tables."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from zsris_viz.datasets import dataset_class, load_dataset
from zsris_viz.datasets.types import Subset
from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.methods import method_class, method_names
from zsris_viz.papers.roles import FALLBACK, stand_in
from zsris_viz.papers.table_spec import FILTERED, Column, TableRow
from zsris_viz.proposals import load_proposals
from zsris_viz.proposals.filtered import Filtered

if TYPE_CHECKING:
    from zsris_viz.datasets.types import Dataset
    from zsris_viz.language.parser import Parser
    from zsris_viz.methods.base import Method
    from zsris_viz.models.base import ImageTextModel
    from zsris_viz.proposals.base import Proposer

STYLES = {"refcoco": "refcoco", "refcoco+": "refcoco+", "refcocog": "refcocog", "phrasecut": "mixed"}
TITLES = {"refcoco": "RefCOCO", "refcoco+": "RefCOCO+", "refcocog": "RefCOCOg", "phrasecut": "PhraseCut"}
TYPED = ("refcoco", "refcoco+", "refcocog")  # datasets whose files also contain the raw expressions


@dataclass
class ExperimentInputs:
    """The models, proposals and images behind the papers' tables; each is loaded once, when it is first needed.

    Attributes:
        dataset: "scenes", whose drawn images stand in for every benchmark (the same split, expressions in its
            manner); a benchmark, whose columns alone are measured; or "all", every column on its own benchmark.
        limit: Number of images of each split; None for all.
        limits: Role of proposals and a smaller number of images for its rows, where its masks take long to compute.
        drawn_columns: Columns, as "DATASET SPLIT", that are measured on drawn scenes; empty for all. A benchmark is
            always measured in all of its columns.
        models: Role ("vit", "vit-b16", "rn", "blip-2", "albef") and a name for `load_clip`; an empty name leaves its
            rows out, and without a name for "vit-b16" its rows take the model of "vit".
        proposals: Role ("freesolo", "sam", "mask2former", "ground-truth") and a name for `load_proposals`, or a
            Proposer.
        captioners: Role ("blip-2", "git") and a name for `load_captioner`.
        data_root: Folder of the benchmarks.
        preset: Preset of all methods; None for "official" on a benchmark and "default" on drawn scenes.
        text: Form of the expressions of RefCOCO, RefCOCO+ and RefCOCOg: "sent", or "raw", as the authors' code reads
            them; None for "raw" with the preset "official" and "sent" with the other.
        parts: See `EvaluationConfig`.
        seed: Seed of the bootstrap.
        rows_dir: Folder that keeps the rows, so that a long run can be stopped; None for the package's cache.
        engine: See `EvaluationConfig`.
        allow_stand_ins: Whether a benchmark may be measured with a stand-in for a part that the paper names; its rows
            then say so.
        progress: Whether progress bars are shown.
    """

    dataset: str = "scenes"
    limit: int | None = None
    limits: Mapping[str, int | None] = field(default_factory=dict)
    drawn_columns: Collection[str] = ()
    models: Mapping[str, str] = field(default_factory=lambda: {"vit": "miniature", "rn": "miniature-rn"})
    proposals: Mapping[str, str | Proposer] = field(default_factory=dict)
    captioners: Mapping[str, str] = field(default_factory=lambda: {"blip-2": "miniature"})
    data_root: str | os.PathLike[str] | None = None
    preset: str | None = None
    text: Literal["sent", "raw"] | None = None
    parts: Literal["parser", "gold"] = "parser"
    seed: int = 0
    rows_dir: str | os.PathLike[str] | None = None
    engine: str | None = None
    allow_stand_ins: bool = False
    progress: bool = False

    def __post_init__(self) -> None:
        self._data: dict[Column, Dataset | None] = {}
        self._models: dict[str, ImageTextModel | str] = {}
        self._sources: dict[str, Proposer | str] = {}

    def with_limit(self, limit: int | None) -> Self:
        """Return the same inputs with another number of images; loaded models and proposals are shared.

        Args:
            limit: Number of images of each split; None for all.
        """
        other = replace(self, limit=limit)
        other._models, other._sources = self._models, self._sources
        return other

    def data(self, column: Column) -> Dataset | None:
        """Return the images of a column, or None if it is not measured here.

        Args:
            column: Dataset, split and splitting scheme.
        """
        if column not in self._data:
            self._data[column] = self._load(*column)
        return self._data[column]

    def _load(self, name: str, split: str, split_by: str) -> Dataset | None:
        split = split or "val"  # the default if a paper does not state the split
        if self.dataset == "scenes":
            wanted = not self.drawn_columns or f"{name} {split}" in self.drawn_columns
            drawn = split_by != "google" and name in STYLES and wanted
            return load_dataset("scenes", split, limit=self.limit, style=STYLES[name]) if drawn else None
        schemes = getattr(dataset_class(name), "schemes", {split_by: (split,)})
        if self.dataset not in ("all", name) or split not in schemes.get(split_by or next(iter(schemes)), ()):
            return None  # another dataset, or a split that was never published
        options: dict[str, Any] = {"limit": self.limit, "data_root": self.data_root, "split_by": split_by or None}
        if name in TYPED:
            options["text"] = self.text or ("raw" if self._preset(name) == "official" else "sent")
        return load_dataset(name, split, **options)

    def images_of(self, column: Column, proposals: str) -> Dataset | None:
        """Return the images on which the rows with a source of proposals are measured.

        Args:
            column: Dataset, split and splitting scheme.
            proposals: Role of proposals, with or without "+filter".
        """
        data, limit = self.data(column), self.limits.get(proposals.removesuffix(FILTERED))
        return data if data is None or limit is None else Subset(data, limit)

    def measured_on(self, column: Column) -> str:
        """Return the name of the images behind a column; empty if it is not measured here.

        Args:
            column: Dataset, split and splitting scheme.
        """
        data = self.data(column)
        if data is None:
            return ""
        return f"{data.name} {data.split}" + (f" like {TITLES[column[0]]}" if data.name == "scenes" else "")

    def stand_ins(self, line: TableRow) -> str:
        """Return the stand-ins for published parts behind a row, as "felzenszwalb for FreeSOLO; ...".

        Args:
            line: Row of a table.
        """
        if line.method is None:
            return ""
        role = line.proposals.removesuffix(FILTERED)
        source = self.proposals.get(role, "")
        found = [stand_in(role, source if isinstance(source, str) else source.name)]
        if not line.is_baseline:
            found.append(stand_in(line.tower, self.models.get(self._tower(line.tower), "")))
            if self._needs_captions(line.method):
                found.append(stand_in(f"captioner {line.captioner}", self.captioners.get(line.captioner, "")))
        return "; ".join(filter(None, found))

    def model(self, role: str) -> ImageTextModel:
        """Return the model of a role.

        Args:
            role: Role of a tower.

        Raises:
            UnavailableError: If there is none.
        """
        role = self._tower(role)
        if role not in self._models:
            from zsris_viz.models import load_clip

            name = self.models.get(role, "")
            try:
                self._models[role] = load_clip(name) if name else f"no model was given for {role!r}"
            except UnavailableError as error:
                self._models[role] = short_reason(error)
        return _found(self._models[role])

    def source(self, role: str) -> Proposer:
        """Return the proposals of a role.

        TAS's overlap filter works on masks of at least 2,000 pixels, so it is left out on drawn scenes.

        Args:
            role: Role of proposals, with or without "+filter".

        Raises:
            UnavailableError: If there are none.
        """
        if role not in self._sources:
            plain = role.removesuffix(FILTERED)
            proposals = self.proposals.get(plain, plain if plain in ("ground-truth", "none") else "")
            filtered = role.endswith(FILTERED) and self.dataset != "scenes"
            try:
                self._sources[role] = (
                    self._load_source(proposals, filtered) if proposals else f"no proposals given for {plain!r}"
                )
            except UnavailableError as error:
                self._sources[role] = short_reason(error)
        return _found(self._sources[role])

    def _load_source(self, proposals: str | Proposer, filtered: bool) -> Proposer:
        if not isinstance(proposals, str):
            wrapped = filtered and not isinstance(proposals, Filtered)
            return Filtered(proposals) if wrapped else load_proposals(proposals)
        name = proposals + FILTERED if filtered and not proposals.endswith(FILTERED) else proposals
        return load_proposals(name, data_root=self.data_root)

    @cached_property
    def parser(self) -> Parser:
        """The package's own parser, which is loaded once."""
        from zsris_viz.language import load_parser

        return load_parser()

    def method(self, line: TableRow, dataset: str) -> Method:
        """Return the method of a row with its settings for a dataset.

        Args:
            line: Row of a table.
            dataset: Name of the dataset that is measured.

        Raises:
            UnavailableError: If there is no such method here.
        """
        if line.method is None:
            raise UnavailableError(line.reason)
        try:
            kind = method_class(line.method)
        except InvalidInputError as error:
            raise UnavailableError(f"this version has no method {line.method!r}") from error
        preset = self._preset(dataset)
        return kind.for_dataset(dataset, preset if preset in kind.presets else "default", **line.settings)

    def _preset(self, dataset: str) -> str:
        """Return the preset for a dataset that is measured."""
        return self.preset or ("default" if dataset == "scenes" else "official")

    def _tower(self, role: str) -> str:
        """Return the role whose model a tower takes."""
        return role if self.models.get(role) else FALLBACK.get(role, role)

    def _needs_captions(self, method: str) -> bool:
        return method in method_names() and "captions" in method_class(method).info.needs


def _found(value: Any) -> Any:
    if isinstance(value, str):
        raise UnavailableError(value)
    return value


def short_reason(error: Exception) -> str:
    """Return the first sentence of an error, without paths in parentheses."""
    text = re.sub(r" \([^()]*[/\\][^()]*\)", "", " ".join(str(error).split()))
    return text.split(". ")[0][:160]
