"""Who plays which role of the papers' tables, and the evaluations behind their rows, each made once."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsris_viz.datasets import dataset_class, load_dataset
from zsris_viz.errors import InvalidInputError, UnavailableError, ZsrisError
from zsris_viz.evaluation.runner import evaluate
from zsris_viz.evaluation.settings import method_settings
from zsris_viz.methods import method_class
from zsris_viz.papers.published import published
from zsris_viz.papers.tables import BOUND, Column, PaperTable, TableRow
from zsris_viz.proposals import load_proposals

if TYPE_CHECKING:
    import pandas as pd

    from zsris_viz.datasets.types import Dataset
    from zsris_viz.methods.base import Method
    from zsris_viz.models.base import ImageTextModel
    from zsris_viz.proposals.base import Proposer

STYLES = {"refcoco": "refcoco", "refcoco+": "refcoco+", "refcocog": "refcocog", "phrasecut": "mixed"}
TITLES = {"refcoco": "RefCOCO", "refcoco+": "RefCOCO+", "refcocog": "RefCOCOg", "phrasecut": "PhraseCut"}
Key = tuple[str, str, str, str]  # tower, proposals, captioner, settings


@dataclass
class Experiment:
    """Who plays which role, and where the images come from. Loads each model once, evaluates each question once.

    Args:
        dataset: "scenes": its drawn twins stand in for every benchmark (the same split, expressions in its manner);
            a benchmark: its columns alone are measured; "all": every column on its own benchmark.
        limit: images of each split; None for all.
        models: role ("vit", "rn", "blip-2", "albef") -> a name for `load_clip`; "" leaves its rows out.
        proposals: role ("freesolo", "sam", "ground-truth") -> a name for `load_proposals`, or a Proposer.
        captioners: role ("blip-2", "git") -> a name for `load_captioner`.
        data_root, preset, parts, seed: see `evaluate`.
        rows_dir: a folder that keeps the rows, so that a long run can be stopped; None: the package's cache.
        engine: see `evaluate`. progress: show bars.
    """

    dataset: str = "scenes"
    limit: int | None = None
    models: Mapping[str, str] = field(default_factory=lambda: {"vit": "miniature", "rn": "miniature-rn"})
    proposals: Mapping[str, str | Proposer] = field(default_factory=dict)
    captioners: Mapping[str, str] = field(default_factory=lambda: {"blip-2": "miniature"})
    data_root: str | os.PathLike[str] | None = None
    preset: str = "default"
    parts: str = "parser"
    seed: int = 0
    rows_dir: str | os.PathLike[str] | None = None
    engine: str | None = None
    progress: bool = False

    def __post_init__(self) -> None:
        self._data: dict[Column, Dataset | None] = {}
        self._models: dict[str, ImageTextModel | str] = {}
        self._sources: dict[str, Proposer | str] = {}
        self._rows: dict[tuple[Column, Key], pd.DataFrame | str] = {}

    # -- what is at hand

    def data(self, column: Column) -> Dataset | None:
        """The images of a column, or None if this workplace does not measure it."""
        if column not in self._data:
            self._data[column] = self._load(*column)
        return self._data[column]

    def _load(self, name: str, split: str, split_by: str) -> Dataset | None:
        split = split or "val"  # where a paper does not say
        if self.dataset == "scenes":
            drawn = split_by != "google" and name in STYLES
            return load_dataset("scenes", split, limit=self.limit, style=STYLES[name]) if drawn else None
        schemes = getattr(dataset_class(name), "schemes", {split_by: (split,)})
        if self.dataset not in ("all", name) or split not in schemes.get(split_by or next(iter(schemes)), ()):
            return None  # of another dataset, or printed for a split that was never published
        return load_dataset(name, split, limit=self.limit, data_root=self.data_root, split_by=split_by or None)

    def measured_on(self, column: Column) -> str:
        """What stands behind a column, in words."""
        data = self.data(column)
        if data is None:
            return ""
        return f"{data.name} {data.split}" + (f" like {TITLES[column[0]]}" if data.name == "scenes" else "")

    def model(self, role: str) -> ImageTextModel:
        """The model of a role. Raises UnavailableError where nobody plays it."""
        if role not in self._models:
            from zsris_viz.models import load_clip

            name = self.models.get(role, "")
            try:
                self._models[role] = load_clip(name) if name else f"no model was given for {role!r}"
            except UnavailableError as error:
                self._models[role] = _short(error)
        return _found(self._models[role])

    def source(self, role: str) -> Proposer:
        """The proposals of a role. Raises UnavailableError where there are none."""
        if role not in self._sources:
            given = self.proposals.get(role, role if role in ("ground-truth", "none") else "")
            where: dict[str, Any] = {"data_root": self.data_root} if isinstance(given, str) else {}
            try:
                self._sources[role] = load_proposals(given, **where) if given else f"no proposals given for {role!r}"
            except UnavailableError as error:
                self._sources[role] = _short(error)
        return _found(self._sources[role])

    @cached_property
    def parser(self) -> Any:
        """The package's own, loaded once."""
        from zsris_viz.language import load_parser

        return load_parser()

    def method(self, line: TableRow, dataset: str) -> Method:
        """The method of a row with its settings for a dataset. Raises UnavailableError if there is none."""
        if line.method is None:
            raise UnavailableError(line.reason)
        try:
            method = method_class(line.method)
        except InvalidInputError as error:
            raise UnavailableError(f"this version has no method {line.method!r}") from error
        return method.for_dataset(dataset, self.preset, **line.settings)

    # -- questions and answers

    def columns(self, table: PaperTable) -> list[Column]:
        """The columns of a table: as printed, or as it says."""
        if table.columns or not table.paper:
            return list(table.columns)
        printed = published(paper=table.paper, table=table.number)
        return list(dict.fromkeys(printed[["dataset", "split", "split_by"]].itertuples(index=False, name=None)))

    def work(self, tables: Iterable[PaperTable]) -> None:
        """Evaluate whatever the tables ask and is not known yet: all that shares images and models in one go."""
        waiting: dict[tuple[Column, str, str, str], dict[str, Method]] = defaultdict(dict)
        for table in tables:
            for column in self.columns(table):
                for line in table.lines:
                    asked = self._question(line, column)
                    if asked is None or isinstance(asked[1], str):
                        continue
                    if (column, asked[0]) not in self._rows:
                        waiting[(column, *asked[0][:3])][asked[0][3]] = asked[1]
        for (column, tower, proposals, captioner), methods in waiting.items():
            for settings, answer in self._answers(column, tower, proposals, captioner, methods).items():
                self._rows[column, (tower, proposals, captioner, settings)] = answer

    def rows(self, line: TableRow, column: Column) -> pd.DataFrame | str:
        """Result rows of a row of a table, or why there are none."""
        asked = self._question(line, column)
        if asked is None:
            return "not measured in this run"
        if isinstance(asked[1], str):
            return asked[1]
        return self._rows.get((column, asked[0]), "not asked yet: call work(tables)")

    def _question(self, line: TableRow, column: Column) -> tuple[Key, Any] | None:
        """The key of a row's answer, and the method, or the reason why there is none; None for an unmeasured column."""
        data = self.data(column)
        if data is None:
            return None
        asked = line
        if line.method == BOUND:  # any method sees the best proposal; this one needs least
            asked = TableRow(line.title, "cropping", proposals=line.proposals, tower=line.tower)
        try:
            method = self.method(asked, data.name)
        except ZsrisError as error:
            return ("", "", "", ""), _short(error)
        speaks = "captions" in method.info.needs
        settings = json.dumps(method_settings(method), sort_keys=True)
        return (line.tower, line.proposals, line.captioner if speaks else "", settings), method

    def _answers(
        self, column: Column, tower: str, proposals: str, captioner: str, methods: Mapping[str, Method]
    ) -> dict[str, pd.DataFrame | str]:
        """Rows by settings; where something is missing, the reason, and the rest without it."""
        try:
            model, source, speaker = self.model(tower), self.source(proposals), self.captioners.get(captioner, "")
            refused = {
                key: f"{method.info.title} needs a tower of kind {' or '.join(method.info.towers)}, not {model.kind}"
                for key, method in methods.items()
                if not method.info.accepts(model)
            }
            if refused:
                others = {key: method for key, method in methods.items() if key not in refused}
                return refused | (self._answers(column, tower, proposals, captioner, others) if others else {})
            if captioner and not speaker:
                raise UnavailableError(f"no captioner was given for {captioner!r}")
            found = evaluate(
                self.data(column),  # type: ignore[arg-type]
                methods,
                clip=model,
                proposals=source,
                parts=self.parts,
                parser=self.parser if self.parts == "parser" else None,
                captioner=speaker or None,
                output=self._folder(column, tower, source.name, captioner, methods),
                engine=self.engine or None,
                reuse=self.rows_dir is None and self.engine is None,
                progress=self.progress,
            )
        except (UnavailableError, InvalidInputError) as error:
            if len(methods) == 1:
                return dict.fromkeys(methods, _short(error))
            alone: dict[str, pd.DataFrame | str] = {}
            for key, method in methods.items():
                alone |= self._answers(column, tower, proposals, captioner, {key: method})
            return alone
        return {key: found.rows[found.rows["method"] == key] for key in methods}

    def _folder(self, column: Column, tower: str, source: str, captioner: str, methods: Mapping[str, Any]) -> Any:
        if self.rows_dir is None:
            return None
        asked = hashlib.sha256("".join(sorted(methods)).encode()).hexdigest()[:10]
        parts = [*column, self.models.get(tower, tower), source, captioner, asked]
        return Path(self.rows_dir) / "-".join(part.replace(os.sep, "_") for part in parts if part)


def _found(thing: Any) -> Any:
    if isinstance(thing, str):
        raise UnavailableError(thing)
    return thing


def _short(error: Exception) -> str:
    """The first sentence of an error, without paths in brackets."""
    text = re.sub(r" \([^()]*[/\\][^()]*\)", "", " ".join(str(error).split()))
    return text.split(". ")[0][:160]
