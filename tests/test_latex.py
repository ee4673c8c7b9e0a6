"""Tables for LaTeX."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from zsris_viz.latex import escape, latex_table


def rows(table: str) -> list[list[str]]:
    """Cells of the lines between the rules, header first."""
    lines = [line for line in table.splitlines() if line.endswith(r"\\")]
    return [re.split(r"(?<!\\) & ", line.removesuffix(r" \\")) for line in lines]


def test_a_table() -> None:
    frame = pd.DataFrame(
        {"method": ["Global-Local", "a_b & 50 %"], "mIoU": [41.256, np.nan], "n": [3, 12], "p": [0.01234, -0.5]}
    )
    table = latex_table(frame, notes=["One\nTwo"])
    assert table.startswith("% One\n% Two\n\\begin{tabular}{lrrr}\n\\toprule\n")
    assert table.endswith("\\bottomrule\n\\end{tabular}\n")
    assert rows(table) == [
        ["method", "mIoU", "n", "p"],
        ["Global-Local", "41.26", "3", "0.0123"],
        [r"a\_b \& 50 \%", "--", "12", "$-$0.5000"],
    ]


def test_columns_of_every_kind() -> None:
    frame = pd.DataFrame(
        {
            ("a", "b"): pd.array([1, None], dtype="Int64"),
            ("c", ""): [True, False],
            ("d\ne", "f"): ["", None],
            ("g", "h"): [np.inf, 2.5],
        }
    )
    assert rows(latex_table(frame)) == [
        ["a b", "c", "d e f", "g h"],
        ["1", "True", "--", r"$\infty$"],
        ["--", "False", "--", "2.50"],
    ]
    assert rows(latex_table(pd.DataFrame({"a": []}))) == [["a"]]


@given(st.text())
def test_no_special_character_is_left(text: str) -> None:
    bare = re.sub(r"\\(text\w+|ldots)\{\}|\\[&%$#_{}]|\$(\\\w+|-)\$", "", escape(text))
    assert not re.search(r"[\\&%$#_{}~^<>|]", bare)
