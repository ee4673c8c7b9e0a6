"""Maps over an image: similarities and activations of layers or methods, on one colour scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.layout import DIVERGING, SEQUENTIAL, TRUTH, add_title, grid_shape, hide_unused, new_figure
from zsris_viz.figures.pictures import add_mask, show_image, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsris_viz.images import ImageSource


def show_maps(
    image: ImageSource,
    maps: Mapping[str, Any],
    *,
    truth: Any = None,
    columns: int | None = None,
    scale: str = "shared",
    limits: tuple[float, float] | None = None,
    centre: float | None = None,
    smooth: bool = True,
    opacity: float = 0.75,
    title: str | None = None,
    label: str = "",
    with_image: bool = True,
    cell: float = 1.9,
) -> Figure:
    """Draw maps over one image, side by side.

    Args:
        image: anything that `open_image` takes.
        maps: name -> (rows, columns) of any grid, or (H, W).
        truth: (H, W) bool, the ground truth, outlined in dashed blue on each map.
        columns: panels in a row; None for 5.
        scale: "shared" for one colour scale, or "each" for maps stretched to their own smallest and largest value,
            which makes the map of an absent object look like that of a present one.
        limits: ends of the shared scale; None for the smallest and largest value of all maps.
        centre: the value that is white; the scale is then diverging and symmetric around it.
        smooth: whether maps are resized bilinearly, as the methods do; otherwise each cell is a square.
        opacity: opacity of the maps on the grey image, 0-1.
        title: title of the figure.
        label: label of the colour bar.
        with_image: whether the image itself comes first.
        cell: width of a panel in inches.

    Returns:
        The figure.

    Raises:
        InvalidInputError: There is no map, a map does not have two axes, or the scale is unknown.
    """
    arrays = {name: as_map(values) for name, values in maps.items()}
    rows, columns = grid_shape(len(arrays) + with_image, columns)
    fig, axes = new_figure(rows, columns, cell=(cell, cell + 0.25))
    flat = list(axes.flat)
    if with_image:
        show_image(flat[0], image, "image")
        if truth is not None:
            add_mask(flat[0], truth, TRUTH, fill=0, dashed=True)
    shades = _Scale(list(arrays.values()), scale, limits, centre)
    for axis, (name, values) in zip(flat[with_image:], arrays.items(), strict=False):
        _draw(axis, image, values, shades, smooth, opacity, truth)
        axis.set_title(wrapped(name, 26), loc="left")
    hide_unused(flat, len(arrays) + with_image)
    shades.add_bar(fig, axes, label)
    add_title(fig, title)
    return fig


def show_map_grid(
    images: Mapping[str, ImageSource],
    maps: Mapping[str, Mapping[str, Any]],
    *,
    truths: Mapping[str, Any] | None = None,
    scale: str = "shared",
    limits: tuple[float, float] | None = None,
    centre: float | None = None,
    smooth: bool = True,
    opacity: float = 0.75,
    title: str | None = None,
    label: str = "",
    cell: float = 1.5,
) -> Figure:
    """Draw maps in rows and columns: a row for each image or expression, a column for each method or layer.

    Args:
        images: name of the row -> image, drawn first in its row.
        maps: name of the row -> name of the column -> map; a column that a row does not have stays empty.
        truths: name of the row -> (H, W) bool, the ground truth.
        scale: as in :func:`show_maps`; one scale over the whole grid.
        limits: as in :func:`show_maps`.
        centre: as in :func:`show_maps`.
        smooth: as in :func:`show_maps`.
        opacity: as in :func:`show_maps`.
        title: title of the figure.
        label: label of the colour bar.
        cell: width of a panel in inches.

    Returns:
        The figure.

    Raises:
        InvalidInputError: A row has no image, there is no map, or the scale is unknown.
    """
    unknown = set(maps) - set(images)
    if unknown or not maps:
        raise InvalidInputError(
            f"rows {sorted(unknown) or 'none'} of the maps have no image; give images and maps with the same names."
        )
    heads = list(dict.fromkeys(name for row in maps.values() for name in row))
    shades = _Scale([as_map(values) for row in maps.values() for values in row.values()], scale, limits, centre)
    fig, axes = new_figure(len(maps), 1 + len(heads), cell=(cell, cell + 0.2))
    for number, (name, row) in enumerate(maps.items()):
        truth = (truths or {}).get(name)
        show_image(axes[number, 0], images[name], wrapped(name, 24))
        if truth is not None:
            add_mask(axes[number, 0], truth, TRUTH, fill=0, dashed=True)
        for axis, head in zip(axes[number, 1:], heads, strict=True):
            if head not in row:
                axis.set_axis_off()
                continue
            _draw(axis, images[name], as_map(row[head]), shades, smooth, opacity, truth)
            if number == 0:
                axis.set_title(wrapped(head, 20), loc="left")
    shades.add_bar(fig, axes, label)
    add_title(fig, title)
    return fig


class _Scale:
    """The colour scale of a figure's maps."""

    def __init__(
        self, arrays: list[np.ndarray], scale: str, limits: tuple[float, float] | None, centre: float | None
    ) -> None:
        if scale not in ("shared", "each"):
            raise InvalidInputError(f'scale={scale!r} is unknown; use "shared" or "each".')
        if not arrays:
            raise InvalidInputError("there is no map to draw; give at least one.")
        self.shared, self.centre, self.limits_given = scale == "shared", centre, limits
        self.colours = SEQUENTIAL if centre is None else DIVERGING
        self.limits = self._ends(arrays)

    def _ends(self, arrays: list[np.ndarray]) -> tuple[float, float]:
        if self.limits_given is not None:
            return self.limits_given
        values = np.concatenate([array[np.isfinite(array)].ravel() for array in arrays])
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
        if self.centre is not None:
            reach = max(high - self.centre, self.centre - low) or 1.0
            return self.centre - reach, self.centre + reach
        return (low, high) if high > low else (low - 0.5, low + 0.5)

    def of(self, array: np.ndarray) -> tuple[float, float]:
        return self.limits if self.shared else self._ends([array])

    def add_bar(self, fig: Figure, axes: Any, label: str) -> None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        norm = Normalize(*self.limits) if self.shared else Normalize(0, 1)
        bar = fig.colorbar(ScalarMappable(norm, self.colours), ax=axes, shrink=0.7, aspect=30, pad=0.01)
        bar.outline.set_visible(False)
        if self.shared:
            bar.set_label(label)
        else:
            bar.set_ticks([0, 1], labels=["low", "high"])
            bar.set_label(f"{label}{', ' if label else ''}each map by itself")


