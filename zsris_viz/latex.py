"""Tables for LaTeX with booktabs rules; numbers are aligned right and everything is escaped."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MISSING = "--"
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "\N{MINUS SIGN}": "$-$", "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$",
    "α": r"$\alpha$", "β": r"$\beta$", "λ": r"$\lambda$", "δ": r"$\delta$", "…": r"\ldots{}",
}  # fmt: skip
_PATTERN = re.compile("|".join(map(re.escape, _SPECIAL)))


def latex_table(frame: pd.DataFrame, *, notes: list[str] | None = None) -> str:
    r"""Return a tabular for `\input`, which needs `\usepackage{booktabs}` and UTF-8.

    A column of numbers is aligned right: whole numbers as they are, others with two decimals, or four where all are
    below 1. A missing value is a dash. The index is left out; reset it first where it means something.

    Args:
        frame: Any table.
        notes: Lines for comments above it, for example where the numbers come from.
    """
    import pandas as pd

    lines = [f"% {line}" for note in notes or [] for line in str(note).splitlines()]
    columns = [_cells(frame.iloc[:, place].tolist()) for place in range(frame.shape[1])]
    cells = pd.DataFrame({place: texts for place, (texts, _) in enumerate(columns)}, dtype=object)
    style = cells.style.hide(axis="index").relabel_index([escape(_flat(name)) for name in frame.columns], axis=1)
    alignment = "".join("r" if right else "l" for _, right in columns)
    return "\n".join([*lines, style.to_latex(hrules=True, column_format=alignment)])


def escape(text: str) -> str:
    """Return a text with LaTeX's special characters made harmless.

    Args:
        text: Any text.

    Example:
        >>> escape("50 % of a_b")
        '50 \\\\% of a\\\\_b'
    """
    return _PATTERN.sub(lambda found: _SPECIAL[found.group()], text)


def _flat(name: Any) -> str:
    return " ".join(" ".join(map(str, name)).split()) if isinstance(name, tuple) else " ".join(str(name).split())


def _cells(values: list[Any]) -> tuple[list[str], bool]:
    """Return the texts of a column, and whether it is aligned right."""
    known = [value for value in values if not _is_missing(value)]
    numeric = bool(known) and all(_is_number(value) for value in known)
    if not numeric:
        return [MISSING if _is_missing(value) else escape(_flat(value)) for value in values], False
    finite = [float(value) for value in known if math.isfinite(value)]
    whole = all(value == int(value) for value in finite)
    decimals = 0 if whole else 4 if max(map(abs, finite)) < 1 else 2
    return [MISSING if _is_missing(value) else _number(float(value), decimals) for value in values], True


def _number(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    text = f"{value:.{decimals}f}"
    return f"$-${text[1:]}" if text.startswith("-") else text


def _is_number(value: Any) -> bool:
    return not isinstance(value, (bool, str)) and (isinstance(value, (int, float)) or hasattr(value, "__float__"))


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value == "" or value != value)  # the last is nan
    except TypeError:  # pandas' NA
        return True
