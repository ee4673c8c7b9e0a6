"""Proposals at a bounded working size: sizes, agreement with the full size, and peak memory in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zsris_viz.errors import InvalidInputError
from zsris_viz.masks import Masks
from zsris_viz.proposals import load_proposals
from zsris_viz.proposals.base import Proposer
from zsris_viz.proposals.filtered import Filtered
from zsris_viz.proposals.working_size import enlarge, propose_at_working_size

GROWTH = """
import resource, torch
from zsris_viz.masks import Masks
from zsris_viz.proposals.filter import filter_overlaps

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

data = torch.zeros({count}, {height}, {width}, dtype=torch.bool)
for number, mask in enumerate(data):
    mask[number : number + {height} // 2, : {width} // 2] = True
masks = Masks(data)
torch.rand(64, 64) @ torch.rand(64, 64)
before = peak()
filter_overlaps(masks)
masks.boxes, masks.centroids, masks.coverage, masks.iou(), masks.to_grid(14, 14)
print(peak() - before)
"""


class Checked(Proposer):
    """Proposes two nested squares in the middle, in proportion to the image, and records the size of each image."""

    name = "checked"

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    @property
    def settings(self) -> dict[str, object]:
        return {}

    def propose(self, image: object) -> Masks:
        assert isinstance(image, Image.Image)
        self.sizes.append(image.size)
        data = torch.zeros(2, image.height, image.width, dtype=torch.bool)
        for mask, part in zip(data, (4, 8), strict=True):
            mask[: image.height // part, : image.width // part] = True
        return Masks(data, scores=[0.9, 0.8], source=self.name)


def growth_in_megabytes(count: int, height: int, width: int) -> float:
    script = GROWTH.format(count=count, height=height, width=width)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_derived_quantities_take_little_beside_the_masks() -> None:
    # 64 MB of masks; a sum that widens them to int64 takes 512 MB, a copy 64 MB
    assert growth_in_megabytes(64, 1000, 1000) < 180


@pytest.mark.slow
def test_two_hundred_masks_of_twelve_megapixels_are_filtered_in_a_gigabyte() -> None:
    assert growth_in_megabytes(200, 3000, 4000) < 1000


@pytest.mark.slow
def test_a_photograph_of_twelve_megapixels(tmp_path: Path) -> None:
    bench = Path(__file__).parents[1] / "benchmarks" / "bench_photograph.py"
    done = subprocess.run([sys.executable, str(bench)], capture_output=True, text=True, check=True, cwd=tmp_path)
    _, *rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]  # the first is the table's head
    peaks = [float(row.split("|")[2]) for row in rows]
    assert len(peaks) == 4 and max(peaks) < 1500


def test_the_working_size() -> None:
    source = Checked()
    working, masks = propose_at_working_size(Image.new("RGB", (4000, 3000)), source)
    assert working.size == (1024, 768) and masks.size == (768, 1024) and source.sizes == [(1024, 768)]
    working, masks = propose_at_working_size(Image.new("RGB", (400, 300)), source)
    assert working.size == (400, 300) and masks.size == (300, 400)
    working, masks = propose_at_working_size(Image.new("RGB", (2000, 100)), source, max_side=None)
    assert masks.size == (100, 2000)
    with pytest.raises(InvalidInputError, match="max_side=8"):
        propose_at_working_size(Image.new("RGB", (40, 30)), source, max_side=8)


def test_given_masks_keep_their_size() -> None:
    mask = np.zeros((30, 2000), dtype=bool)
    working, masks = propose_at_working_size(Image.new("RGB", (2000, 30)), [mask])
    assert working.size == (2000, 30) and masks.size == (30, 2000)
    with pytest.raises(InvalidInputError, match="is needed"):
        propose_at_working_size(Image.new("RGB", (30, 30)), [mask])


def test_the_filter_works_at_the_working_size() -> None:
    source = Checked()
    photograph = Image.new("RGB", (2048, 1024))
    kept = Filtered(source).propose(photograph)
    assert source.sizes == [(1024, 512)]
    assert kept.size == (1024, 2048) and len(kept) == 1 and int(kept.areas[0]) == 512 * 256
    # an area is one of the whole image: the larger square has 512 x 256 of its pixels
    assert len(Filtered(source, min_area=512 * 256).propose(photograph)) == 1
    assert len(Filtered(source, min_area=512 * 256 + 8).propose(photograph)) == 0


def test_enlarging_in_parts_equals_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = torch.rand(5, 7, 9) > 0.5
    whole = enlarge(masks, 21, 40)
    monkeypatch.setattr("zsris_viz.proposals.working_size.FLOAT_PIXELS", 1)
    assert torch.equal(enlarge(masks, 21, 40), whole)
    assert enlarge(masks, 7, 9) is masks


def test_sam_takes_as_many_points_as_fit() -> None:
    sam = load_proposals("sam", cache=False)
    assert 1 <= sam.batch_of((1024, 1024)) < sam.batch_of((112, 112)) <= 64
