"""Single numbers of a probe's table, with their intervals and tests, as a text quotes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Measured:
    """One number of a probe's table.

    Attributes:
        value: The number; nan if the table does not have it.
        low: Lower end of its 95 % interval; nan below 20 images.
        high: Upper end.
        n: Number of expressions (or images) behind it.
        images: Number of images.
        p_holm: For a paired difference, the p-value of its sign-flip test after Holm's correction over the layers; nan
            for other numbers.
    """

    value: float
    low: float
    high: float
    n: int
    images: int
    p_holm: float

    def text(self, form: str = "{:.2f}", scale: float = 1.0) -> str:
        """Write the number with its interval.

        Args:
            form: How each number is written.
            scale: Factor, for example 100 for per cent.

        Returns:
            "0.42 [0.38, 0.46]"; without the brackets below 20 images, and "not measured" without a number.

        Examples:
            >>> Measured(0.42, 0.38, 0.46, 100, 50, float("nan")).text()
            '0.42 [0.38, 0.46]'
        """
        if np.isnan(self.value):
            return "not measured"
        value, low, high = (form.format(scale * number) for number in (self.value, self.low, self.high))
        return value if np.isnan(self.low) else f"{value} [{low}, {high}]"

    def above(self, bound: float) -> bool:
        """Return whether the whole interval is above a bound; False without an interval."""
        return self.low > bound

    def below(self, bound: float) -> bool:
        """Return whether the whole interval is below a bound; False without an interval."""
        return self.high < bound


def find_curve(table: pd.DataFrame, probe: str, kind: str, variant: str, *, control: str = "model") -> pd.DataFrame:
    """Return the rows of one number at all layers, of the mean over heads.

    Args:
        table: What `run_probes` returns.
        probe: Column "probe".
        kind: Column "kind".
        variant: Column "variant".
        control: Column "control".

    Returns:
        The rows with a value, in the order of the layers; none if the table does not have them.
    """
    rows = table[(table["probe"] == probe) & (table["kind"] == kind) & (table["variant"] == variant)]
    rows = rows[(rows["control"] == control) & rows["head"].isna() & rows["value"].notna()]
    return rows.sort_values("layer")


def find_number(
    table: pd.DataFrame, probe: str, kind: str, variant: str, *, layer: int, control: str = "model"
) -> Measured:
    """Return one number of the table.

    Args:
        table: What `run_probes` returns.
        probe: Column "probe".
        kind: Column "kind".
        variant: Column "variant".
        layer: Column "layer".
        control: Column "control".

    Returns:
        The number, or nan with n = 0 if the table does not have it.
    """
    rows = find_curve(table, probe, kind, variant, control=control)
    rows = rows[rows["layer"] == layer]
    if rows.empty:
        return Measured(np.nan, np.nan, np.nan, 0, 0, np.nan)
    row = rows.iloc[0]
    floats = {name: float(row[name]) for name in ("value", "low", "high", "p_holm")}
    return Measured(n=int(row["n"]), images=int(row["images"]), **floats)
