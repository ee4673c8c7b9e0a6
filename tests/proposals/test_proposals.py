"""Sources of proposals: by name, from annotation, and by Felzenszwalb's regions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.types import Sample
from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.proposals import load_proposals, proposal_names
from zsris_viz.proposals.regions import Similarity, merge_regions, outline_scores


def still_life(width: int = 120, height: int = 90) -> tuple[Image.Image, np.ndarray]:
    """A red disc and a blue box on grey noise, and their masks (2, H, W)."""
    noise = np.random.default_rng(0).normal(128, 6, (height, width, 3)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(noise)
    masks = []
    for shape, box, colour in (
        ("ellipse", (10, 15, 50, 55), (200, 20, 20)),
        ("rectangle", (70, 30, 105, 70), (20, 20, 220)),
    ):
        getattr(ImageDraw.Draw(image), shape)(box, fill=colour)
        mask = Image.new("1", image.size)
        getattr(ImageDraw.Draw(mask), shape)(box, fill=1)
        masks.append(np.asarray(mask))
    return image, np.stack(masks)


def test_names() -> None:
    assert set(proposal_names()) >= {"ground-truth", "felzenszwalb"}
    source = load_proposals("felzenszwalb", max_masks=7)
    assert source.settings["max_masks"] == 7 and load_proposals(source) is source
    with pytest.raises(InvalidInputError, match="ground-truth"):
        load_proposals("freesolo")
    with pytest.raises(InvalidTypeError, match="colour"):
        load_proposals("felzenszwalb", colour=1)
    with pytest.raises(InvalidTypeError, match="already loaded"):
        load_proposals(source, side=64)


def test_ground_truth() -> None:
    source = load_proposals("ground-truth")
    sample = load_dataset("scenes", "val", limit=1, size=48)[0]
    masks = source.propose_for(sample)
    assert masks is sample.instances
    with pytest.raises(InvalidInputError, match="felzenszwalb"):
        source.propose(sample.image)
    with pytest.raises(InvalidInputError, match="other objects"):
        source.propose_for(Sample("bare", [], sample.image))


def test_felzenszwalb_finds_plain_objects() -> None:
    image, truth = still_life()
    masks = load_proposals("felzenszwalb").propose(image)
    assert masks.size == (90, 120) and masks.source == "felzenszwalb"
    assert masks.scores is not None and masks.scores.tolist() == sorted(masks.scores.tolist(), reverse=True)
    assert masks.iou(truth).amax(dim=0).min() > 0.9
    assert masks.iou(truth)[:3].amax(dim=0).min() > 0.9  # both among the first three
    assert masks.iou().fill_diagonal_(0).max() <= 0.9
    again = load_proposals("felzenszwalb").propose(np.asarray(image))
    assert torch.equal(again.data, masks.data)


def test_felzenszwalb_on_drawn_scenes() -> None:
    source = load_proposals("felzenszwalb")
    best = torch.cat(
        [source.propose_for(s).iou(s.instances).amax(dim=0) for s in load_dataset("scenes", "val", limit=4)]
    )
    assert best.mean() > 0.7  # 0.83 over 60 scenes


def test_large_images_are_worked_on_small() -> None:
    image, truth = still_life()
    large = image.resize((480, 360), Image.Resampling.BICUBIC)
    masks = load_proposals("felzenszwalb", side=120).propose(large)
    assert masks.size == (360, 480)
    truth = truth.repeat(4, axis=1).repeat(4, axis=2)
    assert masks.iou(truth).amax(dim=0).min() > 0.9


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 2), (7, 7)])
def test_tiny_and_plain_images(size: tuple[int, int]) -> None:
    source = load_proposals("felzenszwalb")
    assert len(source.propose(Image.new("RGB", size, (9, 9, 9)))) == 0
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    masks = source.propose(noise)
    assert masks.size == (size[1], size[0]) and (masks.areas > 0).all()


@pytest.mark.parametrize(
    "wrong",
    [{"scales": []}, {"scales": [0]}, {"sigma": -1}, {"side": 2}, {"max_iou": 2}, {"max_masks": 0}, {"min_share": 0.9}],
)
def test_values_outside_their_range(wrong: dict) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(wrong)).replace("min_share", "share")):
        load_proposals("felzenszwalb", **wrong)


def test_merging_joins_what_is_alike() -> None:
    labels = np.repeat(np.array([[0, 0, 1, 1, 2, 2]]), 4, axis=0)
    lab = np.zeros((4, 6, 3))
    lab[:, 4:] = (80, 50, 50)
    assert merge_regions(labels, lab, Similarity(1, 0, 0))[0] == [0, 1]
    assert sorted(merge_regions(labels, lab, Similarity(1, 0, 0))[-1]) == [0, 1, 2]
    lab[:, 2:4] = (80, 50, 50)
    assert merge_regions(labels, lab, Similarity(1, 0, 0))[0] == [1, 2]
    assert merge_regions(np.zeros((3, 3), int), np.zeros((3, 3, 3)), Similarity()) == []


def test_scores_prefer_round_shapes_with_contrast() -> None:
    image, truth = still_life()
    lab = np.asarray(image, float) / 2.55
    stripe = np.zeros_like(truth[0])
    stripe[80:82, 5:115] = True
    scores = outline_scores(np.stack([truth[0], stripe, np.zeros_like(stripe), np.ones_like(stripe)]), lab)
    assert scores[0] > scores[1] > 0 and scores[2] == 0 and scores[3] == 0


def test_no_proposals_at_all() -> None:
    source = load_proposals("none")
    masks = source.propose(Image.new("RGB", (9, 7)))
    assert len(masks) == 0 and masks.size == (7, 9) and masks.source == "none" and source.settings == {}
