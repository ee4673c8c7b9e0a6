"""The tables of the papers: the method, tower, proposals and settings behind every printed row.

A published row names roles ("SAM", "BLIP-2", "RN50"); a :class:`~zsris_viz.papers.experiment.Experiment` names the
model of each. A row that no method of this package can compute is listed with the reason. Every table has rows for
chance and for the upper bound of its proposals. Ablations without published numbers have the same form
(:mod:`zsris_viz.papers.ablations`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zsris_viz.errors import InvalidInputError
from zsris_viz.papers.table_spec import (
    B16,
    BOUND,
    CHANCE,
    HYBRIDGL_REMARK,
    UNGUIDED,
    Column,
    PaperTable,
    TableRow,
    with_baselines,
)

__all__ = ["BOUND", "CHANCE", "TABLES", "Column", "PaperTable", "TableRow", "find_table", "table_ids"]

VIT, RN = "ViT-B/32", "ResNet-50"
TAS_SAM = "sam+filter"  # TAS filters overlapping masks of SAM, section 4.1


def _row(title: str, method: str | None, printed: str, encoder: str = "", **more: Any) -> TableRow:
    """Return a row of a main table, found by method and encoder (and proposals where both kinds are printed)."""
    tower = {VIT: "vit", RN: "rn"}.get(encoder, "vit")
    published = {"method": printed} | ({"encoder": encoder} if encoder else {}) | more.pop("found", {})
    return TableRow(title, method, published, tower=tower, **more)


GL_1 = PaperTable(
    "gl-table1",
    "Zero-shot methods with proposals from the picture",
    (
        _row("LAVT, supervised", None, "LAVT", reason="trained on masks with supervision; not part of this package"),
        _row("TSEG, weakly supervised", None, "TSEG", reason="trained on RIS data; not part of this package"),
        *(
            _row(f"{title} ({kind})", method, printed, encoder, proposals="freesolo")
            for title, method, printed, kind, encoder in (
                ("Grad-CAM", "grad-cam", "Grad-CAM", "RN50", RN),
                ("Score map", "score-map", "Score map", "RN50", RN),
                ("Region token", "region-token", "Region token", "ViT-B/32", VIT),
                ("Cropping", "cropping", "Cropping", "RN50", RN),
                ("Cropping", "cropping", "Cropping", "ViT-B/32", VIT),
                ("Global-Local CLIP", "global-local", "Global-Local CLIP", "RN50", RN),
                ("Global-Local CLIP", "global-local", "Global-Local CLIP", "ViT-B/32", VIT),
            )
        ),
        _row("upper bound", BOUND, "upper bound", proposals="freesolo"),
    ),
    "global-local",
    "1",
)
GL_2 = PaperTable(
    "gl-table2",
    "Zero-shot methods with ground-truth masks",
    tuple(
        _row(title, method, title, VIT, proposals="ground-truth")
        for title, method in (
            ("Grad-CAM", "grad-cam"),
            ("Score map", "score-map"),
            ("Region token", "region-token"),
            ("Cropping", "cropping"),
            ("Global-Local CLIP", "global-local"),
        )
    ),
    "global-local",
    "2",
    metrics=("oIoU",),
)
_CONTEXT = {"Global": "global", "Local": "local", "Global-Local": "global-local"}
GL_3 = PaperTable(
    "gl-table3",
    "Global and local features of image and text",
    tuple(
        TableRow(
            f"{visual} visual, {textual} textual",
            "global-local",
            {"variant": f"visual={visual}; textual={textual}"},
            {"visual": _CONTEXT[visual], "textual": _CONTEXT[textual]},
            proposals="freesolo",
        )
        for visual in _CONTEXT
        for textual in _CONTEXT
    ),
    "global-local",
    "3",
    metrics=("oIoU",),
    varied="features",
)
TAS_1 = PaperTable(
    "tas-table1",
    "Zero-shot methods with SAM's proposals",
    (
        _row("TSEG, weakly supervised", None, "TSEG", reason="trained on RIS data; not part of this package"),
        _row("Text-only", "text-only", "Text-only", proposals=TAS_SAM),
        *(
            _row(f"{title} ({kind})", method, printed, encoder, proposals=TAS_SAM, found={"proposals": "SAM"})
            for title, method, printed, kind, encoder in (
                ("CLIP Surgery", "clip-surgery", "CLIP Surgery", "RN50", RN),
                ("Score map", "score-map", "Score Map", "RN50", RN),
                ("Grad-CAM", "grad-cam", "GradCAM", "RN50", RN),
                ("Global-Local CLIP", "global-local", "Global-Local", "RN50", RN),
                ("CLIP-only", "cropping", "CLIP-only", "RN50", RN),
                ("TAS", "tas", "TAS", "RN50", RN),
                ("Region token", "region-token", "Region Token", "ViT-B/32", VIT),
                ("Global-Local CLIP", "global-local", "Global-Local", "ViT-B/32", VIT),
                ("CLIP-only", "cropping", "CLIP-only", "ViT-B/32", VIT),
                ("TAS", "tas", "TAS", "ViT-B/32", VIT),
            )
        ),
        *(
            _row(f"Global-Local CLIP ({kind}), FreeSOLO", "global-local", "Global-Local", encoder,
                 proposals="freesolo", found={"proposals": "FreeSOLO"})
            for kind, encoder in (("RN50", RN), ("ViT-B/32", VIT))
        ),
    ),
    "tas",
    "1",
)  # fmt: skip
TAS_2 = PaperTable(
    "tas-table2",
    "PhraseCut",
    (
        _row("Global-Local CLIP", "global-local", "Global-Local", proposals="freesolo"),
        _row("TAS (ViT-B/32)", "tas", "TAS", VIT, proposals=TAS_SAM),
        _row("TAS (RN50)", "tas", "TAS", RN, proposals=TAS_SAM),
    ),
    "tas",
    "2",
)
TAS_3 = PaperTable(
    "tas-table3",
    "The weights alpha and lambda of TAS",
    tuple(
        TableRow(
            f"alpha {alpha:g}, lambda {lam:g}",
            "tas",
            {"variant": f"alpha={alpha:g}; lambda={lam:g}"},
            {"alpha": alpha, "lam": lam},
            proposals=TAS_SAM,
        )
        for alpha, lam in (
            *((alpha, 0.7) for alpha in (0, 0.05, 0.1, 0.2, 0.4)),
            *((0.1, lam) for lam in (0, 0.3, 0.5, 0.9)),
        )
    ),
    "tas",
    "3",
    varied="weights",
)
_PARTS = (("V", "off", "off", "off"), ("V + P", "on", "off", "off"), ("V + P + N", "on", "on", "off"),
          ("V + P + N + rectifier", "on", "on", "on"))  # fmt: skip
TAS_4 = PaperTable(
    "tas-table4",
    "The modules of TAS",
    tuple(
        TableRow(
            title,
            "tas",
            {"variant": f"P-score={p}; N-score={n}; spatial={spatial}"},
            {"p_score": p == "on", "n_score": n == "on", "rectifier": spatial == "on"},
            proposals=TAS_SAM,
        )
        for title, p, n, spatial in _PARTS
    ),
    "tas",
    "4",
    varied="modules",
)
_FILL = {"crop": "black", "blur": "blur"}
TAS_5 = PaperTable(
    "tas-table5",
    "Black or blurred background for captioner and CLIP",
    tuple(
        TableRow(
            f"captioner {captioned}, CLIP {encoded}",
            "tas",
            {"variant": f"BLIP-2 input={captioned}; CLIP input={encoded}"},
            {"caption": {"style": _FILL[captioned]}, "crop": {"fill": _FILL[encoded]}},
            proposals=TAS_SAM,
        )
        for captioned, encoded in (("crop", "crop"), ("blur", "blur"), ("crop", "blur"), ("blur", "crop"))
    ),
    "tas",
    "5",
    varied="input",
)
TAS_6 = PaperTable(
    "tas-table6",
    "The captioner",
    tuple(
        TableRow(
            f"{'CLIP-only' if captioned == 'none' else f'TAS, {captioned}'} ({kind})",
            "cropping" if captioned == "none" else "tas",
            {"variant": f"captioner={captioned}", "encoder": encoder},
            tower=tower,
            proposals=TAS_SAM,
            captioner="git" if captioned == "GIT-base" else "blip-2",
            base=None if captioned == "none" else f"CLIP-only ({kind})",
        )
        for captioned in ("none", "BLIP-2", "GIT-base")
        for kind, encoder, tower in (("RN50", RN, "rn"), ("ViT-B/32", VIT, "vit"))
    ),
    "tas",
    "6",
    varied="captioner",
)
TAS_7 = PaperTable(
    "tas-table7",
    "Image-text models other than CLIP",
    tuple(
        TableRow(
            f"{printed}{suffix}",
            method,
            {"variant": f"printed as {printed}{suffix}"},
            tower=tower,
            proposals=TAS_SAM,
            base=f"{printed}{variant}" if method == "tas" else None,
        )
        for printed, tower, variant in (("CLIP", "vit", ""), ("BLIP-2", "blip-2", "-ITC"), ("Albef", "albef", "-ITC"))
        for suffix, method in ((variant, "cropping"), ("-TAS", "tas"))
    ),
    "tas",
    "7",
    varied="model",
)
_MAIN: tuple[Column, ...] = (("refcoco", "val", "unc"), ("refcoco+", "val", "unc"), ("refcocog", "val", "umd"),
                             ("phrasecut", "test", ""))  # fmt: skip
_SOURCES = {"ground-truth": "", "sam": ", SAM", "mask2former": ", Mask2Former"}
COPATCH = PaperTable(
    "copatch-claim",
    "CoPatch over its base",
    tuple(
        TableRow(
            f"{title}{suffix}",
            method,
            tower=B16,
            proposals=source,
            base=None if method == "global-local" else f"Global-Local CLIP{suffix}",
        )
        for source, suffix in _SOURCES.items()
        for title, method in (("Global-Local CLIP", "global-local"), ("HybridGL", "hybridgl"), ("CoPatch", "copatch"))
    ),
    columns=_MAIN,
)
RISCLIP = PaperTable(
    "risclip-main",
    "RISCLIP, trained, beside zero-shot methods",
    (
        TableRow("RISCLIP, trained", "risclip", proposals="none"),
        *(
            TableRow(f"{title}, SAM", method, base="RISCLIP, trained")
            for title, method in (("Global-Local CLIP", "global-local"), ("TAS", "tas"), ("CoPatch", "copatch"))
        ),
    ),
    columns=_MAIN[:3],
)
HYBRIDGL = PaperTable(
    "hybridgl-table-main",
    "HybridGL beside other zero-shot methods, SAM's proposals",
    (
        TableRow("Cropping", "cropping", tower=B16),
        TableRow("Global-Local CLIP", "global-local", tower=B16),
        TableRow("TAS", "tas", tower=B16, proposals=TAS_SAM),
        TableRow(
            "HybridGL without guidance",
            "hybridgl",
            settings={"guidance": UNGUIDED},
            tower=B16,
            base="Global-Local CLIP",
        ),
        TableRow("HybridGL", "hybridgl", tower=B16, base="HybridGL without guidance"),
    ),
    columns=tuple(
        (name, split, scheme)
        for name, scheme, splits in (
            ("refcoco", "unc", ("val", "testA", "testB")),
            ("refcoco+", "unc", ("val", "testA", "testB")),
            ("refcocog", "umd", ("val", "test")),
            ("phrasecut", "", ("test",)),
        )
        for split in splits
    ),
    remark=HYBRIDGL_REMARK,
)
#: Tables with published numbers, the claim of CoPatch's abstract, and HybridGL and RISCLIP beside zero-shot methods.
TABLES: Mapping[str, PaperTable] = {
    table.id: with_baselines(table)
    for table in (GL_1, GL_2, GL_3, TAS_1, TAS_2, TAS_3, TAS_4, TAS_5, TAS_6, TAS_7, COPATCH, HYBRIDGL, RISCLIP)
}


def table_ids() -> list[str]:
    """Return the ids that `find_table` accepts: the papers' tables, then the ablations."""
    from zsris_viz.papers.ablations import sweeps

    return [*TABLES, *sweeps(12)]


def find_table(id: str, layers: int = 12) -> PaperTable:
    """Return a table or ablation by its id.

    Args:
        id: Id as in figures.yaml.
        layers: Number of layers of the ViT tower, which determines the rows of some ablations.

    Raises:
        InvalidInputError: If the id is unknown.
    """
    from zsris_viz.papers.ablations import sweeps

    found = TABLES.get(id) or sweeps(layers).get(id)
    if found is None:
        raise InvalidInputError(f"there is no table {id!r}; there are {', '.join(table_ids())}.")
    return found
