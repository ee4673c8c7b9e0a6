"""Metrics by hand, intervals against their definition, and the tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation import METRICS, compare_methods, mask_iou, measure, metric_table
from zsris_viz.evaluation.metrics import terms
from zsris_viz.evaluation.statistics import intervals


def rows(ious: list[float], images: list[str] | None = None, **columns: object) -> pd.DataFrame:
    """Rows whose union is 100 pixels and whose best proposal has IoU 0.9."""
    count = len(ious)
    frame = {
        "dataset": "d",
        "split": "val",
        "image_id": images or [str(number) for number in range(count)],
        "ref_id": "r",
        "sentence_id": [str(number) for number in range(count)],
        "expression": "the cat",
        "method": "m",
        "intersection": [round(100 * iou) for iou in ious],
        "union": 100,
        "iou": ious,
        "upper_bound_iou": 0.9,
        "upper_bound_intersection": 90,
        "upper_bound_union": 100,
        "seconds": 0.5,
        "error": None,
        **columns,
    }
    return pd.DataFrame(frame, index=range(count))


@given(hnp.arrays(bool, (5, 7)), hnp.arrays(bool, (5, 7)))
def test_iou(a: np.ndarray, b: np.ndarray) -> None:
    union = (a | b).sum()
    assert mask_iou(a, b) == pytest.approx((a & b).sum() / union if union else 0)


def test_iou_of_different_sizes() -> None:
    with pytest.raises(InvalidInputError, match="image's size"):
        mask_iou(np.ones((2, 3)), np.ones((3, 2)))


def test_metrics_by_hand() -> None:
    frame = rows([0.9, 0.5, 0.55, 0.0])
    frame.loc[1, ["intersection", "union"]] = [500, 1000]
    values = measure(frame)
    assert values["miou"] == pytest.approx((0.9 + 0.5 + 0.55) / 4)
    assert values["oiou"] == pytest.approx((90 + 500 + 55 + 0) / (100 + 1000 + 100 + 100))
    assert values["accuracy_50"] == 2 / 4 and values["accuracy_60"] == 1 / 4 and values["accuracy_90"] == 0
    assert values["accuracy"] == 1 / 4 and values["upper_bound"] == pytest.approx(0.9)
    assert set(values) == set(METRICS) and values["giou"] == values["miou"] and values["ciou"] == values["oiou"]
    assert values["upper_bound_oiou"] == pytest.approx(0.9)
    older = frame.drop(columns=["upper_bound_intersection", "upper_bound_union"])
    assert np.isnan(measure(older)["upper_bound_oiou"]) and measure(older)["miou"] == values["miou"]
    assert np.isnan(measure(frame[:0])["miou"])
    with pytest.raises(InvalidInputError, match="miou"):
        measure(frame, ["map"])


def test_a_choice_is_right_only_if_it_hits_something() -> None:
    frame = rows([0.0, 0.9], upper_bound_iou=[0.0, 0.9])
    assert terms(frame)["accuracy"].tolist() == [0.0, 1.0]


def test_intervals_resample_images_not_expressions() -> None:
    rng = np.random.default_rng(0)
    by_image = rng.random(60)
    clustered = rows(np.repeat(by_image, 10).tolist(), [str(n) for n in np.repeat(np.arange(60), 10)])
    low, high = intervals(clustered, ["miou"], resamples=2000)["miou"]
    alone = intervals(rows(by_image.tolist()), ["miou"], resamples=2000)["miou"]
    assert (low, high) == pytest.approx(alone)  # ten copies of each expression add no knowledge
    error = by_image.std() / np.sqrt(60)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert intervals(clustered, ["miou"], resamples=50, seed=1) == intervals(clustered, ["miou"], resamples=50, seed=1)
    assert intervals(clustered, ["miou"], resamples=50, seed=1) != intervals(clustered, ["miou"], resamples=50, seed=2)


def test_no_interval_below_20_images() -> None:
    rng = np.random.default_rng(0)
    assert np.isnan(intervals(rows(rng.random(19).tolist()), ["miou"], resamples=50)["miou"]).all()
    assert np.isfinite(intervals(rows(rng.random(20).tolist()), ["miou"], resamples=50)["miou"]).all()
    assert np.isnan(metric_table(rows(rng.random(19).tolist()), metrics=["miou"])["miou_low"]).all()


def test_metrics_of_expressions_that_may_have_no_target() -> None:
    """Two without a target, of which one is recognised; three with one, of which one gets no mask."""
    frame = rows(
        [1.0, 0.0, 0.8, 0.6, 0.0],
        target_area=[0, 0, 80, 70, 30],
        intersection=[0, 0, 80, 60, 0],
        union=[0, 50, 100, 100, 30],
    )
    values = measure(frame, ["giou", "ciou", "n_acc", "t_acc"])
    assert values["giou"] == pytest.approx((1 + 0.8 + 0.6) / 5) and values["ciou"] == pytest.approx(140 / 280)
    assert values["n_acc"] == pytest.approx(1 / 2) and values["t_acc"] == pytest.approx(2 / 3)
    with_targets = measure(frame[2:], ["n_acc", "t_acc"])
    assert np.isnan(with_targets["n_acc"]) and with_targets["t_acc"] == pytest.approx(2 / 3)


def test_a_paired_comparison_sees_what_intervals_do_not() -> None:
    rng = np.random.default_rng(1)
    base = rng.random(80) * 0.9
    a, b = rows((base + 0.05).tolist(), method="a"), rows(base.tolist(), method="b")
    found = compare_methods(a, b.sample(frac=1, random_state=0))
    assert found.difference == pytest.approx(0.05) and found.low == pytest.approx(0.05, abs=1e-6)
    assert found.p_value == 1 / 10_000 and (found.n, found.images) == (80, 80)
    assert intervals(a, ["miou"])["miou"][0] < intervals(b, ["miou"])["miou"][1]  # the plain ones overlap
    assert "a - b" in str(found)
    nothing = compare_methods(a, a)
    assert nothing.difference == 0 and nothing.p_value == 1
    with pytest.raises(InvalidInputError, match="same ones"):
        compare_methods(a, b[:-1])
    with pytest.raises(InvalidInputError, match="level"):
        compare_methods(a, b, level=1)


def test_table_by_groups() -> None:
    frame = rows(
        [0.9, 0.1, 0.9, 0.3] * 10,
        expression=["cat", "the cat on the red mat", "a " * 11, "the cat"] * 10,
        distractors=pd.array([0, 5, None, 0] * 10, dtype="Int64"),
        kind=["position", "noun", None, "noun"] * 10,
    )
    both = pd.concat([frame.assign(method="z"), frame.assign(method="a", iou=0.0)], ignore_index=True)
    table = metric_table(both, metrics=["miou"])
    assert table["method"].tolist() == ["z", "a"] and table["miou"].tolist() == pytest.approx([55, 0])
    assert table["n"].tolist() == [40, 40] and (table["miou_low"] <= table["miou"]).all()
    by_kind = metric_table(both, "kind", metrics=["miou"], with_intervals=False)
    assert by_kind["kind"].tolist()[:3] == ["noun", "position", "unknown"]
    assert by_kind["miou"].tolist()[:3] == pytest.approx([20, 90, 90])
    by_length = metric_table(frame, "length", metrics=["miou"], with_intervals=False)
    assert by_length["length"].tolist() == ["1-3 words", "4-6 words", "over 10 words"]
    assert by_length["n"].tolist() == [20, 10, 10]
    crossed = metric_table(frame, ["distractors", "kind"], metrics=["miou"], with_intervals=False)
    assert crossed[["distractors", "kind"]].values.tolist() == [
        ["0", "noun"],
        ["0", "position"],
        ["3 or more", "noun"],
        ["unknown", "unknown"],
    ]
    small = metric_table(frame[1:], "kind", metrics=["miou"]).set_index("kind")["miou"]  # 9 expressions of "position"
    assert np.isnan(small["position"]) and np.isfinite(small["noun"])
    with pytest.raises(InvalidInputError, match="length"):
        metric_table(frame, "colour")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_measures_lie_in_their_range(ious: list[float]) -> None:
    values = measure(rows(ious, upper_bound_iou=1.0))
    assert all(0 <= value <= 1 for name, value in values.items() if name not in ("n_acc", "t_acc"))
    assert values["miou"] == pytest.approx(np.mean(ious))


def test_a_failed_row_rejects_nothing() -> None:
    empty = {"iou": 0.0, "upper_bound_iou": 0.0, "target_area": 0, "intersection": 0, "union": 0}
    rows = pd.DataFrame([{**empty, "error": None}, {**empty, "error": "annotation 3 is malformed"}])
    assert terms(rows)["rejected"].tolist() == [1, 0] and terms(rows)["no_target"].tolist() == [1, 1]
