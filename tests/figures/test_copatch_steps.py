"""The figures of CoPatch's steps draw what the evidence holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from zsris_viz import figures
from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.copatch_steps import cluster_colour
from zsris_viz.masks import Masks
from zsris_viz.methods.copatch.candidates import find_candidates
from zsris_viz.methods.copatch.clusters import find_clusters

IMAGE = Image.new("RGB", (40, 40), "white")
DATA = torch.zeros(3, 40, 40, dtype=torch.bool)
DATA[0, :20, :20], DATA[1, 20:, 20:], DATA[2, :20, 20:] = True, True, True
MASKS = Masks(DATA)
TRUTH = DATA[1].numpy()


def evidence(relation: str | None = "left") -> dict[str, Any]:
    comap = torch.full((4, 4), -0.2)
    comap[0, 0], comap[3, 3], comap[3, 2] = 0.4, 0.3, 0.2
    clusters = find_clusters(comap, delta=0.0)
    found = find_candidates(2, clusters.masks(3), MASKS)
    held = None if relation is None else torch.rand(len(found.proposals), 2).double()
    return {
        "map": comap, "clusters": clusters.labels, "delta": clusters.delta, "cluster_masks": found.cluster_masks,
        "candidates": found.proposals, "sources": found.sources, "base": torch.tensor([0.2, 0.3, 0.5]),
        "others": [0, 1], "other_scores": None, "other_phrases": ["a dog"], "relation": relation,
        "relation_matrix": held,
    }  # fmt: skip


def test_clusters_have_a_row_of_four_panels_and_one_outline_for_each_cluster() -> None:
    fig = figures.show_clusters([figures.CoPatchExample("row", IMAGE, MASKS, evidence(), TRUTH)])
    titles = [axis.get_title(loc="left") for axis in fig.axes]
    assert "2 clusters, by peak" in titles and "the first 2 on the image" in titles
    assert not figures.text_problems(fig)


def test_clusters_are_needed() -> None:
    with pytest.raises(InvalidInputError, match="no clusters"):
        figures.show_clusters([figures.CoPatchExample("row", IMAGE, MASKS, {}, TRUTH)])


def test_candidates_carry_their_source_and_their_iou() -> None:
    fig = figures.show_candidates([figures.CoPatchExample("row", IMAGE, MASKS, evidence(), TRUTH)])
    titles = [axis.get_title(loc="left") for axis in fig.axes[1:]]
    assert titles[0] == "proposal 2\nGlobal-Local's choice\nIoU with the truth 0.00"
    assert "proposal 1\nfrom cluster 2\nIoU with the truth 1.00" in titles


@pytest.mark.parametrize("relation", ["left", None])
def test_guidance_writes_the_relation_matrix(relation: str | None) -> None:
    found = evidence(relation)
    fig = figures.show_guidance([figures.CoPatchExample("row", IMAGE, MASKS, found, TRUTH)])
    written = [text.get_text() for text in fig.axes[2].texts]
    held = found["relation_matrix"]
    assert written == ([] if held is None else [f"{value:.2g}" for value in held.flatten().tolist()])


def test_clusters_after_the_third_share_a_colour() -> None:
    assert len({cluster_colour(number) for number in (1, 2, 3, 4)}) == 4
    assert cluster_colour(4) == cluster_colour(9)
    assert np.all([cluster_colour(number).startswith("#") for number in range(1, 5)])
