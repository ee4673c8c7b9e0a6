"""In which way a choice is wrong: by hand on small masks, and shares against counting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from tests.evaluation.small_world import SmallWorld, run
from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.types import Expression, Reference, Sample
from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation import OUTCOMES, Evaluation, example_page, mask_iou, outcome_table
from zsris_viz.evaluation.error_analysis import find_samples
from zsris_viz.evaluation.matching import ProposalMatcher
from zsris_viz.masks import Masks
from zsris_viz.methods import Prediction, Ranking
from zsris_viz.proposals import load_proposals

SIDE = 20


def box(x: int, y: int, w: int, h: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y : y + h, x : x + w] = True
    return mask


CAT, OTHER_CAT, DOG = box(0, 0, 8, 8), box(12, 0, 8, 8), box(0, 12, 8, 8)
THINGS, CLASSES = [CAT, OTHER_CAT, DOG], ["cat", "cat", "dog"]
PROPOSALS = {
    "cat": CAT,
    "nearly": box(0, 0, 8, 7),
    "head": box(0, 0, 4, 4),  # a quarter of the cat
    "left half": box(0, 0, 10, 20),  # the cat, the dog and background
    "big": box(0, 0, 11, 16),  # 176 px: the cat, half the dog
    "other": box(12, 0, 8, 7),
    "others ear": box(12, 0, 2, 2),
    "dog": box(1, 12, 7, 8),
    "ground": box(9, 9, 11, 11),
    "corner": box(6, 6, 6, 6),  # 4 px of the cat
}


def ranking(mask: np.ndarray) -> Ranking:
    """The ranking of a method that chose this mask."""
    return Ranking(mask=torch.from_numpy(mask), method="none", expression="the cat", scores=torch.zeros(1), chosen=0)


def judged(chosen: str | None, given: list[str] | None = None, **options: Any) -> dict[str, Any]:
    """The row of "the cat" for a choice among the proposals."""
    names = list(PROPOSALS) if given is None else given
    reference = Reference("r", (Expression("the cat", "s"),), CAT, options.pop("own", "cat"))
    matcher = ProposalMatcher([(reference, reference.expressions[0])])
    instances = {"instances": Masks(np.stack(THINGS)), "classes": CLASSES} | options
    matcher.set_proposals(Masks.from_arrays([PROPOSALS[name] for name in names], size=(SIDE, SIDE)), **instances)
    failed = options.get("failed", False)
    return matcher.row(0, None if chosen is None else ranking(PROPOSALS[chosen]), failed=failed)


@pytest.mark.parametrize(
    ("chosen", "outcome", "shown"),
    [
        ("cat", "right", "cat"),
        ("nearly", "right", "cat"),
        ("head", "part of object", "cat"),
        ("big", "more than the object", "cat"),
        ("other", "right class, wrong instance", "cat"),
        ("others ear", "right class, wrong instance", "cat"),
        ("dog", "wrong class", "dog"),
        ("ground", "wrong class", None),
        ("corner", "wrong class", None),
    ],
)
def test_every_outcome(chosen: str, outcome: str, shown: str | None) -> None:
    row = judged(chosen)
    assert (row["outcome"], row["chosen_category"], row["category"]) == (outcome, shown, "cat")


def test_without_a_fitting_proposal_the_choice_does_not_matter() -> None:
    for chosen, shown in (("head", "cat"), ("dog", "dog"), ("ground", None)):
        row = judged(chosen, ["head", "dog", "ground"])
        assert (row["outcome"], row["chosen_category"]) == ("no proposal fits", shown)
    assert judged(None, [])["outcome"] == "no proposal fits"


def test_a_mask_of_the_background_shows_no_object_that_it_covers() -> None:
    umbrella = box(1, 1, 3, 3)
    reference = Reference("r", (Expression("the umbrella on the right", "s"),), box(16, 16, 3, 3), "umbrella")
    matcher = ProposalMatcher([(reference, reference.expressions[0])])
    background = box(0, 0, 16, 16)
    instances = Masks(np.stack([umbrella, reference.mask]))
    matcher.set_proposals(Masks(np.stack([background, umbrella, reference.mask])), instances, ["umbrella"] * 2)
    assert matcher.row(0, ranking(background))["outcome"] == "wrong class"
    assert matcher.row(0, ranking(umbrella))["outcome"] == "right class, wrong instance"
    assert matcher.row(0, ranking(box(0, 0, 5, 5)))["outcome"] == "right class, wrong instance"  # 9 of its 25 px


def test_an_expression_without_a_target() -> None:
    reference = Reference("r", (Expression("the dragon", "s"),), box(0, 0, 0, 0), "")
    matcher = ProposalMatcher([(reference, reference.expressions[0])])
    matcher.set_proposals(Masks(np.stack([CAT, DOG])))
    wrong, right = matcher.row(0, ranking(CAT)), matcher.row(0, ranking(box(0, 0, 0, 0)))
    assert (wrong["outcome"], wrong["iou"], wrong["union"], wrong["target_area"]) == ("no target", 0.0, 64, 0)
    assert (right["outcome"], right["iou"], right["union"]) == ("right", 1.0, 0)
    assert matcher.chance_row(0)["iou"] == 0 and right["upper_bound_iou"] == 1


def test_an_empty_prediction() -> None:
    row = judged(None)
    assert (row["outcome"], row["iou"], row["union"], row["target_area"]) == ("no mask", 0.0, 64, 64)


def test_what_the_dataset_does_not_tell() -> None:
    assert judged("dog", classes=None)["outcome"] == "wrong object"
    assert judged("ground", classes=None)["outcome"] == "wrong class"  # nothing is there, whatever it may be called
    assert judged("dog", instances=None)["outcome"] == judged("ground", instances=None)["outcome"] == "wrong object"
    assert judged("dog", own="")["outcome"] == "wrong object" and judged("dog", own="")["category"] is None
    assert judged("head", instances=None)["outcome"] == "part of object"


def test_a_part_of_the_target_is_no_rival() -> None:
    """A phrase in the plural means several things; one of them is a part of the answer, not another instance."""
    both = CAT | OTHER_CAT
    reference = Reference("r", (Expression("cats", "s"),), both, "cat")
    matcher = ProposalMatcher([(reference, reference.expressions[0])])
    matcher.set_proposals(Masks(np.stack([CAT, DOG, both])), Masks(np.stack(THINGS)), CLASSES)
    assert matcher.row(0, ranking(CAT))["outcome"] == "part of object"
    assert matcher.row(0, ranking(DOG))["outcome"] == "wrong class"


def test_a_mask_that_was_not_chosen_among_proposals_can_be_right() -> None:
    reference = Reference("r", (Expression("the cat", "s"),), CAT, "cat")
    matcher = ProposalMatcher([(reference, reference.expressions[0])])
    matcher.set_proposals(Masks(np.stack([DOG])), Masks(np.stack(THINGS)), CLASSES)
    drawn = {
        name: matcher.row(0, Prediction(mask=torch.from_numpy(mask), method="none", expression="the cat"))
        for name, mask in {"right": CAT, "wrong class": DOG}.items()
    }
    assert drawn["right"]["outcome"] == "right" and drawn["right"]["iou"] == 1 and drawn["right"]["chosen"] is None
    assert drawn["wrong class"]["outcome"] == "wrong class" and drawn["right"]["upper_bound_iou"] == 0


def test_the_best_proposal_has_pixels() -> None:
    row = judged("dog", ["head", "nearly", "dog"])
    assert (row["upper_bound_intersection"], row["upper_bound_union"]) == (56, 64)
    assert row["upper_bound_iou"] == pytest.approx(56 / 64)
    nothing = judged("ground", ["ground"])
    assert (nothing["upper_bound_intersection"], nothing["upper_bound_union"]) == (0, 64)


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return run(images=24)


def test_shares_are_counts(found: Evaluation) -> None:
    table = found.outcomes(resamples=200)
    assert list(table) == ["method", "outcome", "count", "n", "share", "low", "high"]
    for method, part in table.groupby("method"):
        mine = found.rows[found.rows["method"] == method]
        assert part["share"].sum() == pytest.approx(100) and set(part["n"]) == {len(mine)}
        counts = mine["outcome"].value_counts()
        assert {line.outcome: line.count for line in part.itertuples() if line.count} == counts.to_dict()
        right = part.set_index("outcome").loc["right", "share"]
        assert right == pytest.approx(found.table().set_index("method").loc[method, "accuracy_50"])
    assert ((table["low"] <= table["share"]) & (table["share"] <= table["high"])).all()
    order = [OUTCOMES.index(outcome) for outcome in table["outcome"][: len(table) // 2]]
    assert order == sorted(order)


def test_intervals_resample_images() -> None:
    outcomes = ["right", "wrong class"] * 40
    frame = pd.DataFrame({"dataset": "d", "split": "s", "method": "m", "outcome": outcomes})
    frame["image_id"] = [str(n // 4) for n in range(80)]  # every image is half right: no draw differs
    table = outcome_table(frame)
    assert table["low"].tolist() == table["high"].tolist() == table["share"].tolist() == [50, 50]
    frame["image_id"] = [str(n // 5) for n in range(80)]  # 16 images are too few for an interval
    assert outcome_table(frame)[["low", "high"]].isna().all(axis=None)


def test_a_small_group_is_counted_and_has_no_share() -> None:
    frame = pd.DataFrame({"dataset": "d", "split": "s", "method": "m", "outcome": ["right"] * 14})
    frame["image_id"], frame["kind"] = [str(n) for n in range(14)], ["noun"] * 10 + ["colour"] * 4
    table = outcome_table(frame, "kind").set_index("kind")
    assert table.loc["noun", "share"] == 100 and np.isnan(table.loc["colour", "share"])
    assert table.loc["colour", ["count", "n"]].tolist() == [4, 4]


def test_by_type_and_by_distractors(found: Evaluation) -> None:
    for by in ("kind", "distractors"):
        table = found.outcomes(by, with_intervals=False)
        for (method, group), part in table.groupby(["method", by]):
            mine = found.rows[(found.rows["method"] == method) & (found.rows[by].astype(str) == group)]
            assert set(part["n"]) == {len(mine)} and part["count"].sum() == len(mine)
    crossed = found.outcomes(["kind", "distractors"], with_intervals=False)
    assert list(crossed)[:4] == ["method", "kind", "distractors", "outcome"]
    with pytest.raises(InvalidInputError, match="length"):
        found.outcomes("colour")
    with pytest.raises(InvalidInputError, match="rows of methods"):
        outcome_table(found.chance_rows)


def test_outcomes_in_rows_against_the_masks(found: Evaluation) -> None:
    """What the rows say agrees with IoUs computed anew."""
    world = SmallWorld(24)
    for row in found.rows.itertuples():
        sample = world[int(row.image_id.split("-")[1])]
        reference = next(one for one in sample.references if one.ref_id == row.ref_id)
        assert sample.instances is not None
        ious = [mask_iou(mask.numpy(), reference.mask) for mask in sample.instances]
        assert (row.outcome == "right") == (ious[row.chosen] > 0.5)
        best = sample.instances[int(np.argmax(ious))].numpy()
        assert row.upper_bound_intersection == (best & reference.mask).sum()
        assert row.upper_bound_union == (best | reference.mask).sum()
    table = found.table(metrics=["upper_bound_oiou"], intervals=False)
    once = found.rows.drop_duplicates(["ref_id", "sentence_id"])
    assert table["upper_bound_oiou"].tolist() == pytest.approx(
        [100 * once["upper_bound_intersection"].sum() / once["upper_bound_union"].sum()] * 3
    )


def test_example_pages(found: Evaluation) -> None:
    world, masks = SmallWorld(24), load_proposals("ground-truth")
    for outcome in OUTCOMES:
        page = example_page(found.rows, world, masks, outcome, method="a", count=3)
        happens = ((found.rows["method"] == "a") & (found.rows["outcome"] == outcome)).sum()
        assert (page is None) == (happens == 0)
        if page is not None:
            assert isinstance(page, Figure) and len(page.axes) == 3 * min(3, happens)
    for options in ({"outcome": "bad"}, {"outcome": "right"}, {"outcome": "right", "method": "c"}):
        with pytest.raises(InvalidInputError):
            example_page(found.rows, world, masks, **options)


def test_masks_of_the_methods_own_are_drawn(found: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn beside a row has the IoU that the row names."""
    drawn: list[Any] = []
    monkeypatch.setattr("zsris_viz.figures.show_choices", lambda lines, **_: drawn.extend(lines))
    own = found.rows[found.rows["method"] == "a"].assign(chosen=pd.NA)
    world, masks = SmallWorld(24), load_proposals("ground-truth")
    with pytest.raises(InvalidInputError, match="predict="):
        example_page(own, world, masks, "right")
    chosen = {row.sentence_id: row.chosen for row in found.rows[found.rows["method"] == "a"].itertuples()}
    options = {"count": 3, "predict": lambda sample, expression: sample.instances[chosen[expression.sentence_id]]}
    example_page(own, world, masks, "right", **options)
    ious = own.set_index("expression")["iou"]
    assert len(drawn) == 3
    for line in drawn:
        assert mask_iou(line.chosen["prediction"].numpy(), line.truth) == pytest.approx(ious[line.caption])


def test_examples_come_from_different_images(found: Evaluation) -> None:
    right = found.rows[(found.rows["method"] == "a") & (found.rows["outcome"] == "right")]
    count = right["image_id"].nunique()
    seen = []

    class Watched(SmallWorld):
        def __getitem__(self, index: int) -> Sample:
            seen.append(index)
            return super().__getitem__(index)

    example_page(right, Watched(24), load_proposals("ground-truth"), "right", count=count)
    assert {f"image-{index}" for index in seen} >= set(right["image_id"])
    with pytest.raises(InvalidInputError, match="no image 'x'"):
        find_samples(SmallWorld(2), {"x"})


def test_scenes_know_the_classes_of_all_objects() -> None:
    sample = load_dataset("scenes", "val", size=64)[0]
    assert sample.instances is not None and sample.instance_categories is not None
    assert len(sample.instance_categories) == len(sample.instances)
    for reference in sample.references:
        same = [np.array_equal(mask.numpy(), reference.mask) for mask in sample.instances]
        assert sample.instance_categories[same.index(True)] == reference.category
        assert sample.instance_categories.count(reference.category) == 1 + (reference.distractors or 0)
