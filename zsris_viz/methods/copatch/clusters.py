"""CoMap's clusters: patches above a falling threshold, grown from the most similar one outwards."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError

NEIGHBOURS = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column)


@dataclass(frozen=True)
class Clusters:
    """Clusters of a map.

    Attributes:
        labels: (rows, columns) int64 on the CPU: 0 outside, 1, 2, ... in order of peak similarity.
        delta: the threshold at which they were found, or at which the search was given up.
    """

    labels: Tensor
    delta: float

    def __len__(self) -> int:
        return int(self.labels.max()) if self.labels.numel() else 0

    def masks(self, count: int | None = None) -> Tensor:
        """(K, rows, columns) bool: each cluster's patches, the first `count`."""
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
    """Clusters of the patches above delta, which falls by `step` until there is one.

    Patches are taken in order of similarity. Each joins the cluster of the most similar earlier patch that touches it
    (8 neighbours), else starts one. Clusters that meet stay apart, except that a cluster of a single patch joins that
    of its most similar neighbour. A constant map is one cluster of all patches.

    Args:
        similarity: (rows, columns), finite. falls_first: delta falls before the first try (the authors' code).
        lowest: delta does not fall below it: then there is no cluster. skip_last: never take the least similar patch.

    Raises:
        InvalidInputError: a map without two axes, without a patch (or, with `skip_last`, with one only), or with a
            value that is not finite.
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
        threshold -= max(step, (threshold - peak) // step * step)  # as many steps as cannot succeed, at once
        if lowest is not None and threshold < lowest:
            return Clusters(torch.zeros_like(values, dtype=torch.int64), lowest)
    kept = [place for place in order if flat[place] > threshold]
    return Clusters(_grow(kept, (values.shape[0], values.shape[1])), threshold)


def _grow(kept: list[int], size: tuple[int, int]) -> Tensor:
    """Labels of the kept patches, which come in order of similarity."""
    rows, columns = size
    rank = {place: number for number, place in enumerate(kept)}

    def touching(place: int) -> list[int]:
        """Kept patches around one, the most similar first."""
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
