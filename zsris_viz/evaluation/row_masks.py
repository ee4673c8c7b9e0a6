"""The masks behind result rows, which hold the number of a proposal or nothing but measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from zsris_viz.errors import InvalidInputError
from zsris_viz.evaluation.metrics import mask_iou

if TYPE_CHECKING:
    from torch import Tensor

    from zsris_viz.datasets.types import Expression, Sample
    from zsris_viz.masks import Masks

    Predict = Callable[[Sample, Expression], Tensor]

TOLERANCE = 0.005  # of an IoU: a network that is run again on another batch may differ in single pixels


def predicted_mask(
    row: Any, masks: Masks, sample: Sample, expression: Expression, predict: Predict | None
) -> Tensor | None:
    """Return the mask behind a row.

    Args:
        row: Result row, with attributes named as its columns.
        masks: Proposals of the image.
        sample: Image of the row.
        expression: Expression of the row.
        predict: Function that returns the (H, W) bool mask of an expression again; needed for a method that draws a
            mask of its own.

    Returns:
        The chosen proposal or the method's own mask, (H, W) bool; None for an empty one.

    Raises:
        InvalidInputError: If the mask is the method's own and `predict` is missing, or if its IoU with the ground truth
            is not that of the row, as with other proposals or a method with other settings.
    """
    import pandas as pd

    mask = None
    if not pd.isna(row.chosen):
        mask = masks[int(row.chosen)]
    elif row.intersection + row.union != row.target_area:
        if predict is None:
            raise InvalidInputError(
                f"{row.method!r} draws masks of its own, which the rows do not hold; give predict=, a function of a "
                "sample and an expression that returns its mask."
            )
        mask = predict(sample, expression)
    truth = next(reference.mask for reference, other in sample.pairs() if other.sentence_id == expression.sentence_id)
    _check(row, None if mask is None else mask.cpu().numpy(), truth)
    return mask


def _check(row: Any, mask: Any, truth: Any) -> None:
    """Raise InvalidInputError if the IoU of a mask with the ground truth is not that of the row."""
    both_empty = mask is None and not truth.any()  # counts as IoU 1, as in the rows
    iou = 1.0 if both_empty else mask_iou(np.zeros_like(truth) if mask is None else mask, truth)
    if abs(iou - row.iou) > TOLERANCE:
        raise InvalidInputError(
            f"The mask of {row.method!r} for {row.expression!r} has an IoU of {iou:.3f} with the ground truth, and its "
            f"row has {row.iou:.3f}; give the data, the proposals and the predictor that the rows were made with."
        )
