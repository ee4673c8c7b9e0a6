"""The tally: ratios of sums, and a bootstrap over images."""

from __future__ import annotations

import numpy as np
import pytest

from zsris_viz.errors import InvalidInputError
from zsris_viz.probes.table import COLUMNS, Tally

KEY = {"probe": "p", "kind": "k", "variant": "v"}


def test_ratio_of_sums_with_a_bootstrap_over_images():
    rng = np.random.default_rng(0)
    tops, bottoms = rng.random(30), 1 + rng.random(30)
    tally = Tally(30)
    for image, (top, bottom) in enumerate(zip(tops, bottoms, strict=True)):
        tally.add(image, top / 2, bottom / 2, layer=2, **KEY)
        tally.add(image, top / 2, bottom / 2, layer=2, **KEY)
    table = tally.table(resamples=4000, seed=1)
    assert tuple(table.columns) == COLUMNS
    row = table.iloc[0]
    assert row["value"] == pytest.approx(tops.sum() / bottoms.sum())
    assert (row["n"], row["images"], row["layer"], row["control"]) == (60, 30, 2, "model")
    draws = rng.integers(30, size=(4000, 30))
    values = tops[draws].sum(axis=1) / bottoms[draws].sum(axis=1)
    assert [row["low"], row["high"]] == pytest.approx(np.percentile(values, [2.5, 97.5]).tolist(), abs=0.01)
    again = tally.table(resamples=4000, seed=1)
    assert again.equals(table)


def test_rows_keep_their_order_and_heads_may_be_missing():
    tally = Tally(2)
    tally.add(0, 1.0, layer=1, head=3, **KEY)
    tally.add_layers(1, [1.0, 2.0], [0, 1], control="shuffled", **KEY)
    table = tally.table(resamples=10)
    assert table["control"].tolist() == ["model", "shuffled", "shuffled"]
    assert table["head"].isna().tolist() == [False, True, True] and table["head"].iloc[0] == 3


def test_numbers_that_do_not_exist():
    tally = Tally(2)
    tally.add(0, float("nan"), layer=0, **KEY)
    assert tally.table().empty and tuple(tally.table().columns) == COLUMNS
    tally.add(0, 0.0, 0.0, layer=0, **KEY)
    assert tally.table(resamples=10)[["value", "low", "high"]].isna().all(axis=None)
    with pytest.raises(InvalidInputError, match="resamples=0"):
        tally.table(resamples=0)
    with pytest.raises(InvalidInputError, match="images=0"):
        Tally(0)
