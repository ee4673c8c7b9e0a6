"""LayerExplorer: the similarity of every layer of the image tower with an expression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets

from zsris_viz.explorers.base import Explorer, dropdown, observe, text_box
from zsris_viz.explorers.layer_state import PROJECTIONS, LayerState
from zsris_viz.explorers.state import Scene
from zsris_viz.figures.panels import (
    Axis,
    Cursor,
    LineChart,
    MapGrid,
    Maps,
    Note,
    PanelView,
    PicturePanel,
    Region,
    Slider,
)
from zsris_viz.models.base import ImageTextModel

CLUSTER_ROLES = ("first cluster", "second cluster", "third cluster")


class LayerExplorer(Explorer):
    """Show the patch-text map, clusters and ground truth of one layer, small maps of all layers, and IoU by layer.

    The slider, a click on the curve and the small maps move through the layers without asking the kernel. With `masks`,
    a click on the first picture makes the mask under it the ground truth, a further click the next larger one.

    Args:
        image: Anything :func:`zsris_viz.images.open_image` takes.
        expression: The text.
        clip: A ViT, or its name for `load_clip`.
        truth: (H, W) bool, the ground truth; without, there is no IoU until a mask is clicked.
        masks: Masks that a click on the image can choose as the ground truth.
        layer: The layer that is shown first; None for CoPatch's exit.
        negate: Whether the sign of the patch tokens is flipped first.
        projection: A key of :data:`~zsris_viz.explorers.layer_state.PROJECTIONS`.
        parser: For expressions; by default the package's own.

    Raises:
        InvalidInputError: An empty expression, or a layer or projection that does not exist.
        UnavailableError: A model without patch tokens or without its weights.

    Example::

        LayerExplorer(sample.image, "the left cat", truth=reference.mask)
    """

    name = "layers"
    restorable = ("layer", "negate", "projection")
    state: LayerState

    def __init__(
        self,
        image: Scene,
        expression: str,
        clip: str | ImageTextModel = "miniature",
        *,
        truth: Any = None,
        masks: Any = (),
        layer: int | None = None,
        negate: bool = True,
        projection: str = "head",
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
        self.expression = text_box(expression)
        self.negate = ipywidgets.Checkbox(state.negate, description="negate patch tokens", indent=False)
        self.projection = dropdown("projection", PROJECTIONS, projection)
        super().__init__(state, [self.expression, self.projection, self.negate])
        self.redraw()
        observe(self.expression, self.set_expression)
        observe(self.negate, lambda new: self._set(negate=new))
        observe(self.projection, lambda new: self._set(projection=new))

    def _set(self, **change: Any) -> None:
        ((name, value),) = change.items()
        if getattr(self.state, name) != value:
            self.attempt(lambda: self.state.set(**change), busy="computing")

    def cursor(self) -> Cursor:
        """See `Explorer.cursor`."""
        return {"layer": self.state.layer}

    def apply_cursor(self, changed: Mapping[str, Any]) -> None:
        """See `Explorer.apply_cursor`."""
        if "layer" in changed:
            self.state.set(layer=changed["layer"])
        if (number := changed.get("truth")) is not None:
            self.attempt(lambda: self.state.set(truth=self.state.scene.masks[int(number)]))

    def update_controls(self) -> None:
        """See `Explorer.update_controls`."""
        self.negate.value, self.projection.value = self.state.negate, self.state.projection

    def view(self) -> PanelView:
        """See `Explorer.view`."""
        state = self.state
        views = [state.view(layer) for layer in state.layers]
        last, first = state.layers[-1], state.layers[0]
        clusters = [(view.layer, place, mask) for view in views for place, mask in enumerate(view.clusters)]
        truth = () if state.truth is None else (Region("truth", 0, "truth"),)
        choices = tuple(Region("masks", index, "selected", optional=True) for index in range(len(state.scene)))
        by_layer = tuple(
            Region("clusters", number, CLUSTER_ROLES[place], when={"layer": layer})
            for number, (layer, place, _) in enumerate(clusters)
        )
        sign = ", negated" if state.negate else ""
        charts: list[Any] = [MapGrid(f"patch-text maps of all layers{sign}", "similarity", "layer")]
        curves = state.curves()
        if curves:
            roles = dict(zip(curves, ("choice", "map"), strict=True))
            charts.append(LineChart("agreement with the ground truth", "layer", curves, roles))
        picture = (
            "ground truth" if truth else "image (click a mask to make it the ground truth)" if choices else "image"
        )
        return PanelView(
            title=state.expression,
            image=state.scene.image,
            rows=(
                (Slider("layer"), Note(tuple(measures(state, layer) for layer in state.layers), "layer")),
                (
                    PicturePanel(picture, regions=truth + choices, choose="truth" if choices else None),
                    PicturePanel(f"patch-text map, layer {{layer}} of {last}{sign}", "similarity", truth),
                    PicturePanel("clusters of the map", regions=by_layer + truth),
                ),
                tuple(charts),
            ),
            axes={"layer": Axis("layer", first, tuple(map(str, state.layers)))},
            maps={"similarity": Maps(state.maps.numpy(), ("layer",), "cosine similarity", state.limits)},
            masks={
                "truth": [] if state.truth is None else [state.truth],
                "masks": self.cached_list("masks", state.scene, lambda: list(state.scene.masks)),
                "clusters": [mask for *_, mask in clusters],
            },
        )

    def settings(self) -> dict[str, Any]:
        """See `Explorer.settings`."""
        state = self.state
        names = ("expression", "layer", "negate", "projection")
        return {name: getattr(state, name) for name in names}

    def masks(self) -> dict[str, Any]:
        """See `Explorer.masks`."""
        return {"truth": self.state.truth, "masks": self.state.scene.masks if len(self.state.scene) else None}


def measures(state: LayerState, layer: int) -> str:
    """Return a description of the measures of a layer's map and clusters against the ground truth."""
    view = state.view(layer)
    found = f"{len(view.clusters)} clusters above {view.delta:.2f}" if len(view.clusters) else "no cluster"
    if view.cluster_iou is None or view.map_iou is None:
        return f"Layer {layer}: {found}. The IoU needs a ground truth."
    return (
        f"Layer {layer}: {found}; IoU of the first cluster {view.cluster_iou:.3f}, of the patches above the middle of "
        f"its range {view.map_iou:.3f}; the map's peak lies {'inside' if view.hit else 'outside'} the ground truth."
    )
