"""What a notebook displays: pictures with a description, tables with rounded numbers, and remarks on a result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

WIDTH_PER_INCH = 96  # CSS pixels
LONG = 30  # letters of a cell from which a column of a table is set flush left


def show_picture(path: Path, alt: str, dpi: int) -> None:
    """Display a PNG at its true size, with a description for readers who cannot see it.

    Args:
        path: PNG file.
        alt: Description of the picture.
        dpi: Resolution of the file in dots per inch.
    """
    import base64
    import struct

    from IPython.display import display

    data = path.read_bytes()
    width = struct.unpack(">I", data[16:20])[0]  # in the header of every PNG
    picture = {"image/png": base64.b64encode(data).decode(), "text/plain": alt}
    size = {"alt": alt, "width": round(width * WIDTH_PER_INCH / dpi)}
    display(picture, raw=True, metadata={"image/png": size})


def merge_intervals(frame: Any, digits: int = 2) -> Any:
    """Write every value and its interval into one column of text, "46.9 [42.1, 51.8]".

    Args:
        frame: DataFrame with the columns `X`, `X_low` and `X_high` for a value called `X`.
        digits: Number of decimals.

    Returns:
        A frame of the same rows without the columns of the ends; a value without an interval (below 20 images) stands
        alone, and a value that is not known is "–".

    Examples:
        >>> import pandas as pd
        >>> merge_intervals(pd.DataFrame({"miou": [46.91], "miou_low": [42.1], "miou_high": [51.8]}), digits=1)
                      miou
        0  46.9 [42.1, 51.8]
    """
    merged = frame.copy()
    for name in list(frame.columns):
        low, high = f"{name}_low", f"{name}_high"
        if low in frame and high in frame:
            merged[name] = [
                _with_interval(*values, digits) for values in zip(frame[name], frame[low], frame[high], strict=True)
            ]
            merged = merged.drop(columns=[low, high])
    return merged


def _with_interval(value: float, low: float, high: float, digits: int) -> str:
    if np.isnan(value):
        return "–"
    if np.isnan(low) or np.isnan(high):
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def readable_table(frame: Any, *, digits: int = 2, caption: str | None = None) -> Any:
    """Return a table for the reader of a notebook: rounded numbers, intervals beside their values, no numbered index.

    Args:
        frame: DataFrame or Series.
        digits: Number of decimals of fractions.
        caption: Line above the table; None for none.

    Returns:
        A pandas Styler, which a notebook displays.
    """
    import pandas as pd

    merged = merge_intervals(frame.to_frame() if isinstance(frame, pd.Series) else frame, digits)
    if not merged.index.is_unique:  # a Styler needs an index without repetitions
        merged = merged.reset_index()
    styler = merged.style.format(precision=digits, na_rep="–", escape="html")
    sentences = [
        name for name in merged if merged[name].map(lambda cell: len(cell) if isinstance(cell, str) else 0).max() > LONG
    ]
    styler = styler.set_properties(subset=sentences, **{"text-align": "left"})
    if merged.index.name is None and isinstance(merged.index, pd.RangeIndex):
        styler = styler.hide(axis="index")
    return styler if caption is None else styler.set_caption(caption)


def what_we_see(*sentences: str) -> None:
    """Display what a result shows, in sentences that a notebook computes from its run.

    Args:
        *sentences: Whole sentences in Markdown; empty ones are left out.
    """
    from IPython.display import Markdown, display

    display(Markdown("**What we see.** " + " ".join(sentence.strip() for sentence in sentences if sentence.strip())))
