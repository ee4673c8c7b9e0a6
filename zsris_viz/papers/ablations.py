"""Ablations without published numbers, in the form of the papers' tables: one setting of a method is varied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zsris_viz.methods.copatch.config import HYBRID_TEXTS
from zsris_viz.methods.hybrid_features import Fusion
from zsris_viz.papers.table_spec import B16, HYBRIDGL_REMARK, UNGUIDED, Column, PaperTable, TableRow, with_baselines

SHORT: Column = ("refcoco", "val", "unc")  # expressions as in RefCOCO
LONG: Column = ("refcocog", "val", "umd")
FUSIONS: Mapping[str, Fusion] = {
    "crop": "crop",
    "token masking": "token-masking",
    "attention masking": "attention-masking",
    "G2L": "g2l",
    "L2G": "l2g",
    "G2L and L2G": "both",
}
GUIDANCE: Mapping[str, Mapping[str, bool]] = {
    "no guidance": UNGUIDED,
    "relation alone": {"use_coherence": False},
    "coherence alone": {"use_relation": False},
    "relation and coherence": {},
}
TERMS = {"use_base": "Global-Local", "use_relation": "relation", "use_coherence": "coherence"}


def sweep(
    id: str,
    title: str,
    method: str,
    settings: Mapping[str, Mapping[str, Any]],
    column: Column,
    varied: str,
    *,
    tower: str = "vit",
    default_row: str = "",
    remark: str = "",
) -> PaperTable:
    """Return a table in which one setting is varied, with ground-truth masks.

    Args:
        id: Id of the table.
        title: One line.
        method: Name of the method.
        settings: Label -> settings of the method, which override those for the dataset.
        column: Dataset, split and splitting scheme.
        varied: Name of the setting whose values are the labels.
        tower: Role of the tower.
        default_row: Label of the setting that the method derives from the model, see `PaperTable`.
        remark: Remark on the published numbers.
    """
    lines = (
        TableRow(label, method, settings=changes, tower=tower, proposals="ground-truth")
        for label, changes in settings.items()
    )
    table = PaperTable(
        id, title, tuple(lines), columns=(column,), varied=varied, default_row=default_row, remark=remark
    )
    return with_baselines(table)


def sweeps(layers: int) -> dict[str, PaperTable]:
    """Return all ablations by id.

    Args:
        layers: Number of layers of the ViT tower.
    """
    last_blocks = sorted({0, 1, 2, 3, 4, layers // 2, layers})
    exits: list[tuple[int | str, bool]] = [
        (layer, negate) for negate in (True, False) for layer in (*range(1, layers + 1), "avg")
    ]
    alone = {name: dict.fromkeys(sorted(set(TERMS) - {term}), False) for term, name in TERMS.items()}
    found = (
        sweep(
            "gl-alpha",
            "The weight of the global visual feature",
            "global-local",
            {f"{alpha:g}": {"alpha": alpha} for alpha in (0, 0.25, 0.5, 0.75, 0.85, 0.95, 1)},
            LONG,
            "alpha",
        ),
        sweep(
            "gl-beta",
            "The weight of the sentence",
            "global-local",
            {f"{beta:g}": {"beta": beta} for beta in (0, 0.25, 0.5, 0.75, 1)},
            LONG,
            "beta",
        ),
        sweep(
            "gl-masked-blocks",
            "In how many of the last blocks tokens are masked",
            "global-local",
            {str(count): {"masked_blocks": count} for count in last_blocks},
            LONG,
            "masked blocks",
            default_row="3",
        ),
        sweep(
            "copatch-exit",
            "Where the patch path leaves the tower, negated or not",
            "copatch",
            {
                f"{layer}, {'negated' if negate else 'as it is'}": {"patches": {"layer": layer, "negate": negate}}
                for layer, negate in exits
            },
            SHORT,
            "layer",
            tower=B16,
            default_row=f"{3 * layers // 4}, negated",
        ),
        sweep(
            "copatch-delta",
            "Where the threshold of the clusters starts",
            "copatch",
            {f"{delta:g}": {"clusters": {"delta": delta}} for delta in (0, 0.1, 0.2, 0.3, 0.4, 0.5)},
            SHORT,
            "delta",
            tower=B16,
        ),
        sweep(
            "copatch-top-k",
            "How many clusters propose a candidate",
            "copatch",
            {str(count): {"candidates": {"top_k": count}} for count in (0, 1, 2, 3, 5)},
            SHORT,
            "clusters",
            tower=B16,
        ),
        sweep(
            "copatch-terms",
            "The terms of the selection",
            "copatch",
            {
                "all": {},
                **{f"without {name}": {"guidance": {term: False}} for term, name in TERMS.items()},
                **{f"{name} alone": {"guidance": settings} for name, settings in alone.items()},
            },
            SHORT,
            "terms",
            tower=B16,
        ),
        sweep(
            "copatch-text",
            "The hybrid text",
            "copatch",
            {text: {"text": {"kind": text}} for text in HYBRID_TEXTS},
            LONG,
            "text",
            tower=B16,
        ),
        sweep(
            "hybridgl-table-fusion",
            "The fusion of the local and the global stream, without guidance",
            "hybridgl",
            {title: {"fusion": fusion, "guidance": UNGUIDED} for title, fusion in FUSIONS.items()},
            LONG,
            "fusion",
            tower=B16,
            default_row="G2L",
            remark=HYBRIDGL_REMARK,
        ),
        sweep(
            "hybridgl-table-guidance",
            "The spatial guidance among the best three proposals",
            "hybridgl",
            {title: {"guidance": terms} for title, terms in GUIDANCE.items()},
            SHORT,
            "guidance",
            tower=B16,
            remark=HYBRIDGL_REMARK,
        ),
    )
    return {table.id: table for table in found}
