"""Diagrams of the studies that compare methods: an ablation, and a paper's table that is measured again."""

from __future__ import annotations

from zsris_viz.figures.diagrams import Box, Pipeline

STUDIES: dict[str, Pipeline] = {
    "ablation": Pipeline(
        "An ablation: variants of one setting on the same images and proposals",
        {
            "images": Box("images, expressions,\nproposals", 0, 0, "input"),
            "own": Box("the method's\nown setting", 0, 1, "input"),
            "variants": Box("variants of\none setting", 0, 2, "input"),
            "features": Box("features,\ncomputed once", 1, 0, "model"),
            "rows": Box("IoU of each expression\nand variant", 2, 1, "feature"),
            "differences": Box("paired differences\nfrom the own setting", 3, 1, "operation"),
            "published": Box("published order\nof the variants", 3, 2, "input"),
            "tests": Box("sign-flip tests,\nHolm's correction", 4, 1, "operation"),
            "clear": Box("clear differences\nand reversals", 5, 1, "output"),
        },
        [
            ("images", "features"),
            ("features", "rows"),
            ("own", "rows"),
            ("variants", "rows"),
            ("rows", "differences"),
            ("differences", "tests"),
            ("published", "tests"),
            ("tests", "clear"),
        ],
    ),
    "reproduction": Pipeline(
        "From a printed table to a measured one: who plays which part, and what may be compared",
        {
            "printed": Box("printed row: method,\ntower, proposals", 0, 0, "input"),
            "parts": Box("parts of this run", 0, 1, "input"),
            "images": Box("images of the column,\nor a drawn twin", 0, 2, "input"),
            "names": Box("stand-ins are named\nor refused", 1, 0.5, "operation"),
            "evaluation": Box("one evaluation\nfor all tables", 2, 1, "model"),
            "rows": Box("measured rows, with\nchance and bound", 3, 1, "feature"),
            "order": Box("order of the rows\nagainst the paper's", 4, 0, "output"),
            "table": Box("table: measured\n(published)", 4, 1, "output"),
            "pictures": Box("pictures of choices", 4, 2, "output"),
        },
        [
            ("printed", "names"),
            ("parts", "names"),
            ("names", "evaluation"),
            ("images", "evaluation"),
            ("evaluation", "rows"),
            ("rows", "order"),
            ("rows", "table"),
            ("rows", "pictures"),
        ],
    ),
}
