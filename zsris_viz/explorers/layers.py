"""LayerExplorer: what each layer of the image tower knows of an expression's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from zsris_viz.explorers import svg as drawings
from zsris_viz.explorers.base import Explorer, dropdown, observe, row, slider, text_box
from zsris_viz.explorers.clickable import Clickable
from zsris_viz.explorers.layer_state import PROJECTIONS, LayerState, LayerView
from zsris_viz.explorers.raster import Canvas, colour_bar, markup
from zsris_viz.figures.layout import CHOSEN, TRUTH, colours
from zsris_viz.images import ImageSource

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLUSTER_COLOURS = colours(3)
LINES = (CHOSEN, "#009E73")


class LayerExplorer(Explorer):
    """Patch-text map, clusters and ground truth of one layer side by side, and IoU by layer with a cursor.

    The slider, or a click on the curve, moves the cursor; the box takes another expression (Enter). With `masks`, a
    click on the image makes the mask under it the ground truth. A constant map is shown in one colour; it is one
    cluster of all patches, and all of it counts as above the middle of its range.

    Args:
        image: anything :func:`zsris_viz.images.open_image` takes.
        expression: the text.
        clip: a model, or a name for `load_clip`; a ViT.
        truth: (H, W) bool, the right mask; without, there are no IoUs until one is clicked.
        masks: what a click on the image can pick as the truth.
        layer, negate, projection: what is shown first; see :class:`~zsris_viz.explorers.layer_state.LayerState`.
        own_scale: colours from the smallest to the largest value of this layer instead of all layers.
        parser: for expressions; by default the package's own.

    Raises:
        InvalidInputError, InvalidTypeError, UnavailableError: as LayerState.

    Example::

        LayerExplorer(sample.image, "the left cat", truth=reference.mask)
    """

    def __init__(
        self,
        image: ImageSource,
        expression: str,
        clip: Any = "miniature",
        *,
        truth: Any = None,
        masks: Any = (),
        layer: int | None = None,
        negate: bool = True,
        projection: str = "head",
        own_scale: bool = False,
        parser: Any = None,
    ) -> None:
        state = LayerState(
            image,
            expression,
            clip,
            masks=masks,
            truth=truth,
            layer=layer,
            negate=negate,
            projection=projection,
            parser=parser,
        )
        self.canvas = Canvas(state.scene.image)
        self.expression = text_box(expression)
        self.layer = slider("layer", state.layer, state.layers[0], state.layers[-1])
        self.negate = ipywidgets.Checkbox(state.negate, description="negate patch tokens", indent=False)
        self.projection = dropdown("projection", PROJECTIONS, projection)
        self.own_scale = ipywidgets.Checkbox(own_scale, description="colours of this layer alone", indent=False)
        self.told = ipywidgets.HTML()
        self.told.add_class("zsris-told")
        self.picture = Clickable(self._picked)
        self.map, self.clusters = Clickable(), Clickable()
        self.curve = Clickable(lambda key, x, y: setattr(self.layer, "value", int(key)))
        for part, name in ((self.picture, "image"), (self.map, "map"), (self.clusters, "clusters")):
            part.add_class(f"zsris-{name}")
        self.curve.add_class("zsris-curve")
        super().__init__(
            state,
            [
                row(self.expression, self.projection),
                row(self.layer, self.negate, self.own_scale),
                self.told,
                row(self.picture, self.map, self.clusters, align="flex-start"),
                self.curve,
            ],
        )
        self.redraw()
        observe(self.expression, lambda new: self.attempt(lambda: state.set(expression=new)))
        observe(self.layer, lambda new: self.attempt(lambda: state.set(layer=new)))
        observe(self.negate, lambda new: self.attempt(lambda: state.set(negate=new)))
        observe(self.projection, lambda new: self.attempt(lambda: state.set(projection=new)))
        observe(self.own_scale, lambda new: self.attempt(lambda: None))

    def _picked(self, key: str, x: float, y: float) -> None:
        number = self.state.mask_at(x, y)
        if number is None:
            known = "no mask lies there" if len(self.state.scene) else "give masks= to pick the ground truth by a click"
            self.say(f"The ground truth stays: {known}.")
        else:
            self.attempt(lambda: self.state.set(truth=self.state.scene.masks[number]))

    def limits(self, view: LayerView) -> tuple[float, float]:
        """Ends of the colour scale of a layer's map."""
        return (float(view.map.min()), float(view.map.max())) if self.own_scale.value else self.state.limits

    def redraw(self) -> None:
        """See `Explorer.redraw`."""
        state, view, canvas = self.state, self.state.view(), self.canvas
        if self.layer.min != state.layers[0]:  # the value path has no layer 0
            self._turning = True
            self.layer.min = state.layers[0]
            self._turning = False
        self.put({self.layer: state.layer, self.negate: state.negate, self.projection: state.projection})
        limits = self.limits(view)
        self.told.value = told(state)

        image = canvas.plain()
        if state.truth is not None:
            image = canvas.outline(canvas.tint(image, state.truth, TRUTH), state.truth, TRUTH, dashed=True)
        title = "ground truth" if state.truth is not None else "image (no ground truth)"
        self.picture.markup = markup(image, title, key="image" if len(state.scene) else None)

        heat = canvas.heat(view.map, limits)
        grey = canvas.plain()
        for mask, colour in reversed(list(zip(view.clusters, CLUSTER_COLOURS, strict=False))):
            grey = canvas.outline(canvas.tint(grey, mask, colour, 0.5), mask, colour)
        if state.truth is not None:
            heat = canvas.outline(heat, state.truth, TRUTH, dashed=True)
            grey = canvas.outline(grey, state.truth, TRUTH, dashed=True)
        self.map.markup = markup(heat, map_title(state), below=colour_bar(limits, width=canvas.size[1]))
        self.clusters.markup = markup(grey, cluster_title(view), below=_cluster_names(len(view.clusters)))
        curves = state.curves()
        self.curve.markup = (
            drawings.curve(state.layers, curves, cursor=state.layer, colours=LINES)
            if curves
            else "<i>IoU by layer needs a ground truth: truth=mask, or masks= and a click on the image.</i>"
        )

    def static(self, data: Any = None) -> Figure:
        """See `Explorer.static`: ground truth, map and clusters above, IoU by layer below."""
        from zsris_viz.explorers.layer_figure import layer_figure

        return layer_figure(self.state, self.limits(self.state.view()), data)


def map_title(state: LayerState) -> str:
    """One line above the map."""
    return f"patch-text map, layer {state.layer} of {state.layers[-1]}" + (", negated" if state.negate else "")


def cluster_title(view: LayerView) -> str:
    """One line above the clusters."""
    return f"clusters above {view.delta:.2f}" if len(view.clusters) else "no cluster"


def told(state: LayerState) -> str:
    """The measures of the layer that is set, as HTML."""
    view = state.view()
    if view.cluster_iou is None or view.map_iou is None:
        return f"<b>layer {state.layer} of {state.layers[-1]}</b>"
    return (
        f"<b>layer {state.layer} of {state.layers[-1]}</b>: IoU of the first cluster <b>{view.cluster_iou:.3f}</b>, of "
        f"the patches above the middle of the map's range <b>{view.map_iou:.3f}</b>; its peak lies "
        f"{'inside' if view.hit else 'outside'} the ground truth"
    )


def _cluster_names(count: int) -> str:
    names = ("first", "second", "third")[:count]
    marks = [
        f'<span style="color:{colour}">■</span> {name}' for name, colour in zip(names, CLUSTER_COLOURS, strict=False)
    ]
    return f"<div>{' &nbsp; '.join(marks)}</div>"
