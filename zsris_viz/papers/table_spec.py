"""Specifications of the tables of a paper: what is measured for each row, and where its number is printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

BOUND = "upper bound"  # not a method: always the best proposal
CHANCE = "chance"  # not a method: a proposal drawn uniformly
B16 = "vit-b16"  # role of the tower of HybridGL and CoPatch
UNGUIDED: Mapping[str, bool] = {"use_relation": False, "use_coherence": False}  # HybridGL's cosine scores only
HYBRIDGL_REMARK = "the paper's printed number is not available here"
FILTERED = "+filter"  # suffix of a role of proposals: TAS's overlap filter
Column = tuple[str, str, str]  # dataset, split, scheme
TITLES = {"freesolo": "FreeSOLO", "sam": "SAM", "ground-truth": "ground-truth masks", "mask2former": "Mask2Former"}


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Attributes:
        title: Unique in the table.
        method: Name in the registry, `BOUND`, `CHANCE`, or None if this package cannot compute it.
        published: Filters of :func:`~zsris_viz.papers.published.published` that select the row's numbers, or None.
        settings: Settings of the method, which override those for the dataset.
        tower: Role "vit" (ViT-B/32), "vit-b16", "rn", "blip-2" or "albef".
        proposals: Role "freesolo", "sam", "sam+filter" (with TAS's overlap filter), "mask2former", "ground-truth" or
            "none".
        captioner: Role "blip-2" or "git".
        reason: Reason why this package cannot compute it.
        base: Title of the row that a gain is measured from.
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

    @property
    def is_baseline(self) -> bool:
        """Whether the row is chance or the upper bound and not a method."""
        return self.method in (BOUND, CHANCE)


@dataclass(frozen=True)
class PaperTable:
    """A table: rows, and the splits that are its columns.

    Attributes:
        id: Id in figures.yaml.
        title: Title in one line.
        lines: Its rows.
        paper: Paper as in published.csv; empty if there is none.
        number: Number of the table as in published.csv; empty if there is none.
        columns: Columns, if the published numbers do not define them.
        metrics: "oIoU", "mIoU" or both.
        varied: Name of the setting that an ablation varies.
        default_row: Title of the row with a setting that the method derives from the model; empty where the settings of
            the rows can be compared with those of the method.
        remark: Remark on the cells without a published number.
    """

    id: str
    title: str
    lines: tuple[TableRow, ...]
    paper: str = ""
    number: str = ""
    columns: tuple[Column, ...] = ()
    metrics: tuple[str, ...] = ("oIoU", "mIoU")
    varied: str = "method"
    default_row: str = ""
    remark: str = ""


def with_baselines(table: PaperTable) -> PaperTable:
    """Return the table with rows of chance and upper bound for each source of proposals that lacks them.

    Args:
        table: Table of methods.
    """
    sources: dict[str, list[str]] = {}
    for row in table.lines:
        if row.method and row.proposals != "none":
            sources.setdefault(row.proposals, []).append(row.tower)
    known = {(row.method, row.proposals) for row in table.lines}
    added = []
    for source, towers in sources.items():
        tower = "vit" if "vit" in towers else towers[0]  # any tower works, so use one that the table needs anyway
        role = source.removesuffix(FILTERED)
        title = TITLES.get(role, role) + (" filtered" if source != role and role in sources else "")
        suffix = f", {title}" if len(sources) > 1 else ""
        for method in (CHANCE, BOUND):
            if (method, source) not in known:
                added.append(TableRow(f"{method}{suffix}", method, tower=tower, proposals=source))
    return replace(table, lines=(*table.lines, *added))
