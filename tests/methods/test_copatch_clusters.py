"""CoMap's clusters: against the authors' procedure written down plainly, and what must hold for any map."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.copatch.clusters import find_clusters

SIZES = st.tuples(st.integers(1, 6), st.integers(1, 6))
# distinct multiples of 0.01, so that no order is left to chance and no value lies on a threshold of 0.3 - k * 0.05
MAPS = SIZES.flatmap(
    lambda size: st.permutations(list(range(size[0] * size[1]))).map(
        lambda order: (torch.tensor(order).reshape(size) - size[0] * size[1] // 2) * 0.011 + 0.003
    )
)


def authors(similarity: torch.Tensor, delta: float = 0.3, step: float = 0.05) -> tuple[dict[int, int], float]:
    """Flat position -> cluster, and the threshold: patches in descending order, the last one never looked at; each goes
    with the first earlier patch at most one row and column away; lone ones go with the first patch beside them."""
    columns = similarity.shape[1]
    order = similarity.flatten().argsort(descending=True).tolist()

    def beside(one: int, other: int) -> bool:
        a, b = divmod(one, columns), divmod(other, columns)
        return abs(a[0] - b[0]) <= 1 and abs(a[1] - b[1]) <= 1

    found: dict[int, int] = {}
    while not found:
        delta -= step
        earlier: list[int] = []
        number = 1
        for place, _ in pairwise(order):
            if similarity.flatten()[place] <= delta:
                break
            joined = next((found[other] for other in earlier if beside(other, place)), None)
            if joined is None:
                joined, number = number, number + 1
            found[place] = joined
            earlier.append(place)
    sizes = {name: list(found.values()).count(name) for name in found.values()}
    for place in [place for place, name in found.items() if sizes[name] == 1]:
        for other in found:
            if other != place and beside(place, other):
                found[place] = found[other]
                break
    return found, delta


@settings(max_examples=60)
@given(MAPS.filter(lambda similarity: similarity.numel() > 1))
def test_official_clusters_are_the_authors(similarity: torch.Tensor) -> None:
    expected, delta = authors(similarity)
    clusters = find_clusters(similarity, falls_first=True, skip_last=True)
    assert clusters.delta == pytest.approx(delta, abs=1e-6)
    labels = clusters.labels.flatten().tolist()
    names = {name: number for number, name in enumerate(sorted(set(expected.values())), start=1)}
    assert labels == [names[expected[place]] if place in expected else 0 for place in range(len(labels))]


@settings(max_examples=60)
@given(MAPS, st.floats(-0.5, 0.6), st.booleans())
def test_what_holds_for_every_map(similarity: torch.Tensor, delta: float, falls_first: bool) -> None:
    clusters = find_clusters(similarity, delta=delta, falls_first=falls_first)
    labels = clusters.labels
    assert torch.equal(labels > 0, similarity.double() > clusters.delta), (
        "every kept patch is in a cluster, and no other"
    )
    assert len(clusters) >= 1 and set(labels.unique().tolist()) - {0} == set(range(1, len(clusters) + 1))
    peaks = [float(similarity[labels == number].max()) for number in range(1, len(clusters) + 1)]
    assert peaks == sorted(peaks, reverse=True)
    for number, mask in enumerate(clusters.masks(), start=1):
        assert torch.equal(mask, labels == number)
        assert connected(mask), "a cluster hangs together"
        if int(mask.sum()) == 1:  # a lone patch has no neighbour that was kept
            row, column = (int(place[0]) for place in mask.nonzero(as_tuple=True))
            around = labels[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            assert int((around > 0).sum()) == 1
    start = delta - 0.05 * falls_first
    assert clusters.delta <= start + 1e-9
    falls = (start - clusters.delta) / 0.05
    assert falls == pytest.approx(round(falls), abs=1e-4)
    if round(falls):  # one step earlier there was nothing
        assert not (similarity > clusters.delta + 0.05 + 1e-6).any()


def connected(mask: torch.Tensor) -> bool:
    from scipy.ndimage import label

    return label(mask.numpy(), structure=np.ones((3, 3)))[1] == 1


@given(arrays(np.float32, (3, 4), elements=st.floats(-1, 1, width=32)))
def test_maps_with_equal_values(values: np.ndarray) -> None:
    """Ties are broken by position, so the result is the same every time."""
    one, other = (find_clusters(torch.from_numpy(values.copy())) for _ in range(2))
    assert torch.equal(one.labels, other.labels)


def test_two_peaks_and_a_lone_patch() -> None:
    similarity = torch.tensor([[0.9, 0.6, 0.0, 0.0], [0.0, 0.0, 0.0, 0.8], [0.5, 0.0, 0.0, 0.7]])
    clusters = find_clusters(similarity, delta=0.3)
    assert clusters.labels.tolist() == [[1, 1, 0, 0], [0, 0, 0, 2], [3, 0, 0, 2]]
    assert clusters.delta == 0.3 and len(clusters) == 3
    assert len(clusters.masks(2)) == 2 and clusters.masks(0).shape == (0, 3, 4)


def test_a_patch_between_two_clusters_joins_the_more_similar_neighbour() -> None:
    similarity = torch.tensor([[0.9, 0.5, 0.8]])
    assert find_clusters(similarity).labels.tolist() == [[1, 1, 1]]  # 0.8 alone: it joins the patch beside it
    similarity = torch.tensor([[0.9, 0.5, 0.8, 0.7]])
    assert find_clusters(similarity).labels.tolist() == [[1, 1, 2, 2]]  # clusters that meet stay apart


def test_constant_map_is_one_cluster() -> None:
    clusters = find_clusters(torch.full((3, 3), 0.12))
    assert clusters.labels.tolist() == [[1] * 3] * 3 and clusters.delta == pytest.approx(0.1)
    official = find_clusters(torch.full((3, 3), 0.12), falls_first=True, skip_last=True)
    assert int((official.labels == 0).sum()) == 1


@pytest.mark.parametrize(("delta", "expected"), [(0.3, 1), (1e6, 1), (-5.0, 1)])
def test_delta_falls_as_far_as_it_must(delta: float, expected: int) -> None:
    similarity = torch.tensor([[-0.9, -0.99]])
    clusters = find_clusters(similarity, delta=delta)
    assert len(clusters) == expected and clusters.delta < -0.9


def test_delta_that_never_yields_a_cluster() -> None:
    clusters = find_clusters(torch.tensor([[0.1, 0.2]]), delta=0.5, lowest=0.3)
    assert len(clusters) == 0 and clusters.masks().shape == (0, 1, 2) and clusters.delta == 0.3


@pytest.mark.parametrize(
    ("similarity", "options"),
    [
        (torch.zeros(0, 3), {}),
        (torch.zeros(4), {}),
        (torch.zeros(1, 1), {"skip_last": True}),
        (torch.tensor([[0.1, torch.nan]]), {}),
        (torch.tensor([[0.1, torch.inf]]), {}),
    ],
)
def test_maps_that_cannot_be_cut(similarity: torch.Tensor, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="map"):
        find_clusters(similarity, **options)
