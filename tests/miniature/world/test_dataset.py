"""The drawn benchmark: the same everywhere, split by what is referred to, and clear about bad arguments."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from zsris_viz.datasets.types import Dataset, Sample
from zsris_viz.errors import InvalidInputError, InvalidTypeError, ZsrisError
from zsris_viz.miniature.world import sampling as plan_module
from zsris_viz.miniature.world.dataset import Scenes
from zsris_viz.miniature.world.distinguishing import LEAST_VISIBLE, STYLES
from zsris_viz.miniature.world.layout import SceneLayout, SceneObject
from zsris_viz.miniature.world.render import render
from zsris_viz.miniature.world.sampling import SPLITS, generate_expressions, plan_scene, scene_seed
from zsris_viz.miniature.world.sprites import sprite_of
from zsris_viz.miniature.world.visibility import visible_shares
from zsris_viz.miniature.world.words import PEOPLE

DIGEST = """
import hashlib
from zsris_viz.miniature.world.dataset import Scenes
d = Scenes("val", size=64)
h = hashlib.sha256()
for i in (0, 7, 499):
    s = d[i]
    h.update(s.image.tobytes())
    for r, e in s.pairs():
        h.update(repr((r.ref_id, r.category, r.distractors, e)).encode() + r.mask.tobytes())
    h.update(repr(s.captions).encode())
