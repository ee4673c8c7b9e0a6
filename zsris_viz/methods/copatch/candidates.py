"""Candidates of CoPatch: the Global-Local choice and, for each cluster of CoMap, the proposal that overlaps it best."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.masks import Masks
from zsris_viz.methods.map_pooling import upsample


@dataclass(frozen=True)
class Candidates:
    """The proposals among which the selection chooses.

    Attributes:
        proposals: Indices of the proposals, the Global-Local choice first, then in the order of the clusters.
        sources: For each candidate, 0 for the Global-Local choice or k for the k-th cluster; the first source if there
            are several.
        cluster_masks: Tensor (K, H, W) of bool, the clusters at the size of the image.
        overlaps: Tensor (K, N) of float32, the IoU of each cluster with each proposal, 0-1.
    """

    proposals: list[int]
    sources: list[int]
    cluster_masks: Tensor
    overlaps: Tensor


def clusters_on_image(clusters: Tensor, size: tuple[int, int], edge: str = "half") -> Tensor:
    """Resize clusters bilinearly to the size of the image.

    Args:
        clusters: Tensor (K, rows, columns) of bool, the clusters on the patch grid.
        size: Height and width of the image in pixels.
        edge: "half" keeps pixels above 0.5; "any" keeps every positive pixel and aligns the corners, as in the authors'
            code.

    Returns:
        Tensor (K, H, W) of bool.
    """
    if not len(clusters):
        return torch.zeros((0, *size), dtype=torch.bool)
    if edge == "half":
        return upsample(clusters.float(), size) > 0.5
    return F.interpolate(clusters[:, None].float(), size=size, mode="bilinear", align_corners=True)[:, 0] > 0


def find_candidates(
    choice: int,
    clusters: Tensor,
    masks: Masks,
    *,
    edge: str = "half",
    unique: bool = True,
    most: int | None = None,
) -> Candidates:
    """Find the candidates: the Global-Local choice, and for each cluster the proposal with the largest IoU.

    Of proposals with equal IoU, the first one is taken. A cluster that overlaps no proposal has no candidate; with
    `edge="any"` it has the first proposal, as in the authors' code.

    Args:
        choice: Index of the Global-Local choice.
        clusters: Tensor (K, rows, columns) of bool, the clusters in order.
        masks: The N proposals.
        edge: As in :func:`clusters_on_image`.
        unique: Whether each proposal is listed only once.
        most: Largest number of candidates; None for all.

    Returns:
        The candidates.
    """
    on_image = clusters_on_image(clusters, masks.size, edge)
    overlaps = Masks(on_image).iou(masks) if len(on_image) else torch.zeros(0, len(masks))
    proposals, sources = [choice], [0]
    for number, row in enumerate(overlaps, start=1):
        best = int(row.argmax())
        if (edge == "half" and not float(row[best])) or (unique and best in proposals):
            continue
        proposals.append(best)
        sources.append(number)
    return Candidates(proposals[:most], sources[:most], on_image, overlaps)
