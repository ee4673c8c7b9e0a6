"""Pictures: an image with masks, outlines and boxes on it, cut-outs, and rows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.layout import CHOSEN, TRUTH, add_title, colours, grid_shape, hide_unused, new_figure
from zsris_viz.figures.outlines import as_mask, label_place
from zsris_viz.figures.roles import ROLES

MANY = 24  # number of masks above which they are drawn as one layer
SMALL = 36.0  # points; side of the square of a mask's area below which its outline is thinner, so as not to hide it
THINNEST = 0.5  # least share of its width; below it the ground truth would not show beside a choice of the same mask

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsris_viz.images import ImageSource
    from zsris_viz.masks import Masks


def show_image(ax: Axes, image: ImageSource, title: str | None = None, *, dim: float = 0.0) -> Axes:
    """Draw an image without ticks.

    Args:
        ax: where to draw.
        image: anything that `open_image` takes.
        title: title above the image, in which "$" is an ordinary character.
        dim: 0 leaves the image as it is, 1 makes it white.

    Returns:
        `ax`.
    """
    from zsris_viz.images import open_image

    pixels = np.asarray(open_image(image)).astype(np.float32) / 255
    ax.imshow(pixels * (1 - dim) + dim, interpolation="antialiased")
    _frameless(ax)
    if title is not None:
        ax.set_title(title, loc="left", parse_math=False)  # titles contain expressions, in which "$" is a character
    return ax


def add_mask(
    ax: Axes,
    mask: Any,
    colour: str = CHOSEN,
    *,
    fill: float = 0.35,
    line: float = 1.6,
    dashed: bool = False,
    casing: bool = True,
    label: str | None = None,
) -> Axes:
    """Draw one mask on an Axes: a tint and an outline on a white casing.

    Args:
        mask: (H, W) bool array or tensor, of the image's size.
        colour: colour of tint and outline.
        fill: opacity of the tint, 0-1.
        line: width of the outline in points, 0 for none; a mask that is small on the page has a thinner one.
        dashed: whether the outline is dashed.
        casing: whether a wider white outline is drawn below the outline.
        label: a text where the mask is widest.
    """
    from matplotlib.colors import to_rgb

    inside = as_mask(mask)
    height, width = inside.shape
    if fill > 0:
        tint = np.zeros((height, width, 4), dtype=np.uint8)  # as floats, a photograph's masks take hundreds of MB
        tint[..., :3] = np.rint(255 * np.array(to_rgb(colour)))
        tint[..., 3] = round(255 * fill) * inside
        ax.imshow(tint, interpolation="nearest")
    if line > 0 and inside.any():
        _outline(ax, inside, colour, _line_width(ax, inside, line), dashed, casing)
    if label is not None and inside.any():
        x, y = label_place(inside)
        box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": colour, "linewidth": 0.8, "alpha": 0.9}
        text: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "color": "black", "parse_math": False}
        ax.text(x - 0.5, y - 0.5, label, bbox=box, **text)
    ax.set_xlim(-0.5, width - 0.5)
    ax.set_ylim(height - 0.5, -0.5)
    return ax


def _line_width(ax: Axes, inside: np.ndarray, line: float) -> float:
    """Return the width of an outline, reduced with the size that the mask has on the page."""
    box = ax.bbox
    points = 72 / ax.figure.dpi * min(box.width / inside.shape[1], box.height / inside.shape[0])  # of a pixel
    side = float(np.sqrt(inside.sum())) * points
    return line * min(1.0, max(THINNEST, side / SMALL))


def _outline(ax: Axes, inside: np.ndarray, colour: str, line: float, dashed: bool, casing: bool) -> None:
    """Draw the mask's border, closed at the image's edges and kept inside them."""
    from matplotlib.patheffects import withStroke

    height, width = inside.shape
    drawn = ax.contour(
        np.arange(-1, width + 1).clip(-0.3, width - 0.7),
        np.arange(-1, height + 1).clip(-0.3, height - 0.7),
        np.pad(inside, 1).astype(np.float32),
        levels=[0.5],
        colors=[colour],
        linewidths=line,
        linestyles="dashed" if dashed else "solid",
    )
    if casing:
        drawn.set_path_effects([withStroke(linewidth=1.8 * line + 0.4, foreground="white")])


def add_boxes(
    ax: Axes, boxes: Any, colour: str | Sequence[str] = CHOSEN, *, labels: Sequence[str] | None = None
) -> Axes:
    """Draw boxes, with a label on each.

    Args:
        ax: where to draw.
        boxes: (N, 4) XYXY in pixels, exclusive on the right and bottom.
        colour: one colour for all boxes, or one for each.
        labels: one text for each box; None for none.

    Returns:
        `ax`.

    Raises:
        InvalidInputError: The boxes have another shape.
    """
    from matplotlib.patches import Rectangle

    corners = np.asarray(boxes, dtype=np.float64)
    if corners.size and (corners.ndim != 2 or corners.shape[1] != 4):
        raise InvalidInputError(f"boxes of shape {corners.shape} were given; (N, 4) XYXY is accepted.")
    corners = corners.reshape(-1, 4)
    shades = [colour] * len(corners) if isinstance(colour, str) else list(colour)
    for number, (x1, y1, x2, y2) in enumerate(corners):
        corner, size = (x1 - 0.5, y1 - 0.5), (x2 - x1, y2 - y1)
        for shade, thickness in (("white", 3.0), (shades[number], 1.4)):
            ax.add_patch(Rectangle(corner, *size, fill=False, edgecolor=shade, linewidth=thickness))
        if labels is not None:
            place = {"facecolor": shades[number], "edgecolor": "none", "pad": 1.5}
            ax.text(x1, y1, labels[number], fontsize=7, color="white", va="bottom", bbox=place)
    return ax


def overlay_masks(
    image: ImageSource,
    masks: Masks | Any,
    *,
    labels: Sequence[str] | bool = False,
    title: str | None = None,
    fill: float = 0.4,
    boxes: bool = False,
    truth: Any = None,
    ax: Axes | None = None,
    width: float = 3.2,
) -> Figure:
    """Draw one image with all its masks, each in its colour, large ones below small ones.

    Args:
        image: anything that `open_image` takes.
        masks: Masks, or anything that `Masks.from_arrays` accepts: (N, H, W), where N may be 0.
        labels: one text for each mask, or True for their numbers. More than 24 masks are drawn without labels.
        title: above the image.
        fill: opacity of the tints, 0-1.
        boxes: whether their bounding boxes are drawn too.
        truth: (H, W) bool, the ground truth, outlined in dashed blue.
        ax: where to draw; None for a new figure.
        width: width of the new figure in inches.

    Returns:
        The figure (of `ax`).
    """
    import torch

    from zsris_viz.masks import Masks

    proposals = masks if isinstance(masks, Masks) else Masks.from_arrays(masks)
    if ax is None:
        height_share = proposals.size[0] / proposals.size[1]
        _, axes = new_figure(size=(width, width * height_share + 0.3))
        ax = axes[0, 0]
    show_image(ax, image, title)
    shades = colours(max(1, len(proposals)))
    order = torch.argsort(proposals.areas, descending=True, stable=True).tolist()
    if len(proposals) > MANY:
        ax.imshow(_tints(proposals, shades, order, fill), interpolation="nearest")
    names = [str(number) for number in range(len(proposals))] if labels is True else labels
    for number in order if len(proposals) <= MANY else []:
        add_mask(ax, proposals[number], shades[number], fill=fill, line=1.2, label=names[number] if names else None)
    if boxes:
        add_boxes(ax, proposals.boxes.cpu().numpy(), shades[: len(proposals)])
    if truth is not None:
        add_mask(ax, truth, TRUTH, fill=0, dashed=True)
    return ax.figure  # type: ignore[return-value]


def _tints(masks: Masks, shades: Sequence[str], order: Sequence[int], fill: float) -> np.ndarray:
    """Return all masks as one (H, W, 4) layer with opaque borders.

    Separate outlines of many masks would be slow to draw and hard to read.
    """
    from matplotlib.colors import to_rgb
    from scipy.ndimage import binary_erosion

    layer = np.zeros((*masks.size, 4), dtype=np.float32)
    for number in order:
        inside = masks[number].cpu().numpy()
        opacity = np.where(inside, np.where(binary_erosion(inside), fill, 1.0), 0.0)[..., None]
        below = layer[..., 3:] * (1 - opacity)
        total = opacity + below
        mixed = np.asarray(to_rgb(shades[number])) * opacity + layer[..., :3] * below
        layer = np.concatenate([mixed / total.clip(1e-6), total], axis=-1)
    return layer


def cut_out(image: ImageSource, mask: Any, *, dim: float = 0.75) -> Image.Image:
    """Return an image in which everything outside a mask is grey and faded to white.

    Args:
        image: anything that `open_image` takes.
        mask: (H, W) bool array or tensor.
        dim: how far the outside is faded, 0-1.
    """
    from zsris_viz.images import open_image

    pixels = np.asarray(open_image(image)).astype(np.float32)
    grey = pixels.mean(axis=-1, keepdims=True) * (1 - dim) + 255 * dim
    mixed = np.where(as_mask(mask)[..., None], pixels, grey)
    return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))


def show_images(
    images: Mapping[str, ImageSource] | Sequence[ImageSource],
    *,
    columns: int | None = None,
    title: str | None = None,
    cell: float = 1.9,
) -> Figure:
    """Draw images side by side, with their names above them.

    Args:
        images: name -> image, or a list of images.
        columns: images in a row; None for 5.
        title: title of the figure.
        cell: width of an image in inches.

    Returns:
        The figure.
    """
    named = dict(images) if isinstance(images, Mapping) else dict(enumerate(images))
    rows, columns = grid_shape(len(named), columns)
    fig, axes = new_figure(rows, columns, cell=(cell, cell + 0.25))
    for axis, (name, image) in zip(axes.flat, named.items(), strict=False):
        show_image(axis, image, name if isinstance(name, str) else None)
    hide_unused(axes.flat, len(named))
    add_title(fig, title)
    return fig


def show_examples(
    examples: Sequence[tuple[ImageSource, Any, Any, str]],
    *,
    columns: int = 4,
    title: str | None = None,
    zoom: bool = False,
) -> Figure:
    """Draw choices and the ground truth: one picture each, the chosen mask in vermilion, the true one in dashed blue.

    Args:
        examples: (image, chosen mask or None, true mask or None, caption) each.
        columns: pictures in a row.
        title: title of the figure.
        zoom: whether only the masks' surroundings are shown.

    Returns:
        The figure.
    """
    rows, columns = grid_shape(len(examples), columns)
    fig, axes = new_figure(rows, columns, cell=(2.1, 2.5))
    for axis, (image, chosen, truth, caption) in zip(axes.flat, examples, strict=False):
        show_image(axis, image, wrapped(caption, 30))
        if truth is not None:
            add_mask(axis, truth, TRUTH, fill=0, line=ROLES["truth"].width, dashed=True)
        if chosen is not None:  # above the ground truth, whose wider outline shows beside it
            add_mask(axis, chosen, CHOSEN, casing=truth is None)
        if zoom:
            _zoom(axis, [as_mask(mask) for mask in (chosen, truth) if mask is not None])
    hide_unused(axes.flat, len(examples))
    add_title(fig, title)
    return fig


def _zoom(ax: Axes, masks: Sequence[np.ndarray]) -> None:
    """Show a square around the masks, with a margin of half their size, within the image."""
    together = np.any(masks, axis=0) if masks else np.zeros((1, 1), dtype=bool)
    if not together.any():
        return
    rows, columns = np.nonzero(together)
    side = min(2 * int(max(np.ptp(rows), np.ptp(columns))) + 8, *together.shape)
    for values, length, fix in ((columns, together.shape[1], ax.set_xlim), (rows, together.shape[0], ax.set_ylim)):
        start = float(np.clip((values.min() + values.max() - side) / 2, 0, length - side))
        ends = (start - 0.5, start + side - 0.5)
        fix(*(ends if values is columns else ends[::-1]))


def wrapped(text: str, width: int) -> str:
    """Return a text in lines of at most `width` letters; existing line breaks are kept."""
    import textwrap

    return "\n".join(line for part in text.split("\n") for line in textwrap.wrap(part, width) or [""])


def _frameless(ax: Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
