"""What a notebook displays: pictures with a description, tables with rounded numbers, and remarks on a result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

WIDTH_PER_INCH = 96  # CSS pixels
LONG = 30  # letters of a cell from which a column of a table is set flush left
# Titles of the columns that the evaluation and the papers' tables have; the files keep the names.
TITLES = {
    "miou": "mIoU, %",
    "oiou": "oIoU, %",
    "accuracy_50": "Pr@0.5, %",
    "accuracy": "best proposal chosen, %",
    "iou": "IoU",
    "upper_bound": "upper bound, %",
    "p_holm": "p (Holm)",
    "stand_ins": "stand-ins",
    "split_by": "scheme",
    "line": "row",
    "minus": "compared with",
    "val_miou": "mIoU on val, %",
    "val_map_miou": "mIoU of the map on val, %",
    "bce": "cross-entropy",
}
COUNTS = ("n", "images")
SCORES = ("miou", "oiou", "accuracy_50", "mIoU", "oIoU", "measured", "p_holm", "p (Holm)")  # means over expressions
CENTRES = ("measured", "difference", "share", "value", "gain")  # of an interval in the columns low and high


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
        frame: DataFrame with the columns `X`, `X_low` and `X_high` for a value called `X`; the columns `low` and `high`
            belong to the first column that is named in `CENTRES`.
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
    centre = next((name for name in CENTRES if name in frame), None)
    if centre is not None and f"{centre}_low" not in frame:
        frame = merged = merged.rename(columns={"low": f"{centre}_low", "high": f"{centre}_high"})
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
        return fixed(value, digits)
    return f"{fixed(value, digits)} [{fixed(low, digits)}, {fixed(high, digits)}]"


def fixed(value: float, digits: int) -> str:
    """Return a number with a fixed number of decimals, without the sign of a zero.

    Args:
        value: Finite number.
        digits: Number of decimals.

    Example:
        >>> fixed(-0.04, 1), fixed(1.25, 2)
        ('0.0', '1.25')
    """
    return f"{round(float(value), digits) + 0.0:.{digits}f}"


def p_text(p: float) -> str:
    """Return a p-value as text: "0.034", "< 0.001", or "–" if it is nan.

    Args:
        p: p-value, 0-1.

    Example:
        >>> p_text(0.0342), p_text(0.0001)
        ('0.034', '< 0.001')
    """
    if p != p:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def numbered(frame: Any) -> bool:
    """Return whether the index of a frame only numbers its rows, as pandas does where no index is set.

    Args:
        frame: DataFrame or Series.
    """
    from pandas.api.types import is_integer_dtype

    return frame.index.nlevels == 1 and frame.index.name is None and is_integer_dtype(frame.index)


def with_titles(frame: Any) -> tuple[Any, str]:
    """Give the columns of a table titles for readers, and take the numbers of a sample out of it if all rows share it.

    Args:
        frame: DataFrame whose intervals are merged.

    Returns:
        The frame with the titles of `TITLES` and without underscores in the others, and the sample as a text such as
        "374 expressions on 100 images"; the text is empty if the sample differs between rows or is not in the table.
    """
    from pandas.api.types import is_numeric_dtype

    scores = any(name in frame for name in SCORES)
    counts = {"n": "expressions" if scores and "images" in frame else "n", "images": "images"}
    names = [name for name in COUNTS if name in frame]
    sample = ""
    shared = all(is_numeric_dtype(frame[name]) and frame[name].notna().all() for name in names)
    if names and len(frame) > 1 and shared and all(frame[name].nunique() == 1 for name in names):
        words = {"n": "{} expressions" if counts["n"] != "n" else "n = {}", "images": "{} images"}
        sample = " on ".join(words[name].format(int(frame[name].iloc[0])) for name in names)
        frame = frame.drop(columns=names)
    titles = {
        name: TITLES.get(name) or counts.get(name) or name.replace("_", " ") for name in frame if isinstance(name, str)
    }
    return frame.rename(columns=titles), sample


def readable_table(frame: Any, *, digits: int = 2, caption: str | None = None) -> Any:
    """Return a table for the reader of a notebook.

    Numbers are rounded, intervals stand beside their values, columns have titles, a numbered index is left out, and a
    sample that all rows share is named in the caption.

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
        merged = merged.reset_index(drop=numbered(merged))
    for name in COUNTS:
        if name in merged and pd.api.types.is_float_dtype(merged[name]) and (merged[name].dropna() % 1 == 0).all():
            merged[name] = merged[name].astype("Int64")
    for name in [name for name in merged if str(name) in ("p", "p_holm") or str(name).startswith("p (")]:
        if pd.api.types.is_numeric_dtype(merged[name]):
            merged[name] = merged[name].map(p_text)
    merged, sample = with_titles(merged)
    caption = f"{caption} ({sample})" if caption and sample else caption or sample or None
    styler = merged.style.format(precision=digits, na_rep="–", escape="html")
    sentences = [
        name for name in merged if merged[name].map(lambda cell: len(cell) if isinstance(cell, str) else 0).max() > LONG
    ]
    styler = styler.set_properties(subset=sentences, **{"text-align": "left"})
    if numbered(merged):
        styler = styler.hide(axis="index")
    return styler if caption is None else styler.set_caption(caption)


def what_we_see(*sentences: str) -> None:
    """Display what a result shows, in sentences that a notebook computes from its run.

    Args:
        *sentences: Whole sentences in Markdown; empty ones are left out.
    """
    from IPython.display import Markdown, display

    display(Markdown("**What we see.** " + " ".join(sentence.strip() for sentence in sentences if sentence.strip())))
