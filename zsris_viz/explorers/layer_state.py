"""The state of LayerExplorer, without widgets: patch-text maps of every layer, their clusters, and IoU by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zsris_viz.errors import UnavailableError
from zsris_viz.explorers.state import ExplorerState, Scene, check_choice, check_range, check_text
from zsris_viz.figures.panels import finite_range
from zsris_viz.masks import Masks
from zsris_viz.methods.copatch.candidates import clusters_on_image
from zsris_viz.methods.copatch.clusters import find_clusters
from zsris_viz.methods.copatch.patches import exit_layer, layer_maps, projected_patches
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.methods.vit_forward import require_vit
from zsris_viz.models.base import ImageTextModel
from zsris_viz.models.blocks import autograd_mode
from zsris_viz.probes.localising import overlap, pointing

#: How patch tokens are compared with the text: name -> label in the widget.
PROJECTIONS = {
    "head": "tokens, final LayerNorm, projection",
    "patch-axis": "the same, each channel normalised over the patches (CoPatch's code)",
    "values": "value path of the block (MaskCLIP), then the same",
}
MOST_CLUSTERS = 3


@dataclass(frozen=True)
class LayerView:
    """The similarity map, the clusters and the measures of one layer.

    Attributes:
        layer: Number of the layer.
        map: (rows, columns) float32, the similarity of each patch with the text.
        clusters: (K, H, W) bool, at most three, in order of peak similarity.
        delta: Threshold at which the clusters were found.
        cluster_iou: IoU of the first cluster with the ground truth, on the image; None without a ground truth.
        map_iou: IoU of the patches above the middle of the map's range with the ground truth on the token grid, as the
            localisation probe measures it; None without a ground truth.
        hit: Whether the centre of the most similar patch lies inside the ground truth, as the localisation probe
            measures it; None without a ground truth.
    """

    layer: int
    map: Tensor
    clusters: Tensor
    delta: float
    cluster_iou: float | None
    map_iou: float | None
    hit: bool | None


class LayerState(ExplorerState):
    """Compute the patch-text similarity of one image and one expression at every layer.

    The image passes its tower once, and each expression the text tower once. The view of every layer is computed once
    for each setting and kept.

    Args:
        image: See :class:`~zsris_viz.explorers.state.ExplorerState`.
        expression: The text; its own feature is compared, without a noun phrase mixed in.
        clip: See :class:`~zsris_viz.explorers.state.ExplorerState`.
        masks: See :class:`~zsris_viz.explorers.state.ExplorerState`.
        truth: See :class:`~zsris_viz.explorers.state.ExplorerState`.
        layer: Number from 0 (embeddings) to L; None for CoPatch's exit layer, at three quarters of the depth.
        negate: Whether the sign of the patch tokens is flipped first.
        projection: One of `PROJECTIONS`.
        parser: See :class:`~zsris_viz.explorers.state.ExplorerState`.

    Attributes:
        expression: The current text; change it with :meth:`set`.
        layer: The current layer; change it with :meth:`set`.
        negate: The current setting; change it with :meth:`set`.
        projection: The current setting; change it with :meth:`set`.

    Raises:
        UnavailableError: A ResNet, which has no patch tokens, or a model whose weights are not in memory any more.
        InvalidInputError: An empty expression, a layer or projection that does not exist, or a ground truth of another
            size.
    """

    def __init__(
        self,
        image: Scene,
        expression: str,
        clip: ImageTextModel | str = "miniature",
        *,
        masks: Any = (),
        truth: Any = None,
        layer: int | None = None,
        negate: bool = True,
        projection: str = "head",
        parser: Any = None,
    ) -> None:
        super().__init__(image, clip, masks, truth=truth, parser=parser)
        if self.clip.kind != "vit":
            raise UnavailableError(
                f"{self.clip.name!r} is an RN: it has no patch tokens to follow from layer to layer. "
                "Use a ViT, e.g. clip='miniature'; for an RN see MethodExplorer with the method 'score-map'."
            )
        self.expression, self.negate, self.projection = "", True, "head"
        self.layer = int(exit_layer(self.layered))
        self._views: dict[tuple[Any, ...], LayerView] = {}
        self._maps: dict[tuple[str, bool, str], Tensor] = {}
        first = self.layer if layer is None else layer
        self.set(expression=expression, layer=first, negate=negate, projection=projection)

    def set(self, **changes: Any) -> None:
        """Change any of `expression`, `layer`, `negate`, `projection` and `truth`.

        If one value is wrong, nothing is changed.

        Raises:
            InvalidInputError: A value that is not accepted.
            InvalidTypeError: A value of another type.
        """
        one_of_names = ("expression", "layer", "negate", "projection", "truth")
        for name in changes:
            check_choice(name, one_of_names, "setting")
        expression = check_text(changes.get("expression", self.expression))
        projection = check_choice(changes.get("projection", self.projection), tuple(PROJECTIONS), "projection")
        wanted = changes.get("layer", self.layer)
        if "layer" not in changes:
            wanted = max(wanted, first_layer(projection))
        layer = check_range(wanted, first_layer(projection), self.layered.num_layers, "layer")
        if "truth" in changes:
            self.set_truth(changes["truth"])
            self._views.clear()
        self.expression, self.projection, self.layer = expression, projection, layer
        self.negate = bool(changes.get("negate", self.negate))

    @property
    def layers(self) -> list[int]:
        """Return the numbers of the layers.

        They start at 0, or at 1 for the value path, which needs a block, and end at L.
        """
        return list(range(first_layer(self.projection), self.layered.num_layers + 1))

    @property
    def maps(self) -> Tensor:
        """Return the similarities with the expression at every layer.

        Returns:
            (layers, rows, columns) float32 on the CPU.
        """
        key = (self.expression, self.negate, self.projection)
        if key not in self._maps:
            patches = layer_patches(self.scene, self.negate, self.projection)
            how = "patches" if self.projection == "patch-axis" else "features"
            grid = self.scene.trace().grid
            assert grid is not None
            self._maps[key] = layer_maps(patches, self.scene.text(self.expression), grid, how).float().cpu()
        return self._maps[key]

    @property
    def limits(self) -> tuple[float, float]:
        """Return the smallest and the largest similarity over all layers, the ends of the shared colour scale."""
        return finite_range(self.maps)

    def view(self, layer: int | None = None) -> LayerView:
        """Return the map, the clusters and the measures of one layer.

        Args:
            layer: Number of the layer; by default the current one.
        """
        layers = self.layers  # raises an error if the model is gone, also for a view that is kept
        layer = self.layer if layer is None else check_range(layer, layers[0], layers[-1], "layer")
        key = (self.expression, self.negate, self.projection, layer)
        if key not in self._views:
            self._views[key] = self._view(layer)
        return self._views[key]

    def _view(self, layer: int) -> LayerView:
        similarity = self.maps[layer - self.layers[0]]
        found = find_clusters(similarity)
        clusters = clusters_on_image(found.masks(MOST_CLUSTERS), self.size)
        if self.truth is None:
            return LayerView(layer, similarity, clusters, found.delta, None, None, None)
        first = clusters[0] if len(clusters) else torch.zeros(self.size, dtype=torch.bool)
        flat = similarity.reshape(1, 1, -1)
        on_grid = Masks.from_arrays(self.truth).to_grid(*similarity.shape).flatten(1)
        covered = overlap(flat, on_grid, 0.5).item()
        hit = pointing(flat, centres_inside(self.truth, (similarity.shape[0], similarity.shape[1]))).item()
        return LayerView(layer, similarity, clusters, found.delta, self.iou(first), covered, bool(hit))

    def curves(self) -> dict[str, list[float | None]]:
        """Return the IoU by layer, with a value for each of `layers`; empty without a ground truth."""
        if self.truth is None:
            return {}
        views = [self.view(layer) for layer in self.layers]
        return {
            "first cluster": [view.cluster_iou for view in views],
            "map above the middle of its range": [view.map_iou for view in views],
        }


def first_layer(projection: str) -> int:
    """Return the first layer that a projection has.

    No block computes the embeddings, so they have no value path.
    """
    return 1 if projection == "values" else 0


def centres_inside(mask: np.ndarray, grid: tuple[int, int]) -> Tensor:
    """Return whether the centre of each patch lies in an (H, W) mask, as a (1, P) bool tensor."""
    rows, columns = ((np.arange(cells) + 0.5) * side / cells for cells, side in zip(grid, mask.shape, strict=True))
    return torch.from_numpy(mask[rows.astype(int)][:, columns.astype(int)].reshape(1, -1))


@once_per_scene
def layer_patches(scene: SceneFeatures, negate: bool, projection: str) -> Tensor:
    """Compute the patches of every layer in the joint space, as a (layers, P, D) tensor."""
    if projection != "values":
        return projected_patches(scene, negate=negate)
    trace = scene.trace()
    with autograd_mode(False):
        values = [
            block.self_attn.out_proj(block.self_attn.v_proj(block.layer_norm1(trace.patches(index))))
            for index, block in enumerate(require_vit(scene.clip, "The value path").blocks)
        ]
    return scene.layered.project(torch.cat(values), negate=negate)
