"""The numbers that the papers print, for comparison with measured ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsris_viz.datasets.manifests import manifest_folder
from zsris_viz.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "paper",  # global-local (Yu et al. 2023), tas (Suo et al. 2023), copatch (An et al. 2025)
    "table",  # its number, or another place in the paper
    "method",  # as printed, without citation marks and "(ours)"
    "encoder",  # of images: "ResNet-50", "ViT-B/32", ...; empty where the paper has none
    "proposals",  # "FreeSOLO", "SAM", "ground-truth"; empty for methods without proposals
    "dataset",
    "split",
    "metric",  # "oIoU", "mIoU" (per cent, 0-100), "seconds per image", "mIoU gain, least" and "most"
    "value",
    "split_by",  # "unc", "umd" (printed U), "google" (printed G)
    "variant",  # what an ablation varies, for example "alpha=0.05; lambda=0.7"
    "note",  # missing statements and misprints; values are as printed
)
FILTERS = tuple(column for column in COLUMNS if column not in ("value", "note"))


def published(**wanted: str | int | list[str]) -> pd.DataFrame:
    """Return the results that the papers print, a row for each number.

    The tables are 1-3 of Global-Local CLIP, 1-7 of TAS, and CoPatch's claim.

    Args:
        **wanted: A value or a list of values for any column but value and note, e.g. `paper="tas", table=4`.

    Returns:
        A frame with `COLUMNS`, in the papers' order; `value` is float64 and all other columns are text, empty if the
        paper does not report the entry. It may have no rows.

    Raises:
        InvalidInputError: There is no such column, or the value does not occur in its column.
    """
    import pandas as pd

    frame = pd.read_csv(manifest_folder() / "published.csv", dtype=str, keep_default_na=False)
    frame["value"] = frame["value"].astype("float64")
    keep = pd.Series(True, index=frame.index)
    for column, value in wanted.items():
        if column not in FILTERS:
            raise InvalidInputError(f"Published results have no column {column!r}; use {', '.join(FILTERS)}.")
        values = [str(entry) for entry in _listed(value)]
        known = list(dict.fromkeys(frame[column]))
        for value in values:
            if value not in known:
                raise InvalidInputError(
                    f"{column}={value!r} is nowhere in the published results; use {', '.join(filter(None, known))}."
                )
        keep &= frame[column].isin(values)
    return frame[keep].reset_index(drop=True)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple, set)) else [value]
