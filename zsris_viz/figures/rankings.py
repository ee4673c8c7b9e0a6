"""Figures of rankings: the best proposals of a method with their scores and, if it is known, their IoU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zsris_viz.figures.layout import CHOSEN, TRUTH, add_title, hide_unused, new_figure
from zsris_viz.figures.outlines import as_mask
from zsris_viz.figures.pictures import add_mask, cut_out, show_image, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsris_viz.methods.base import Prediction
    from zsris_viz.methods.features import SceneFeatures


def show_ranking(
    scene: SceneFeatures, prediction: Prediction, *, top: int = 5, truth: Any = None, title: str | None = None
) -> Figure:
    """Draw the image with the predicted mask, then the best proposals from left to right, each with its score.

    Args:
        scene: image and proposals.
        prediction: result of `method.predict(scene, expression)`.
        top: number of proposals.
        truth: (H, W) bool, the ground truth, outlined in dashed blue, with the IoU of each proposal; None for unknown.
        title: title of the figure; None for the method and the expression.

    Returns:
        The figure.
    """
    return show_rankings(
        scene, {"": prediction}, top=top, truth=truth, title=title or f'{prediction.method}: "{prediction.expression}"'
    )


def show_rankings(
    scene: SceneFeatures,
    predictions: Mapping[str, Prediction],
    *,
    top: int = 5,
    truth: Any = None,
    title: str | None = None,
    cell: float = 1.45,
) -> Figure:
    """Draw several predictions of one scene, a row each: of methods for an expression, or of expressions by a method.

    Args:
        scene: image and proposals.
        predictions: name of the row -> prediction.
        top: number of proposals.
        truth: as in :func:`show_ranking`.
        title: title of the figure; None for none.
        cell: width of a picture in inches.

    Returns:
        The figure.
    """
    shown = max(1, min(top, len(scene)))
    fig, axes = new_figure(len(predictions), shown + 1, cell=(cell, cell + 0.35))
    overlaps = None if truth is None or not len(scene) else scene.masks.iou(as_mask(truth))[:, 0].tolist()
    for row, (name, prediction) in zip(axes, predictions.items(), strict=True):
        show_image(row[0], scene.image, wrapped(name, 22) if name else None)
        if truth is not None:
            add_mask(row[0], truth, TRUTH, fill=0, line=2.6, dashed=True)
        if bool(prediction.mask.any()):
            add_mask(row[0], prediction.mask, CHOSEN, line=1.1, casing=truth is None)
        best = prediction.rank(scene.masks).top(shown)
        for place, (axis, (index, score)) in enumerate(zip(row[1:], best, strict=False), start=1):
            show_image(axis, cut_out(scene.image, scene.masks[index]))
            _name_place(axis, place, score, None if overlaps is None else overlaps[index])
        hide_unused(row[1:], len(best))
    add_title(fig, title)
    return fig


def _name_place(axis: Axes, place: int, score: float, overlap: float | None) -> None:
    """Write rank and score above a picture; the frame is blue where the IoU is above 0.5."""
    number = f"{score:.3f}" if abs(score) >= 0.1 else f"{score:.2g}"
    text = f"{place}. {number}" + ("" if overlap is None else f"  IoU {overlap:.2f}")
    right = overlap is not None and overlap > 0.5
    axis.set_title(
        text, loc="left", fontsize=7, color=TRUTH if right else "black", fontweight="bold" if right else "normal"
    )
    for spine in axis.spines.values():
        spine.set_visible(True)
        spine.set_color(TRUTH if right else "#cccccc")
        spine.set_linewidth(2.0 if right else 0.6)
