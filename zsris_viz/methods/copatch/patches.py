"""Patch features of CoPatch: patch tokens of an early layer, negated and projected to the joint space."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.features import PreprocessLike, SceneFeatures
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.models.layered import LayeredModel
from zsris_viz.models.preprocessing import Preprocess

AVERAGE = "avg"


def exit_layer(clip: LayeredModel, layer: int | str | None = None) -> int | str:
    """Return the layer of the tower whose patches are projected to the joint space.

    Args:
        clip: The model.
        layer: A layer, or "avg" for the mean of several; None for three quarters of the blocks (9 of 12, 18 of 24, 4 of
            6).

    Returns:
        The layer, or "avg".

    Raises:
        InvalidInputError: The tower does not have the layer.
    """
    if layer is None:
        return 3 * clip.num_layers // 4
    if layer != AVERAGE and not (isinstance(layer, int) and 0 <= layer <= clip.num_layers):
        raise InvalidInputError(
            f"layer={layer!r} does not exist; {clip.name!r} has layers 0 (embeddings) to {clip.num_layers} (after the "
            f'last block); "{AVERAGE}" takes the mean of {averaged_layers(clip)[0]} to {clip.num_layers}.'
        )
    return layer


def averaged_layers(clip: LayeredModel) -> list[int]:
    """Return the layers over which "avg" takes the mean: those of the upper half, 7 to 12 of 12.

    Args:
        clip: The model.

    Returns:
        Layers in ascending order.
    """
    return list(range(clip.num_layers // 2 + 1, clip.num_layers + 1))


def projected_patches(scene: SceneFeatures, *, negate: bool = True, preset: PreprocessLike = None) -> Tensor:
    """Compute the patches of every layer in the joint space.

    Args:
        scene: Image and a ViT.
        negate: Whether the sign of the tokens is flipped before the final LayerNorm.
        preset: Preprocessing; None for the scene's own.

    Returns:
        Tensor (L + 1, P, D) of float32, not normalised.
    """
    return _projected_patches(scene, scene.preprocess(preset), negate)


@once_per_scene
def _projected_patches(scene: SceneFeatures, preprocess: Preprocess, negate: bool) -> Tensor:
    trace = scene.trace(preprocess)
    return scene.layered.project(torch.cat([trace.patches(layer) for layer in range(len(trace))]), negate=negate)


def normalised(patches: Tensor, how: str = "features") -> Tensor:
    """Normalise patches before they are compared with a text.

    Args:
        patches: Tensor (..., P, D), the projected patches.
        how: "features" divides each patch by its norm over D, so that similarities are cosines; "patches" divides each
            channel by its norm over P, as in the authors' code.

    Returns:
        Tensor (..., P, D).
    """
    return F.normalize(patches, dim=-1 if how == "features" else -2)


def layer_maps(patches: Tensor, text: Tensor, grid: tuple[int, int], how: str = "features") -> Tensor:
    """Compute the similarity map of every layer.

    Args:
        patches: Tensor (L + 1, P, D), the projected patches.
        text: Tensor (D,), the text feature.
        grid: Rows and columns of the patch grid.
        how: As in :func:`normalised`.

    Returns:
        Tensor (L + 1, rows, columns).
    """
    return (normalised(patches, how) @ F.normalize(text, dim=-1)).reshape(len(patches), *grid)


def similarity_map(
    patches: Tensor, text: Tensor, grid: tuple[int, int], layers: list[int], how: str = "features"
) -> Tensor:
    """Compute CoMap, the similarity map of one layer or of the mean patches of several layers.

    Args:
        patches: Tensor (L + 1, P, D), the projected patches.
        text: Tensor (D,), the text feature.
        grid: Rows and columns of the patch grid.
        layers: The layers whose mean is taken.
        how: As in :func:`normalised`.

    Returns:
        Tensor (rows, columns).
    """
    return layer_maps(patches[layers].mean(dim=0, keepdim=True), text, grid, how)[0]
