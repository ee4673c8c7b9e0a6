"""Examples that a rule picks from the rows of an evaluation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.small_world import SmallWorld, run
from zsris_viz import load_dataset
from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation import find_example, find_examples, mask_iou, masks_of_example
from zsris_viz.figures import Choices, show_choices
from zsris_viz.proposals import load_proposals

DATA = load_dataset("scenes", "train", limit=6)
CROWDED = [index for index in range(len(DATA)) if len(list(DATA[index].pairs())) > 2]


def rows() -> pd.DataFrame:
    """Method a is right on every second expression of an image, method b on all others."""
    lines = []
    for index in range(len(DATA)):
        sample = DATA[index]
        for place, (_, expression) in enumerate(sample.pairs()):
            common = {
                "image_id": sample.image_id,
                "sentence_id": expression.sentence_id,
                "kind": expression.kind,
                "distractors": place,
                "upper_bound_iou": 0.3 if index == CROWDED[0] else 1.0,
            }
            lines += [
                {**common, "method": "a", "iou": 0.9 * (place % 2)},
                {**common, "method": "b", "iou": 0.9 * (1 - place % 2)},
            ]
    return pd.DataFrame(lines)


def test_examples_are_right_for_some_methods_and_wrong_for_others() -> None:
    table = rows()
    found = find_examples(table, DATA, right=["a"], wrong=["b"], count=5)
    expected = [i for i in range(len(DATA)) if len(list(DATA[i].pairs())) > 1 and i != CROWDED[0]][:5]
    assert [example.sample.image_id for example in found] == [DATA[i].image_id for i in expected] != []
    for example in found:
        mine = table[table.sentence_id == example.expression.sentence_id].set_index("method").iou
        assert mine["a"] > 0.5 >= mine["b"]
        assert any(example.expression is other for other in example.reference.expressions)


def test_rules_leave_expressions_out() -> None:
    ids = {example.sample.image_id for example in find_examples(rows(), DATA, right=["a"], count=9, found=False)}
    assert DATA[CROWDED[0]].image_id in ids
    assert find_examples(rows(), DATA, right=["a"], kinds=["no such kind"]) == []
    (example,) = find_examples(rows(), DATA, right=["a"], min_distractors=2)
    places = [expression.sentence_id for _, expression in example.sample.pairs()]
    assert places.index(example.expression.sentence_id) >= 2
    assert find_examples(rows(), DATA, right=["a", "b"]) == []


def test_unknown_methods_and_expressions_are_errors() -> None:
    with pytest.raises(InvalidInputError, match=r"no rows of 'c'.*a, b"):
        find_examples(rows(), DATA, right=["c"])
    with pytest.raises(InvalidInputError, match="no method was named"):
        find_examples(rows(), DATA)
    with pytest.raises(InvalidInputError, match="no expression 'x'"):
        find_example(DATA[0], "x")


def test_masks_have_the_iou_of_their_rows() -> None:
    """A method that chooses, one that draws its own mask, and one that predicts nothing."""
    world = SmallWorld(4)
    found = run(images=4)
    sources = load_proposals("ground-truth")
    example = find_example(world[2], found.rows.query("image_id == 'image-2'").sentence_id.iloc[0])
    rows = found.rows[found.rows.sentence_id == example.expression.sentence_id].copy()
    rows = pd.concat(
        [rows, rows.head(1).assign(method="none", chosen=pd.NA, intersection=0, iou=0.0)], ignore_index=True
    )
    rows["union"] = rows["union"].where(rows.method != "none", rows.target_area)
    own = rows.query("method == 'b'").assign(method="own", chosen=pd.NA)
    drawn = sources.propose_for(world[2])[int(rows.query("method == 'b'").chosen.iloc[0])]
    rows = pd.concat([rows, own], ignore_index=True)
    masks = masks_of_example(rows, example, sources, predict={"own": lambda sample, expression: drawn})
    assert list(masks) == ["a", "b", "none", "own"] and masks["none"] is None
    for row in rows.itertuples():
        mask = masks[row.method]
        shown = np.zeros_like(example.reference.mask) if mask is None else mask.numpy()
        assert mask_iou(shown, example.reference.mask) == pytest.approx(row.iou, abs=1e-12)
    fig = show_choices([Choices(example.sample.image, "", example.reference.mask, masks)])
    printed = [axis.get_title(loc="left") + axis.get_title() for axis in fig.axes[1:]]
    assert printed == [f"{row.method}\nIoU {row.iou:.2f}" for row in rows.itertuples()]


def test_a_mask_that_was_not_measured_is_refused() -> None:
    world, rows = SmallWorld(2), run(images=2).rows
    example = find_example(world[1], rows.query("image_id == 'image-1'").sentence_id.iloc[0])
    sources = load_proposals("ground-truth")
    with pytest.raises(InvalidInputError, match="has an IoU of"):
        masks_of_example(rows.assign(iou=rows.iou / 2 + 0.01), example, sources)
    with pytest.raises(InvalidInputError, match="predict="):
        masks_of_example(rows.assign(chosen=pd.NA), example, sources)
    with pytest.raises(InvalidInputError, match="no expression"):
        masks_of_example(rows[rows.image_id == "image-0"], example, sources)
