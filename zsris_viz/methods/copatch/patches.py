"""The patch path: leave the image tower early, flip the sign of the patch tokens, project them to the joint space."""

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
    """Return where the patch path leaves a tower: as given, or three quarters of the way (9 of 12, 18 of 24, 4 of 6).

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
    """Return the layers whose mean "avg" takes: those of the upper half, 7 to 12 of 12."""
    return list(range(clip.num_layers // 2 + 1, clip.num_layers + 1))


def projected_patches(scene: SceneFeatures, *, negate: bool = True, preset: PreprocessLike = None) -> Tensor:
    """Compute the patches of every layer in the joint space.

    Args:
        scene: Image and a ViT.
        negate: Whether the sign of the tokens is flipped before the final LayerNorm.
        preset: Preprocessing; None for the scene's own.

    Returns:
        (L + 1, P, D) fp32, not normalised.
    """
    return _projected_patches(scene, scene.preprocess(preset), negate)


@once_per_scene
def _projected_patches(scene: SceneFeatures, preprocess: Preprocess, negate: bool) -> Tensor:
    trace = scene.trace(preprocess)
    return scene.layered.project(torch.cat([trace.patches(layer) for layer in range(len(trace))]), negate=negate)


def normalised(patches: Tensor, how: str = "features") -> Tensor:
    """Normalise patches (..., P, D) before they are compared with a text.

    Args:
        patches: The projected patches.
        how: "features" divides each patch by its norm over D, so that similarities are cosines; "patches" divides each
            channel by its norm over P (the authors' code).
    """
    return F.normalize(patches, dim=-1 if how == "features" else -2)


def layer_maps(patches: Tensor, text: Tensor, grid: tuple[int, int], how: str = "features") -> Tensor:
    """Compute CoMap at every layer from (L + 1, P, D) patches and a (D,) text: (L + 1, rows, columns)."""
    return (normalised(patches, how) @ F.normalize(text, dim=-1)).reshape(len(patches), *grid)


def similarity_map(
    patches: Tensor, text: Tensor, grid: tuple[int, int], layers: list[int], how: str = "features"
) -> Tensor:
    """Compute CoMap, (rows, columns), of one layer or of the mean of several layers' projected patches."""
    return layer_maps(patches[layers].mean(dim=0, keepdim=True), text, grid, how)[0]
