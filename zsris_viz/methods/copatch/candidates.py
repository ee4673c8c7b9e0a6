"""From CoMap's clusters to candidates: the proposal that overlaps each cluster best, beside the Global-Local choice."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.masks import Masks
from zsris_viz.methods.map_pooling import upsample


@dataclass(frozen=True)
class Candidates:
    """The proposals that the selection chooses among.

    Attributes:
        proposals: their indices, the Global-Local choice first, then by cluster.
        sources: what proposed each: 0 the Global-Local choice, k the k-th cluster; of several, the first.
        cluster_masks: (K, H, W) bool, the clusters on the image. overlaps: (K, N) float32, IoU of each with each
            proposal.
    """

    proposals: list[int]
    sources: list[int]
    cluster_masks: Tensor
    overlaps: Tensor


def clusters_on_image(clusters: Tensor, size: tuple[int, int], edge: str = "half") -> Tensor:
    """Clusters (K, rows, columns) bool, resized bilinearly: (K, H, W) bool.

    Args:
        edge: "half" keeps what is above 0.5, "any" every positive value, with corners aligned (the authors' code).
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
    """The Global-Local choice, and for each cluster the proposal with the largest IoU, the first of equals.

    A cluster that no proposal overlaps has no candidate; with `edge="any"` it is the first proposal, as in the authors'
    code.

    Args:
        choice: index of the Global-Local choice. clusters: (K, rows, columns) bool, in order. unique: each proposal
            once.
        most: how many candidates are kept; None for all.
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
