"""Proposals kept on disk: the same masks again without the source, and every way in which the folder can fail."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.proposals.sam_files import saved_sam
from zsris_viz import evaluate, load_dataset
from zsris_viz.errors import InvalidInputError, InvalidTypeError, ZsrisWarning
from zsris_viz.io import cache as disk
from zsris_viz.masks import Masks
from zsris_viz.proposals import CachedProposals, Filtered, GroundTruth, Proposer, load_proposals


class Counting(Proposer):
    """Squares of random places, and how often it was asked."""

    name = "counting"

    def __init__(self, count: int = 3, **settings: Any) -> None:
        self.count, self.calls, self.given = count, 0, settings

    @property
    def settings(self) -> dict[str, Any]:
        return {"count": self.count, **self.given}

    def propose(self, image: Any) -> Masks:
        self.calls += 1
        rng = np.random.default_rng(self.count)
        masks = np.zeros((self.count, image.height, image.width), dtype=bool)
        for mask in masks:
            top, left = rng.integers(0, image.height - 5), rng.integers(0, image.width - 5)
            mask[top : top + 5, left : left + 5] = True
        return Masks(masks, scores=rng.random(self.count).tolist(), source=self.name)


def picture(value: int = 0) -> Image.Image:
    return Image.new("RGB", (30, 20), (value, 0, 0))


def same(first: Masks, second: Masks) -> bool:
    scores = [None if masks.scores is None else masks.scores.tolist() for masks in (first, second)]
    return torch.equal(first.data, second.data) and scores[0] == scores[1] and first.source == second.source


def test_the_second_time_the_source_is_not_asked(tmp_path: Path) -> None:
    source = Counting()
    held = CachedProposals(source, tmp_path)
    first = held.propose(picture())
    assert same(held.propose(picture()), first) and same(source.propose(picture()), first)
    again = Counting()
    assert same(CachedProposals(again, tmp_path).propose(np.asarray(picture())), first)
    assert (source.calls, again.calls) == (2, 0)
    assert (held.name, held.settings) == (source.name, source.settings)
    assert CachedProposals(held, tmp_path).proposer is source
    (entry,) = (held.store.get(path.name.split(".")[0]) for path in held.store.entries())
    assert entry["boxes"] == first.boxes.tolist() and entry["settings"] == {"count": 3} and entry["size"] == [20, 30]


def test_other_pixels_settings_and_sources_are_other_entries(tmp_path: Path) -> None:
    sources = [Counting(), Counting(), Counting(4), Counting(weights="other")]
    for source, image in zip(sources, (picture(0), picture(1), picture(0), picture(0)), strict=True):
        CachedProposals(source, tmp_path).propose(image)
    assert [source.calls for source in sources] == [1, 1, 1, 1]


def test_no_masks_and_no_scores_are_kept_too(tmp_path: Path) -> None:
    source = Counting(0)
    held = CachedProposals(source, tmp_path)
    assert same(held.propose(picture()), held.propose(picture())) and source.calls == 1
    source.propose = lambda image: Masks(np.ones((1, 20, 30), dtype=bool))  # type: ignore[method-assign]
    other = CachedProposals(source, tmp_path / "other")
    assert other.propose(picture()).scores is None and other.propose(picture()).scores is None


def test_a_damaged_entry_is_proposed_again(tmp_path: Path) -> None:
    source = Counting()
    held = CachedProposals(source, tmp_path)
    first = held.propose(picture())
    (path,) = held.store.entries()
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.warns(ZsrisWarning, match="damaged"):
        assert same(held.propose(picture()), first)
    (path,) = held.store.entries()
    key = path.name.split(".")[0]
    held.store.put(key, {**held.store.get(key), "masks": [{"size": [20, 30], "counts": "zzz"}]})
    with pytest.warns(ZsrisWarning, match="cannot be used"):
        assert same(held.propose(picture()), first)
    assert source.calls == 3 and same(held.propose(picture()), first) and source.calls == 3


def test_a_full_folder_costs_one_warning_and_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*paths: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk.os, "replace", full)
    with pytest.warns(ZsrisWarning) as caught:
        table = evaluate(
            "scenes", "cropping", proposals=CachedProposals(Counting(), tmp_path), limit=2, progress=False
        ).rows
    assert sum("cannot be written" in str(one.message) for one in caught) == 1
    monkeypatch.undo()
    expected = evaluate("scenes", "cropping", proposals=Counting(), limit=2, progress=False).rows
    assert table["iou"].tolist() == expected["iou"].tolist() and table["error"].isna().all()


def test_it_is_bounded(tmp_path: Path) -> None:
    held = CachedProposals(Counting(), tmp_path, max_bytes=3000)
    for value in range(40):
        held.propose(picture(value))
    assert 0 < sum(path.stat().st_size for path in held.store.entries()) <= 3000
    with pytest.raises(InvalidInputError, match="max_bytes"):
        CachedProposals(Counting(), tmp_path, max_bytes=0)


def test_sources_that_know_the_sample_are_asked_each_time(tmp_path: Path) -> None:
    sample = load_dataset("scenes", "val", size=64)[0]
    for source in (GroundTruth(), Filtered(GroundTruth(), min_area=0)):
        held = CachedProposals(source, tmp_path)
        assert torch.equal(held.propose_for(sample).data, source.propose_for(sample).data)
    assert not list(tmp_path.iterdir())
    inner = Counting()
    held = CachedProposals(Filtered(inner), tmp_path)
    assert same(held.propose_for(sample), held.propose_for(sample)) and inner.calls == 1
    assert held.propose_for(sample).source == "counting+filter"


def test_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZSRIS_CACHE", str(tmp_path))
    file = f"sam:{saved_sam(tmp_path)}"
    wrapped = load_proposals(file)
    assert isinstance(wrapped, CachedProposals) and wrapped.store.folder == tmp_path / "proposals"
    assert load_proposals(file, cache=tmp_path / "mine").store.folder == tmp_path / "mine"
    assert load_proposals(file, cache=False).name == "sam:" + file.rsplit("/", 1)[-1]
    assert not isinstance(load_proposals(file, cache=False), CachedProposals)
    assert not isinstance(load_proposals("felzenszwalb"), CachedProposals)
    assert isinstance(load_proposals("felzenszwalb", cache=True), CachedProposals)
    monkeypatch.setenv("ZSRIS_CACHE", "off")
    assert load_proposals(file).store is None
    with pytest.raises(InvalidTypeError, match="already loaded; give cache"):
        load_proposals(wrapped, cache=False)


RUN = """
import sys
from zsris_viz import load_dataset
from zsris_viz.proposals import CachedProposals, load_proposals
source = load_proposals("felzenszwalb", side=48, cache=sys.argv[1])
data = load_dataset("scenes", "val", size=48)
for index in range(6):
    source.propose_for(data[index])
print(source.store.hits, source.store.misses)
"""


def test_two_runs_at_once(tmp_path: Path) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-W", "error::UserWarning", "-c", RUN, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert all(run.wait(timeout=120) == 0 for run in runs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = load_proposals("felzenszwalb", side=48, cache=tmp_path)
        data = load_dataset("scenes", "val", size=48)
        for index in range(6):
            kept = source.propose_for(data[index])
            assert same(kept, load_proposals("felzenszwalb", side=48).propose_for(data[index]))
    assert source.store.hits == 6
