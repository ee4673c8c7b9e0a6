"""`evaluate`: rows, baselines, errors; with methods that have no sense and a model that is never asked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.small_world import ByHash, NeedsMore, NoClip, SmallWorld, run
from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.types import Expression, Reference, Sample, Subset
from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.evaluation import Evaluation, EvaluationConfig, ImageEvaluator, evaluate, evaluate_image, mask_iou
from zsris_viz.evaluation.rows import COLUMNS
from zsris_viz.evaluation.settings import run_settings, weights_fingerprint
from zsris_viz.methods.base import MethodInfo
from zsris_viz.proposals import load_proposals

DESIGN = ["run_id", "dataset", "split", "split_by", "image_id", "ref_id", "sentence_id", "expression", "method"]
DESIGN += ["clip", "proposals", "chosen", "intersection", "union", "iou", "upper_bound_iou", "seconds", "config_hash"]


@pytest.fixture(scope="module")
def small() -> Evaluation:
    return run(images=5)


def test_one_row_for_each_expression_and_method(small: Evaluation) -> None:
    assert list(small.rows)[: len(DESIGN)] == DESIGN
    assert list(small.rows) == list(COLUMNS)
    expressions = sum(1 for index in range(5) for _ in SmallWorld()[index].pairs())
    assert len(small.rows) == 2 * expressions and len(small.chance_rows) == expressions
    assert not small.rows.duplicated(["ref_id", "sentence_id", "method"]).any()
    assert small.methods == ["a", "b"]
    assert small.rows["run_id"].nunique() == small.rows["config_hash"].nunique() == 1
    assert small.rows["error"].isna().all() and (small.rows["seconds"] > 0).all()
    assert set(small.rows[["dataset", "split", "split_by", "clip", "proposals"]].iloc[0]) == {
        "small",
        "val",
        "own",
        "none",
        "ground-truth",
    }


def test_rows_are_judged_right(small: Evaluation) -> None:
    world = SmallWorld()
    for row in small.rows.itertuples():
        sample = world[int(row.image_id.split("-")[1])]
        reference = next(one for one in sample.references if one.ref_id == row.ref_id)
        assert sample.instances is not None
        ious = [mask_iou(mask.numpy(), reference.mask) for mask in sample.instances]
        assert row.iou == pytest.approx(ious[row.chosen]) == pytest.approx(row.intersection / row.union)
        assert row.upper_bound_iou == pytest.approx(max(ious)) and row.n_proposals == 3
        assert row.distractors == int(row.ref_id.split("-")[1])


def test_chance_is_the_exact_mean_over_the_proposals(small: Evaluation) -> None:
    world = SmallWorld()
    for row in small.chance_rows.itertuples():
        sample = world[int(row.image_id.split("-")[1])]
        reference = next(one for one in sample.references if one.ref_id == row.ref_id)
        assert sample.instances is not None
        ious = np.array([mask_iou(mask.numpy(), reference.mask) for mask in sample.instances])
        assert row.iou == pytest.approx(ious.mean())
        assert row.accuracy_50 == pytest.approx((ious > 0.5).mean())
        assert row.accuracy == pytest.approx((ious == ious.max()).mean())
    chance = small.chance()
    assert chance["method"].tolist() == ["chance"] and chance["accuracy"].item() == pytest.approx(100 / 3, abs=8)
    table = small.table()
    assert table["method"].tolist() == ["a", "b", "chance"] and {"miou_low", "miou_high", "accuracy_50"} <= set(table)
    assert small.table(chance=False)["method"].tolist() == ["a", "b"]
    assert small.compare("a", "chance").n == len(small.chance_rows)


def test_an_image_without_proposals_counts_with_its_area() -> None:
    found = run(dataset=SmallWorld(3, bare=(1,)))
    bare = found.rows[found.rows["image_id"] == "image-1"]
    assert len(bare) and bare["chosen"].isna().all() and (bare["iou"] == 0).all() and (bare["n_proposals"] == 0).all()
    areas = {reference.ref_id: int(reference.mask.sum()) for reference in SmallWorld()[1].references}
    assert bare["union"].tolist() == [areas[ref_id] for ref_id in bare["ref_id"]]
    assert (
        bare["error"].isna().all()
        and (found.chance_rows.loc[found.chance_rows["image_id"] == "image-1", "iou"] == 0).all()
    )
    assert len(found.rows) == len(run(dataset=SmallWorld(3)).rows)


def test_a_bad_image_is_recorded_and_counted() -> None:
    with pytest.warns(ZsrisWarning, match="no such picture"):
        found = run(dataset=SmallWorld(4, bad=(0, 2)))
    whole = run(dataset=SmallWorld(4))
    assert len(found.rows) == len(whole.rows) and found.rows["image_id"].tolist() == whole.rows["image_id"].tolist()
    bad = found.rows["image_id"].isin(["image-0", "image-2"])
    assert (found.rows.loc[bad, "error"] == "OSError: no such picture").all() and (
        found.rows.loc[bad, "iou"] == 0
    ).all()
    assert found.rows.loc[bad, "union"].gt(0).all()
    columns = ["image_id", "method", "sentence_id", "chosen", "iou"]
    pd.testing.assert_frame_equal(found.rows.loc[~bad, columns], whole.rows.loc[~bad, columns])
    assert len(found.errors) == bad.sum() and found.table()["failed"].tolist()[0] == bad.sum() / 2


def test_a_bad_expression_does_not_take_the_others_with_it() -> None:
    text = next(expression.text for _, expression in SmallWorld()[0].pairs())
    with pytest.warns(ZsrisWarning, match="this expression is bad"):
        found = evaluate(
            SmallWorld(2),
            {"bad": ByHash(salt=1, fails_on=text), "good": ByHash(salt=1)},
            clip=NoClip(),
            parts="gold",
            progress=False,
        )
    bad, good = (found.rows[found.rows["method"] == name].reset_index() for name in ("bad", "good"))
    assert bad["error"].notna().sum() == 1 and bad.loc[0, "error"] == "ValueError: this expression is bad"
    assert good["error"].isna().all() and bad["iou"].tolist()[1:] == good["iou"].tolist()[1:]


def test_a_reference_of_another_size_is_an_error_of_its_image() -> None:
    class Wrong(SmallWorld):
        def __getitem__(self, index: int) -> Sample:
            sample = super().__getitem__(index)
            reference = Reference("r", (Expression("x", "s"),), np.ones((3, 3), bool), "thing")
            return Sample(sample.image_id, [reference], sample.image, instances=sample.instances)

    with pytest.warns(ZsrisWarning, match="3 x 3"):
        found = run(dataset=Wrong(2))
    assert (found.rows["iou"] == 0).all() and (found.rows["union"] == 9).all()


def test_what_is_missing_ends_the_run() -> None:
    with pytest.raises(UnavailableError, match="no captioner"):
        evaluate(SmallWorld(1), NeedsMore(), clip=NoClip(), parts="gold", progress=False)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"methods": []}, InvalidInputError, "No method"),
        ({"methods": ["nonsense"]}, InvalidInputError, "global-local"),
        ({"methods": [ByHash(), ByHash(salt=2)]}, InvalidInputError, "labels"),
        ({"methods": {"chance": ByHash()}}, InvalidInputError, "baseline"),
        ({"methods": [3]}, InvalidTypeError, "get_method"),
        ({"dataset": "coco"}, InvalidInputError, "scenes"),
        ({"dataset": "scenes", "split": "dev"}, InvalidInputError, "testA"),
        ({"dataset": [1, 2]}, InvalidTypeError, "load_dataset"),
        ({"limit": 0}, InvalidInputError, "limit"),
        ({"proposals": "nothing"}, InvalidInputError, "felzenszwalb"),
        ({"parts": "guess"}, InvalidInputError, "gold"),
        ({"shard": "3/2", "output": "x"}, InvalidInputError, "1/4 to 4/4"),
        ({"shard": "1/2"}, InvalidInputError, "output folder"),
        ({"batch_size": 0}, InvalidInputError, "batch_size"),
        ({"presets": "official"}, InvalidTypeError, "no option presets; it has split"),
    ],
)
def test_wrong_arguments(change: dict, error: type[Exception], words: str) -> None:
    arguments = {"dataset": SmallWorld(1), "methods": ByHash(), "clip": NoClip(), "parts": "gold", "progress": False}
    with pytest.raises(error, match=words):
        evaluate(**{**arguments, **change})


def test_options_stand_above_the_config() -> None:
    config = EvaluationConfig(clip=NoClip(), parts="gold", progress=False, limit=3)
    found = evaluate(SmallWorld(4), ByHash(), config, limit=1)
    assert found.rows["image_id"].unique().tolist() == ["image-0"] and config.limit == 3


def test_a_method_for_another_tower_is_refused_at_once() -> None:
    class ForRN(ByHash):
        info = MethodInfo("for-rn", "For RN", "none", ("rn",), "")

    with pytest.raises(UnavailableError, match="miniature-rn"):
        evaluate(SmallWorld(1), ForRN(), clip=NoClip(), parts="gold", progress=False)


def test_limit_and_order_do_not_change_an_images_rows() -> None:
    columns = ["image_id", "sentence_id", "method", "chosen", "iou"]
    whole = run(images=4).rows[columns]
    some = run(images=4, limit=2).rows[columns]
    pd.testing.assert_frame_equal(some, whole[whole["image_id"].isin(["image-0", "image-1"])])
    bench = ImageEvaluator(NoClip(), load_proposals("ground-truth"), parts="gold")
    alone = [
        row["iou"] for row in evaluate_image(SmallWorld()[3], {"a": ByHash(salt=1)}, bench) if row["method"] == "a"
    ]
    assert alone == whole[(whole["image_id"] == "image-3") & (whole["method"] == "a")]["iou"].tolist()
    assert evaluate_image(Sample("empty", [], None), {"a": ByHash()}, bench) == []  # type: ignore[arg-type]


def test_felzenszwalb_on_photographs_without_annotation() -> None:
    found = run(images=2, proposals="felzenszwalb")
    assert (found.rows["n_proposals"] == 0).all() and (found.rows["proposals"] == "felzenszwalb").all()


def test_all_methods_against_one_of_them(small: Evaluation) -> None:
    table = small.compare_all("chance")
    assert table["method"].tolist() == ["a", "b"] and (table["images"] == 5).all() and table["low"].isna().all()
    plain = [small.compare(method, "chance") for method in ("a", "b")]
    assert table["p"].tolist() == [found.p_value for found in plain] and (table["p"] >= 2 / 2**5).all()
    assert table["p_holm"].min() == pytest.approx(min(1, 2 * table["p"].min()))


def test_the_bound_always_takes_the_best_proposal(small: Evaluation) -> None:
    once = small.rows[small.rows["method"] == "a"]
    bound = small.bound_rows
    assert bound["iou"].tolist() == once["upper_bound_iou"].tolist() and set(bound["method"]) == {"upper bound"}
    table = small.table(bound=True, intervals=False).set_index("method")
    assert list(table.index) == ["a", "b", "chance", "upper bound"]
    line = table.loc["upper bound"]
    assert line["miou"] == pytest.approx(100 * once["upper_bound_iou"].mean()) == line["upper_bound"]
    assert line["oiou"] == line["upper_bound_oiou"] and line["accuracy"] == 100 * (once["upper_bound_iou"] > 0).mean()
    assert line["accuracy_50"] == pytest.approx(100 * (once["upper_bound_iou"] > 0.5).mean())
    assert small.compare("upper bound", "a").difference >= 0
    with pytest.raises(InvalidInputError, match="baseline"):
        evaluate(SmallWorld(1), {"upper bound": ByHash()}, clip=NoClip(), parts="gold", progress=False)


def test_two_methods_in_every_group() -> None:
    found = run(images=24)
    table = found.compare_by("a", "b", "kind")
    counts = found.rows[found.rows["method"] == "a"]["kind"].value_counts()
    assert dict(zip(table["kind"], table["n"], strict=True)) == {k: n for k, n in counts.items() if n >= 10}
    for line in table.itertuples():
        mine = found.rows[found.rows["kind"] == line.kind].groupby("method")["iou"].mean()
        assert line.difference == pytest.approx(100 * (mine["a"] - mine["b"]))
    assert (table["p_holm"] >= table["p"]).all()
    with pytest.raises(InvalidInputError, match="unknown"):
        found.compare_by("a", "b", "colour")


def test_a_threshold_for_no_mask() -> None:
    scores = {"a": 500.0}
    usual, found = run(images=8), run(images=8, none_below=scores)
    rejected = found.rows["chosen"].isna()
    assert 0 < rejected.sum() < len(found.rows) and set(found.rows.loc[rejected, "method"]) == {"a"}
    mine, theirs = found.rows[~rejected], usual.rows[~rejected]
    assert mine["iou"].tolist() == theirs["iou"].tolist() and (found.rows.loc[rejected, "iou"] == 0).all()
    assert (found.rows.loc[rejected, "union"] == found.rows.loc[rejected, "target_area"]).all()
    assert found.config["methods"]["a"]["none_below"] == 500 and "none_below" not in found.config["methods"]["b"]
    assert found.table(metrics=["t_acc"], intervals=False).set_index("method")["t_acc"]["b"] == 100


def test_drawings_and_words(small: Evaluation) -> None:
    assert "chance" in repr(small) and "mIoU" in small._repr_html_() and "[" in run(images=20)._repr_html_()
    assert "nan" not in small._repr_html_()  # five images have no interval
    assert small.plot().axes and small.plot("accuracy", by="kind").axes
    assert small.to_pandas() is not small.rows
    with pytest.raises(InvalidInputError, match="chance"):
        small.compare("a", "c")


def test_settings_know_what_matters() -> None:
    def config(dataset: object = None, salt: int = 1, seed: int = 0, **settings: object) -> dict:
        world = SmallWorld(3) if dataset is None else dataset
        return run_settings(
            world, {"m": ByHash(salt=salt)}, NoClip(seed=seed), load_proposals("felzenszwalb", **settings), parts="gold"
        )

    same = config()
    assert config(SmallWorld(2)) == same and config(Subset(SmallWorld(3), 2)) == same  # fewer images: the same run
    others = [
        config(SmallWorld(3, seed=5)),
        config(Subset(SmallWorld(3), indices=[2, 0])),
        config(salt=2),
        config(seed=1),
        config(side=64),
    ]
    assert all(other != same for other in others) and len({str(other) for other in others}) == 5
    assert weights_fingerprint(NoClip()) == weights_fingerprint(NoClip("other")) != weights_fingerprint(NoClip(seed=3))


def test_seconds_are_shared_evenly() -> None:
    found = evaluate(SmallWorld(1), ByHash(delay=0.2), clip=NoClip(), parts="gold", progress=False)
    assert found.rows["seconds"].sum() == pytest.approx(0.2, abs=0.15) and found.rows["seconds"].nunique() == 1


def test_methods_and_images_together_give_the_rows_of_each_alone() -> None:
    options = {"parts": "gold", "progress": False, "reuse": False}
    names = ["global-local", "region-token", "copatch", "hybridgl"]
    columns = ["image_id", "sentence_id", "method", "chosen", "intersection", "union"]
    together = evaluate("scenes", names, limit=2, **options).rows[columns]
    scenes = load_dataset("scenes", "val")
    alone = [evaluate(Subset(scenes, indices=[place]), name, **options) for place in range(2) for name in names]
    order = ["image_id", "sentence_id", "method"]
    expected = pd.concat([found.rows[columns] for found in alone]).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(together.sort_values(order, ignore_index=True), expected)
