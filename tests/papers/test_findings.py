"""What is said of a measured table: its own setting, the order of its rows, and the sentences and tables of both."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.papers.test_tables import VAL, Small
from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation.statistics import compare_methods
from zsris_viz.latex import latex_table
from zsris_viz.notebook_display import p_text
from zsris_viz.papers.comparison import comparison_table, paired_table
from zsris_viz.papers.experiment import Experiment
from zsris_viz.papers.findings import (
    describe_differences,
    describe_notes,
    describe_order,
    describe_sample,
    order_table,
    own_row,
    rank_agreement,
)
from zsris_viz.papers.readable_tables import ablation_table, parts_table, summary_table
from zsris_viz.papers.table_spec import PaperTable, TableRow, with_baselines
from zsris_viz.papers.tables import find_table

OWN = {
    "gl-table3": "Global-Local visual, Global-Local textual",
    "tas-table4": "V + P + N + rectifier",
    "gl-masked-blocks": "3",
    "gl-beta": "0.5",
    "copatch-exit": "9, negated",
    "copatch-terms": "all",
}
METHODS = ("Cropping", "Region token", "Global-Local CLIP")
TABLE = with_baselines(
    PaperTable(
        "t", "T", tuple(TableRow(f"row {name}", "x", {"method": name, "encoder": "ViT-B/32"}) for name in METHODS),
        "global-local", "1", columns=(VAL,),
    )
)  # fmt: skip


@pytest.mark.parametrize(("id", "title"), OWN.items())
def test_own_setting_of_every_kind_of_ablation(id: str, title: str) -> None:
    assert own_row(Experiment(limit=1), find_table(id, 12)) == title


def test_own_setting_follows_the_data_and_the_preset() -> None:
    drawn, photographs = Experiment(limit=1), Experiment(limit=1, preset="official")
    found = {id: own_row(drawn, find_table(id, 12)) for id in ("gl-alpha", "tas-table3", "copatch-delta")}
    assert found == {"gl-alpha": "0.5", "tas-table3": "alpha 0.1, lambda 0.3", "copatch-delta": "0"}
    assert own_row(photographs, find_table("copatch-delta", 12)) == "0.3"
    table = find_table("copatch-delta", 12)
    lacking = replace(table, lines=tuple(line for line in table.lines if line.title != "0"))
    with pytest.raises(InvalidInputError, match="copatch-delta"):
        own_row(drawn, lacking)


@pytest.fixture(scope="module")
def measured() -> tuple[Any, pd.DataFrame]:
    place = Small(seed=1)
    return place, comparison_table(place, TABLE, resamples=50)


def test_order_of_all_pairs_against_the_paper(measured: Any) -> None:
    place, frame = measured
    order = order_table(place, TABLE, frame)
    printed = frame[frame.metric == "mIoU"].dropna(subset=["published"]).set_index("line")
    assert len(order) == 3 and (order.published > 0).all() and (order.p_holm >= order.p).all()
    for row in order.itertuples():
        assert row.published == pytest.approx(printed.published[row.first] - printed.published[row.second])
        assert row.measured == pytest.approx(printed.measured[row.first] - printed.measured[row.second])
        rows = {line.title: place.rows(line, VAL) for line in TABLE.lines}
        assert row.p == compare_methods(rows[row.first], rows[row.second], resamples=1, seed=1).p_value
    signs = [
        np.sign((printed.measured[a] - printed.measured[b]) * (printed.published[a] - printed.published[b]))
        for a, b in combinations(printed.index, 2)
    ]
    assert rank_agreement(order) == pytest.approx(np.mean(signs))
    assert np.isnan(rank_agreement(order.head(0)))


def test_rows_on_different_images_are_not_ordered() -> None:
    place = Small(seed=1, limits={"sam": 15})
    lines = (*TABLE.lines[:2], replace(TABLE.lines[2], proposals="ground-truth"))
    table = replace(TABLE, lines=lines)
    frame = comparison_table(place, table, resamples=10)
    assert frame.drop_duplicates("line").set_index("line").images.tolist() == [15, 15, 20]
    assert len(order_table(place, table, frame)) == 1


def test_sentences_name_the_sample_and_its_limits(measured: Any) -> None:
    _, frame = measured
    values = frame[frame.metric == "mIoU"].set_index("line").measured
    assert describe_sample(frame) == (
        f"Measured on small val, 78 expressions on 20 images (chance {values['chance']:.1f} %; "
        f"upper bound {values['upper bound']:.1f} %)."
    )
    assert "Nothing" in describe_sample(frame.assign(measured=np.nan))
    assert describe_notes(frame) == "" and describe_notes(frame.assign(note="a misprint")).endswith(": a misprint.")


def differences(p_holm: list[float], **columns: Any) -> pd.DataFrame:
    table = {"line": ["a", "b"], "minus": "own", "dataset": "refcoco", "split": "val", "difference": [3.0, -2.0]}
    return pd.DataFrame({**table, "p_holm": p_holm, **columns})


def test_sentences_claim_only_what_survives_the_correction() -> None:
    assert describe_differences(differences([0.2, 0.3])) == (
        "Of 2 paired differences of mIoU from “own”, none can be told from 0 after Holm's correction."
    )
    both = describe_differences(differences([0.01, 0.02]))
    assert "2 differ from 0" in both and "above: “a” by 3.0; below: “b” by 2.0" in both
    several = describe_differences(differences([0.01, 0.9], minus=["x", "y"], split=["val", "testA"]))
    assert "their references, 1 differs" in several and "“a” on RefCOCO val by 3.0" in several
    assert describe_differences(differences([0.1, 0.1]).head(0)) == "No pair of rows was measured."


def test_sentences_on_the_order_name_reversals() -> None:
    table = {"dataset": "refcoco", "split": "val", "first": ["a", "a", "b"], "second": ["b", "c", "c"]}
    order = pd.DataFrame({**table, "published": [1.0, 3.0, 2.0], "measured": [2.0, -4.0, 0.0], "p_holm": 0.5})
    text = describe_order(order)
    assert "orders 3 pairs of these rows by mIoU: 1 has the same order here, 1 the reverse and 1 is a tie." in text
    assert "None of the reversals can be told from a tie" in text
    assert "“a” is 3.0 points above “c” in the paper and 4.0 below it here" in text
    assert "1 of the reversals differs from 0: “a” is 3.0" in describe_order(order.assign(p_holm=0.01))
    assert "reversals" not in describe_order(order.assign(measured=1.0))
    assert "cannot be compared" in describe_order(order.head(0))


def test_one_line_for_each_row_with_numbers_that_are_those_of_the_parts(measured: Any) -> None:
    place, frame = measured
    pairs = paired_table(place, TABLE, "row Cropping", resamples=50)
    shown = ablation_table(frame, pairs).set_index("line")
    first = frame[(frame.line == "row Region token") & (frame.metric == "mIoU")].iloc[0]
    row = shown.loc["row Region token"]
    assert [row["mIoU"], row["mIoU_low"], row["mIoU published"], row["n"]] == [first.measured, first.low, 23.43, 78]
    pair = pairs[pairs.line == "row Region token"].iloc[0]
    assert [row["difference"], row["difference_low"], row["p (Holm)"]] == [
        pair.difference, pair.low, p_text(pair.p_holm)
    ]  # fmt: skip
    assert shown.loc["row Cropping", "p (Holm)"] == "–" and "column" not in shown and "note" not in shown
    assert "chance" in latex_table(shown.reset_index())
    summary = summary_table({"t": TABLE}, {"t": frame}, {"t": pairs}, {"t": order_table(place, TABLE, frame)},
                            {"t": "mIoU"}).iloc[0]  # fmt: skip
    methods = shown.drop(index=["chance", "upper bound"])
    assert summary["best"] == methods.mIoU.idxmax() and summary["reference"] == "row Cropping"
    assert summary["chance"] == shown.loc["chance", "mIoU"] and summary["differences"] == 2


def test_parts_of_a_run_are_named() -> None:
    place = Experiment(
        models={"vit": "miniature", "rn": ""}, proposals={"freesolo": "felzenszwalb", "sam": "precomputed:none.json"},
        captioners={"blip-2": "blip2-opt-2.7b"},
    )  # fmt: skip
    found = parts_table(place).set_index("in the papers")["status"]
    assert found["ViT-B/32"] == found["ViT-B/16"] == found["FreeSOLO"] == "stand-in"
    assert found["RN50"] == "not given, its rows are left out" and found["BLIP-2 OPT-2.7b"] == "published part"
    assert found["SAM ViT-H"].startswith(("published part", "not available"))


def test_only_the_wanted_columns_of_drawn_scenes_are_measured() -> None:
    place = Experiment(limit=3, limits={"sam": 2}, drawn_columns=["refcoco val"])
    assert place.data(VAL) is not None and place.data(("refcoco", "", "")) is not None
    assert place.data(("refcoco", "testA", "unc")) is None
    sizes = {role: len(place.images_of(VAL, role) or ()) for role in ("sam", "sam+filter", "ground-truth")}
    assert sizes == {"sam": 2, "sam+filter": 2, "ground-truth": 3}
    few = place.with_limit(1)
    assert len(few.data(VAL) or ()) == 1 and few.model("vit") is place.model("vit")
