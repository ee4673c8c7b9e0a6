"""The evaluations of the rows of the papers' tables."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError, UnavailableError, ZsrisError
from zsris_viz.evaluation.runner import evaluate
from zsris_viz.evaluation.settings import method_settings
from zsris_viz.papers.inputs import ExperimentInputs, short_reason
from zsris_viz.papers.published import published
from zsris_viz.papers.roles import ROLES
from zsris_viz.papers.table_spec import CHANCE, Column, PaperTable, TableRow

if TYPE_CHECKING:
    import pandas as pd

    from zsris_viz.evaluation.results import Evaluation
    from zsris_viz.methods.base import Method

Key = tuple[str, str, str, str]  # tower, proposals, captioner, settings


@dataclass
class Experiment(ExperimentInputs):
    """The papers' tables, measured with the models, proposals and images of :class:`ExperimentInputs`.

    Each row is evaluated once, even if several tables contain it.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._results: dict[tuple[Column, Key], Evaluation | str] = {}

    def columns(self, table: PaperTable) -> list[Column]:
        """Return the columns of a table in the order in which they are printed.

        Args:
            table: Table of a paper.
        """
        if table.columns or not table.paper:
            return list(table.columns)
        printed = published(paper=table.paper, table=table.number)
        return list(dict.fromkeys(printed[["dataset", "split", "split_by"]].itertuples(index=False, name=None)))

    def evaluate(self, tables: Iterable[PaperTable]) -> None:
        """Evaluate all rows of tables that were not evaluated before; rows that share images and models share a run.

        Args:
            tables: Tables of papers.

        Raises:
            InvalidInputError: If a part is a stand-in for a published one on a benchmark, and `allow_stand_ins` is not
                set.
        """
        pending: dict[tuple[Column, str, str, str], dict[str, Method]] = defaultdict(dict)
        for table in tables:
            for column in self.columns(table):
                for line in table.lines:
                    task = self._task(line, column)
                    if task is None or isinstance(task[1], str):
                        continue
                    self._refuse_stand_ins(line, column)
                    if (column, task[0]) not in self._results:
                        pending[(column, *task[0][:3])][task[0][3]] = task[1]
        for (column, tower, proposals, captioner), methods in pending.items():
            for settings, found in self._evaluate_methods(column, tower, proposals, captioner, methods).items():
                self._results[column, (tower, proposals, captioner, settings)] = found

    def rows(self, line: TableRow, column: Column) -> pd.DataFrame | str:
        """Return the result rows of a row of a table, or the reason why there are none.

        Args:
            line: Row of a table.
            column: Dataset, split and splitting scheme.
        """
        task = self._task(line, column)
        if task is None:
            return "not measured in this run"
        if isinstance(task[1], str):
            return task[1]
        found = self._results.get((column, task[0]), "not evaluated yet: call evaluate(tables)")
        if isinstance(found, str):
            return found
        return found.chance_rows if line.method == CHANCE else found.rows[found.rows["method"] == task[0][3]]

    def _refuse_stand_ins(self, line: TableRow, column: Column) -> None:
        data = self.data(column)
        if self.allow_stand_ins or data is None or data.name == "scenes" or not self.stand_ins(line):
            return
        titles = {role.title: role.remedy for role in ROLES.values()}
        remedies = [titles[name.rpartition(" for ")[2]] for name in self.stand_ins(line).split("; ")]
        raise InvalidInputError(
            f"The row {line.title!r} would be measured on {data.name} with {self.stand_ins(line)}. Give "
            f"{'; '.join(remedies)}. Or set allow_stand_ins=true: the rows then name their stand-ins."
        )

    def _task(self, line: TableRow, column: Column) -> tuple[Key, Method | str] | None:
        """Return the key of a row's result with the method, or with the reason why there is none.

        None stands for a column that is not measured.
        """
        data = self.data(column)
        if data is None:
            return None
        # Every method records the best proposal and chance; cropping is the cheapest.
        known = replace(line, method="cropping", settings={}) if line.is_baseline else line
        try:
            method = self.method(known, data.name)
        except ZsrisError as error:
            return ("", "", "", ""), short_reason(error)
        captions = "captions" in method.info.needs
        settings = json.dumps(method_settings(method), sort_keys=True)
        return (self._tower(line.tower), line.proposals, line.captioner if captions else "", settings), method

    def _evaluate_methods(
        self, column: Column, tower: str, proposals: str, captioner: str, methods: Mapping[str, Method]
    ) -> dict[str, Evaluation | str]:
        """Return the results by settings, with the reason in place of each result that cannot be computed."""
        data = self.images_of(column, proposals)
        assert data is not None
        try:
            model, source, name = self.model(tower), self.source(proposals), self.captioners.get(captioner, "")
            refused = {
                key: f"{method.info.title} needs a tower of kind {' or '.join(method.info.towers)}, not {model.kind}"
                for key, method in methods.items()
                if not method.info.accepts(model)
            }
            if refused:
                others = {key: method for key, method in methods.items() if key not in refused}
                return refused | (self._evaluate_methods(column, tower, proposals, captioner, others) if others else {})
            if captioner and not name:
                raise UnavailableError(f"no captioner was given for {captioner!r}")
            found = evaluate(
                data,
                methods,
                clip=model,
                proposals=source,
                parts=self.parts,
                parser=self.parser if self.parts == "parser" else None,
                captioner=name or None,
                output=self._folder(column, tower, source.name, captioner, methods),
                engine=self.engine or None,
                reuse=self.rows_dir is None and self.engine is None,
                progress=self.progress,
            )
        except (UnavailableError, InvalidInputError) as error:
            if len(methods) == 1:
                return dict.fromkeys(methods, short_reason(error))
            single: dict[str, Evaluation | str] = {}
            for key, method in methods.items():
                single |= self._evaluate_methods(column, tower, proposals, captioner, {key: method})
            return single
        return dict.fromkeys(methods, found)

    def _folder(self, column: Column, tower: str, source: str, captioner: str, methods: Mapping[str, Any]) -> Any:
        if self.rows_dir is None:
            return None
        digest = hashlib.sha256("".join(sorted(methods)).encode()).hexdigest()[:10]
        parts = [*column, self.models.get(tower, tower), source, captioner, digest]
        return Path(self.rows_dir) / "-".join(part.replace(os.sep, "_") for part in parts if part)