print(h.hexdigest())
"""


def texts(sample: Sample) -> list[str]:
    return [str(expression) for _, expression in sample.pairs()]


def test_is_a_dataset() -> None:
    data = Scenes("val", limit=3, size=64)
    assert isinstance(data, Dataset)
    assert (data.name, data.split, data.split_by, len(data)) == ("scenes", "val", "mini", 3)
    assert len(list(data)) == 3


def test_sample() -> None:
    sample = Scenes("val", size=112)[5]
    assert sample.image_id == "scenes-val-000005"
    assert sample.image.mode == "RGB"
    assert sample.image.size == (112, 112) and sample.size == (112, 112)
    assert sample.instances is not None and len(sample.instances) >= 2
    assert 1 <= len(sample.references) <= 3
    assert len(sample.captions) == 2
    for reference in sample.references:
        assert 1 <= len(reference.expressions) <= 3
        assert reference.mask.shape == (112, 112) and reference.mask.dtype == bool and reference.mask.any()
        own = int(reference.ref_id.rsplit("-", 1)[1])
        assert np.array_equal(sample.instances.data[own].numpy(), reference.mask)
        for expression in reference.expressions:
            assert expression.sentence_id.startswith(reference.ref_id)
            assert (expression.kind == "noun") == (reference.distractors == 0)


def test_same_in_every_process() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "1"}
    command = [sys.executable, "-c", DIGEST]
    there = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    here = io.StringIO()
    with contextlib.redirect_stdout(here):
        exec(DIGEST, {})
    assert there == here.getvalue() != ""


def test_order_of_access_does_not_matter() -> None:
    forwards, backwards = Scenes("val", size=32), Scenes("val", size=32)
    for index in range(6):
        forwards[index]
    assert texts(backwards[5]) == texts(forwards[5])
    assert backwards[2].image.tobytes() == forwards[2].image.tobytes()


def test_splits_share_no_seed() -> None:
    seeds = [
        scene_seed(split, index, f"layout/{attempt}")
        for split in SPLITS
        for index in range(500)
        for attempt in range(3)
    ]
    assert len(set(seeds)) == len(seeds)
    first = {split: Scenes(split, size=32)[0].image.tobytes() for split in SPLITS}
    assert len(set(first.values())) == len(SPLITS)


def test_version_changes_every_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = scene_seed("val", 0)
    monkeypatch.setattr(plan_module, "VERSION", plan_module.VERSION + 1)
    assert scene_seed("val", 0) != before


@pytest.mark.parametrize(("split", "people"), [("testA", True), ("testB", False)])
def test_people_and_other_things(split: str, people: bool) -> None:
    for index in range(80):
        plan = plan_scene(split, index)
        for target, _ in generate_expressions(plan, "mixed"):
            assert (plan.layout.objects[target].noun in PEOPLE) == people


@pytest.mark.parametrize("style", STYLES)
def test_one_style(style: str) -> None:
    data = Scenes("val", style=style)
    for index in range(60):
        found = data.expressions_of(index)
        assert found
        assert {one.style for _, described in found for one in described} == {style}
        assert data.layout(index) == Scenes("val").layout(index)


def test_shares_of_kinds() -> None:
    counts: Counter[str] = Counter()
    for index in range(200):
        for _, described in generate_expressions(plan_scene("val", index), "mixed"):
            counts.update(one.kind for one in described)
    shares = {kind: count / counts.total() for kind, count in counts.items()}
    wanted = {"noun": 0.25, "colour": 0.25, "size": 0.15, "position": 0.17, "relation": 0.10, "ordinal": 0.08}
    for kind, share in wanted.items():
        assert abs(shares[kind] - share) < 0.06, shares


def test_what_is_referred_to_is_in_sight() -> None:
    for index in range(100):
        plan = plan_scene("train", index)
        _, masks = render(plan.layout, 112)
        whole = [
            int((sprite_of(item, round(item.extent * 112))[1][..., 0] > 0.5).sum()) for item in plan.layout.objects
        ]
        seen = masks.sum((1, 2)) / np.array(whole)
        assert np.allclose(plan.visible, seen)
        assert all(seen[target] >= LEAST_VISIBLE for target, _ in generate_expressions(plan, "mixed"))


def test_hidden_share() -> None:
    front = SceneObject("ball", "red", "big", (0.5, 0.5), 0.4, False, None, 0)
    behind = SceneObject("ball", "blue", "small", (0.5, 0.5), 0.2, False, None, 0)
    assert visible_shares(SceneLayout((behind, front), 0, 0)).tolist() == [0.0, 1.0]
    assert visible_shares(SceneLayout((front, behind), 0, 0))[0] < 1


def test_expressions_do_not_depend_on_the_size() -> None:
    assert texts(Scenes("test", size=32)[3]) == texts(Scenes("test", size=96)[3])


def test_pickles() -> None:
    data = Scenes("testB", limit=4, size=32, style="refcocog")
    data[1]
    copy = pickle.loads(pickle.dumps(data))
    assert len(copy) == 4
    assert texts(copy[1]) == texts(data[1])


def test_keeps_only_a_few() -> None:
    data = Scenes("val", size=16)
    first = data[0]
    assert data[0] is first
    for index in range(1, 20):
        data[index]
    assert data[0] is not first


def test_negative_and_numpy_indices() -> None:
    data = Scenes("val", limit=5, size=32)
    assert data[-1].image_id == data[np.int64(4)].image_id == "scenes-val-000004"


@pytest.mark.parametrize(
    "arguments",
    [
        {"split": "valid"},
        {"split": "val", "size": 15},
        {"split": "val", "size": 64.0},
        {"split": "val", "style": "refcoco++"},
        {"split": "val", "limit": 0},
        {"split": "val", "limit": True},
    ],
)
def test_bad_arguments(arguments: dict) -> None:
    with pytest.raises(InvalidInputError):
        Scenes(**arguments)


def test_unknown_split_is_told_the_known_ones() -> None:
    with pytest.raises(ZsrisError, match="testA"):
        Scenes("testC")


@pytest.mark.parametrize("index", [5, -6, 10**9])
def test_index_out_of_range(index: int) -> None:
    with pytest.raises(ZsrisError, match="0 to 4") as caught:
        Scenes("val", limit=5, size=16)[index]
    assert isinstance(caught.value, IndexError)


@pytest.mark.parametrize("index", ["0", 1.0, None, True])
def test_index_that_is_no_number(index: object) -> None:
    with pytest.raises(InvalidTypeError):
        Scenes("val", limit=5, size=16)[index]  # type: ignore[index]
