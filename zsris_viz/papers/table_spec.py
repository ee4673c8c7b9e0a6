"""What a row and a table of a paper are: a question that an evaluation can answer, and where its number is printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BOUND = "upper bound"  # not a method: always the best proposal
Column = tuple[str, str, str]  # dataset, split, scheme


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Attributes:
        title: unique in the table. method: as in the registry, `BOUND`, or None if nothing here can make it.
        published: filters of :func:`~zsris_viz.papers.published.published` that find the row's numbers; None without.
        settings: of the method, over those for the dataset. tower: the role "vit", "rn", "blip-2" or "albef".
        proposals: the role "freesolo", "sam", "ground-truth" or "none". captioner: the role "blip-2" or "git".
        reason: why nothing here can make it. base: the row that a gain is taken from, by title.
    """

    title: str
    method: str | None
    published: Mapping[str, str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    tower: str = "vit"
    proposals: str = "sam"
    captioner: str = "blip-2"
    reason: str = ""
    base: str | None = None


@dataclass(frozen=True)
class PaperTable:
    """A table: rows, and the splits that are its columns.

    Attributes:
        id: as in figures.yaml. title: one line. lines: its rows. paper, number: as in published.csv; "" without.
        columns: what is measured where the published numbers do not say. varied: what an ablation varies.
    """

    id: str
    title: str
    lines: tuple[TableRow, ...]
    paper: str = ""
    number: str = ""
    columns: tuple[Column, ...] = ()
    metrics: tuple[str, ...] = ("oIoU", "mIoU")
    varied: str = field(default="method")
