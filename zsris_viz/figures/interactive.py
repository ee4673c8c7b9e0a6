"""Interactive figures (plotly), each of which has a static counterpart in this package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zsris_viz.figures.layout import colours
from zsris_viz.figures.outlines import mask_outlines

if TYPE_CHECKING:
    from zsris_viz.images import ImageSource
    from zsris_viz.masks import Masks


def toggle_masks(
    image: ImageSource,
    masks: Masks,
    *,
    names: Sequence[str] | None = None,
    shown: int | None = None,
    title: str | None = None,
    width: int = 560,
) -> Any:
    """Return an image with its masks: a click on a legend's name hides or shows a mask, a double click isolates it.

    Args:
        image: anything that `open_image` takes.
        masks: masks of the image's size.
        names: one name for each mask; None for numbers and areas.
        shown: number of masks that are visible at first; None for all.
        title: above the image.
        width: in pixels.

    Returns:
        A plotly Figure; :func:`~zsris_viz.figures.overlay_masks` is the static counterpart.
    """
    import plotly.graph_objects as go

    from zsris_viz.images import open_image

    picture = open_image(image)
    names = names or [f"{number}: {area} px" for number, area in enumerate(masks.areas.tolist())]
    figure = go.Figure(go.Image(z=np.asarray(picture), hoverinfo="skip"))
    for number, (mask, shade) in enumerate(zip(masks, colours(max(1, len(masks))), strict=False)):
        x, y = _polygon(mask.cpu().numpy())
        visible = True if shown is None or number < shown else "legendonly"
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            fill="toself",
            line={"color": shade, "width": 2},
            name=names[number],
            visible=visible,
            opacity=0.7,
        )
    side = {"visible": False, "constrain": "domain"}
    height = round(width * 0.72 * picture.height / picture.width) + 60
    figure.update_layout(
        width=width, height=height, title=title, margin={"l": 5, "r": 5, "t": 40 if title else 10, "b": 5}
    )
    figure.update_xaxes(range=[-0.5, picture.width - 0.5], **side)
    figure.update_yaxes(range=[picture.height - 0.5, -0.5], scaleanchor="x", **side)
    return figure


def _polygon(mask: np.ndarray) -> tuple[list[float | None], list[float | None]]:
    """Return the outline of a mask as x and y, with None between its parts."""
    x: list[float | None] = []
    y: list[float | None] = []
    for points in mask_outlines(mask):
        x += [*(points[:, 0] - 0.5).tolist(), None]
        y += [*(points[:, 1] - 0.5).tolist(), None]
    return x, y
