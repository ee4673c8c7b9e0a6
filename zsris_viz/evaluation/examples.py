"""Examples chosen by a rule from the rows of an evaluation, so that a figure shows no case picked by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation.error_analysis import find_samples
from zsris_viz.evaluation.row_masks import predicted_mask

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from zsris_viz.datasets.types import Dataset, Expression, Reference, Sample
    from zsris_viz.evaluation.row_masks import Predict
    from zsris_viz.proposals.base import Proposer

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
    unknown = [label for label in labels if label not in known]
    if unknown or not labels:
        problem = f"there are no rows of {unknown[0]!r}" if unknown else "no method was named"
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


def masks_of_example(
    rows: pd.DataFrame,
    example: LocatedExpression,
    proposals: Proposer,
    *,
    predict: Mapping[str, Predict] | None = None,
) -> dict[str, Tensor | None]:
    """Return the masks that methods predicted for an expression, as they were measured.

    Args:
        rows: Result rows with one source of proposals.
        example: Expression of the rows.
        proposals: Source of their proposals, which are computed again.
        predict: For each method that draws a mask of its own, a function of a sample and an expression that returns the
            (H, W) bool mask again.

    Returns:
        Label of the method and its mask, (H, W) bool, or None for an empty mask; in the order of the rows. The
        intersection and union of every mask with the ground truth are those of its row.

    Raises:
        InvalidInputError: If the rows do not have the expression, or a mask is not the one that was measured.
    """
    sentence_id = example.expression.sentence_id
    mine = rows[(rows["image_id"] == example.sample.image_id) & (rows["sentence_id"] == sentence_id)]
    if mine.empty:
        raise InvalidInputError(f"The rows have no expression {sentence_id!r} of image {example.sample.image_id!r}.")
    masks = proposals.propose_for(example.sample)
    return {
        str(row.method): predicted_mask(
            row, masks, example.sample, example.expression, (predict or {}).get(str(row.method))
        )
        for row in mine.itertuples()
    }
