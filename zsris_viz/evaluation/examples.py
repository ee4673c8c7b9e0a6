"""Examples chosen by a rule from the rows of an evaluation, so that a figure shows no case picked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation.error_analysis import find_samples

if TYPE_CHECKING:
    import pandas as pd

    from zsris_viz.datasets.types import Dataset, Expression, Reference, Sample

RIGHT_IOU = 0.5  # a mask is right above this IoU


@dataclass(frozen=True)
class LocatedExpression:
    """One expression of a dataset, with the image and the object that it refers to.

    Attributes:
        sample: Image with all its references.
        reference: Object with its mask.
        expression: Expression that refers to it.
    """

    sample: Sample
    reference: Reference
    expression: Expression


def find_examples(
    rows: pd.DataFrame,
    data: Dataset,
    *,
    right: Sequence[str] = (),
    wrong: Sequence[str] = (),
    kinds: Sequence[str] | None = None,
    min_distractors: int = 0,
    found: bool = True,
    count: int = 1,
) -> list[LocatedExpression]:
    """Return the first expressions, in the order of the rows, that some methods answer rightly and others wrongly.

    An answer is right if its IoU is above 0.5. Every image gives at most one example.

    Args:
        rows: Result rows on `data`, with one source of proposals.
        data: Dataset that the rows were made with.
        right: Labels of methods whose answer is right.
        wrong: Labels of methods whose answer is wrong.
        kinds: Kinds of expressions that are considered, for example ("position", "relation"); None for all.
        min_distractors: Smallest number of other objects of the target's class in the image.
        found: Whether one of the proposals must fit the target with an IoU above 0.5.
        count: Largest number of examples.

    Returns:
        The examples; fewer than `count`, or none, if the run has no more.

    Raises:
        InvalidInputError: If a method is not among the rows, or no method is named.
    """
    labels = [*right, *wrong]
    known = list(dict.fromkeys(rows["method"]))
    lacking = [label for label in labels if label not in known]
    if lacking or not labels:
        problem = f"there are no rows of {lacking[0]!r}" if lacking else "no method was named"
        raise InvalidInputError(f"{problem}; name methods of these rows: {', '.join(map(str, known))}.")
    iou = rows.pivot_table(index="sentence_id", columns="method", values="iou", observed=True, sort=False)
    first = rows.drop_duplicates("sentence_id").set_index("sentence_id")
    fits = (iou[list(right)] > RIGHT_IOU).all(axis=1) & (iou[list(wrong)] <= RIGHT_IOU).all(axis=1)
    first = first.loc[iou.index[fits]]
    if kinds is not None:
        first = first[first["kind"].isin(kinds)]
    if min_distractors:
        first = first[first["distractors"].fillna(0) >= min_distractors]
    if found:
        first = first[first["upper_bound_iou"] > RIGHT_IOU]
    first = first.reset_index().drop_duplicates("image_id").head(count)
    samples = find_samples(data, set(first["image_id"])) if len(first) else {}
    return [
        find_example(samples[image_id], sentence_id)
        for image_id, sentence_id in zip(first["image_id"], first["sentence_id"], strict=True)
    ]


def find_example(sample: Sample, sentence_id: str) -> LocatedExpression:
    """Return an expression of a sample by its id.

    Args:
        sample: Image with its references.
        sentence_id: Id of the expression.

    Raises:
        InvalidInputError: If the sample has no such expression.
    """
    for reference, expression in sample.pairs():
        if expression.sentence_id == sentence_id:
            return LocatedExpression(sample, reference, expression)
    raise InvalidInputError(f"Image {sample.image_id!r} has no expression {sentence_id!r}.")
