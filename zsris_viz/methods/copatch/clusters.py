"""Clusters of CoMap: connected patches above a threshold, which falls until at least one patch exceeds it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError

NEIGHBOURS = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column)


@dataclass(frozen=True)
class Clusters:
    """The clusters of a similarity map.

    Attributes:
        labels: Tensor (rows, columns) of int64 on the CPU: 0 outside all clusters, and 1, 2, ... for the clusters in
            descending order of their peak similarity.
        delta: The threshold at which the clusters were found, or the lowest threshold if there are none.
    """

    labels: Tensor
    delta: float

    def __len__(self) -> int:
        return int(self.labels.max()) if self.labels.numel() else 0

    def masks(self, count: int | None = None) -> Tensor:
        """Return the patches of the first clusters.

        Args:
            count: Largest number of clusters; None for all.

        Returns:
            Tensor (K, rows, columns) of bool.
        """
        numbers = torch.arange(1, min(len(self), len(self) if count is None else count) + 1)
        return self.labels[None] == numbers[:, None, None]


def find_clusters(
    similarity: Tensor,
    *,
    delta: float = 0.3,
    step: float = 0.05,
    falls_first: bool = False,
    lowest: float | None = None,
    skip_last: bool = False,
) -> Clusters:
    """Find the clusters of the patches above delta, which falls by `step` until there is at least one.

    Patches are processed in descending order of similarity. Each patch joins the cluster of its most similar neighbour
    among the earlier patches, of at most 8 neighbours, or starts a new cluster if there is none. Clusters that touch
    each other are not merged, except that a cluster of a single patch joins the cluster of its most similar neighbour.
    All patches of a constant map form one cluster.

    Args:
        similarity: Tensor (rows, columns), the finite similarities of patches and text.
        delta: Initial threshold.
        step: Amount by which the threshold falls.
        falls_first: Whether delta falls before the first attempt, as in the authors' code.
        lowest: Lowest threshold, below which there is no cluster; None for no limit.
        skip_last: Whether the least similar patch is excluded, as in the authors' code.

    Returns:
        The clusters and the final threshold.

    Raises:
        InvalidInputError: The map does not have two axes, has too few patches, or has a value that is not finite.
    """
    if similarity.ndim != 2 or similarity.numel() <= int(skip_last):
        raise InvalidInputError(
            f"a map of shape {tuple(similarity.shape)} was given; (rows, columns) with "
            f"{'at least two patches' if skip_last else 'at least one patch'} is needed for a cluster."
        )
    values = similarity.detach().float().cpu()
    if not bool(values.isfinite().all()):
        raise InvalidInputError(
            "the similarity map has values that are not finite, so no threshold can cut it; look at the image and text "
            "features it was made of."
        )
    order = values.flatten().argsort(descending=True, stable=True).tolist()
    order = order[:-1] if skip_last else order
    flat = values.flatten().tolist()
    peak, threshold = flat[order[0]], delta - step * falls_first
    while not peak > threshold:
        threshold -= max(step, (threshold - peak) // step * step)  # all steps that cannot succeed are made at once
        if lowest is not None and threshold < lowest:
            return Clusters(torch.zeros_like(values, dtype=torch.int64), lowest)
    kept = [place for place in order if flat[place] > threshold]
    return Clusters(_grow(kept, (values.shape[0], values.shape[1])), threshold)


def _grow(kept: list[int], size: tuple[int, int]) -> Tensor:
    """Label the kept patches, which are in descending order of similarity."""
    rows, columns = size
    rank = {place: number for number, place in enumerate(kept)}

    def touching(place: int) -> list[int]:
        """Return the kept neighbours of a patch in descending order of similarity."""
        row, column = divmod(place, columns)
        around = [
            (row + down) * columns + column + right
            for down, right in NEIGHBOURS
            if 0 <= row + down < rows and 0 <= column + right < columns
        ]
        return sorted((other for other in around if other in rank), key=rank.__getitem__)

    cluster: dict[int, int] = {}
    sizes: list[int] = []
    for place in kept:
        first = next(iter(touching(place)), None)
        if first is None or rank[first] > rank[place]:
            sizes.append(0)
            cluster[place] = len(sizes) - 1
        else:
            cluster[place] = cluster[first]
        sizes[cluster[place]] += 1
    for place in [place for place in kept if sizes[cluster[place]] == 1]:
        others = touching(place)
        if others:
            cluster[place] = cluster[others[0]]
    names = {number: name for name, number in enumerate(dict.fromkeys(sorted(cluster.values())), start=1)}
    labels = torch.zeros(rows * columns, dtype=torch.int64)
    for place, number in cluster.items():
        labels[place] = names[number]
    return labels.reshape(rows, columns)