def _draw(
    axis: Axes, image: ImageSource, values: np.ndarray, shades: _Scale, smooth: bool, opacity: float, truth: Any
) -> None:
    add_map(axis, image, values, shades.of(values), shades.colours, smooth=smooth, opacity=opacity)
    if truth is not None:
        add_mask(axis, truth, TRUTH, fill=0, line=0.9, dashed=True)


def add_map(
    ax: Axes,
    image: ImageSource,
    values: Any,
    limits: tuple[float, float],
    colours: str = SEQUENTIAL,
    *,
    smooth: bool = True,
    opacity: float = 0.75,
) -> Axes:
    """Draw a map over the grey image.

    Args:
        ax: where to draw.
        image: anything that `open_image` takes.
        values: (rows, columns) of any grid, or (H, W).
        limits: values at the ends of the colour scale.
        colours: name of a matplotlib colour scale.
        smooth: whether maps are resized bilinearly, as the methods do; otherwise each cell is a square.
        opacity: opacity of the map on the grey image, 0-1.

    Returns:
        `ax`.
    """
    from zsris_viz.images import open_image

    picture = open_image(image)
    extent = (-0.5, picture.width - 0.5, picture.height - 0.5, -0.5)
    grid = as_map(values)
    show_image(ax, picture.convert("L").convert("RGB"))
    ax.imshow(
        enlarged(grid, (picture.height, picture.width)) if smooth else grid,
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1] if limits[1] > limits[0] else limits[0] + 1e-6,
        alpha=opacity,
        extent=extent,
        interpolation="nearest",
    )
    return ax


def enlarged(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a map enlarged to (H, W) as the methods do it, bilinearly; a map of that size is returned unchanged."""
    import torch

    from zsris_viz.methods.map_pooling import upsample

    if values.shape == size:
        return values
    return upsample(torch.from_numpy(np.ascontiguousarray(values)), size).numpy()


def as_map(values: Any) -> np.ndarray:
    """Return an array or tensor as a (rows, columns) float32 array.

    Raises:
        InvalidInputError: It has another shape.
    """
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, dtype=np.float32)
    if array.ndim != 2 or not array.size:
        raise InvalidInputError(f"a map of shape {array.shape} was given; (rows, columns) is accepted.")
    return array
