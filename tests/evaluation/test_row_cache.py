"""Rows that were worked out before are taken where everything they depend on is the same; caches stay bounded."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from tests.evaluation.small_world import ByHash, NoClip, SmallWorld, run
from zsris_viz.errors import ZsrisWarning
from zsris_viz.evaluation import Evaluation, ImageEvaluator, evaluate, evaluate_image
from zsris_viz.io.cache import DiskCache
from zsris_viz.methods.base import SceneFeatures
from zsris_viz.methods.texts import TextCache
from zsris_viz.proposals import load_proposals

VARYING = ["run_id"]


@pytest.fixture
def store(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "rows")


class Counting(ByHash):
    """Counts the expressions that it is asked about."""

    predicted = 0

    def score(self, scene: Any, text: Any) -> Any:
        Counting.predicted += 1
        return super().score(scene, text)


def counted(store: DiskCache | bool, *, salt: int = 1, label: str = "a", **options: Any) -> tuple[Evaluation, int]:
    """An evaluation, and how often the method was asked."""
    Counting.predicted = 0
    world = options.pop("dataset", SmallWorld(4))
    settings = {"clip": NoClip(), "parts": "gold", "progress": False, "reuse": store}
    found = evaluate(world, {label: Counting(salt=salt)}, **{**settings, **options})
    return found, Counting.predicted


def test_the_same_question_is_answered_once(store: DiskCache) -> None:
    first, predicted = counted(store)
    again, none = counted(store)
    assert predicted == len(first.rows) and none == 0
    for name in ("rows", "chance_rows"):  # seconds too: they are those of the first time
        pd.testing.assert_frame_equal(
            getattr(first, name).drop(columns=VARYING), getattr(again, name).drop(columns=VARYING)
        )
    renamed, none = counted(store, label="other")
    assert none == 0 and renamed.methods == ["other"] and renamed.rows["iou"].tolist() == first.rows["iou"].tolist()
    more, predicted = counted(store, dataset=SmallWorld(6))  # the missing images only
    assert predicted == len(more.rows) - len(first.rows)
    plain, _ = counted(False, dataset=SmallWorld(6))
    left_out = [*VARYING, "seconds"]
    pd.testing.assert_frame_equal(more.rows.drop(columns=left_out), plain.rows.drop(columns=left_out))


def test_methods_share_what_each_has(store: DiskCache) -> None:
    counted(store)
    Counting.predicted = 0
    methods = {"x": Counting(salt=1), "y": Counting(salt=2)}
    found = evaluate(SmallWorld(4), methods, clip=NoClip(), parts="gold", progress=False, reuse=store)
    assert Counting.predicted == len(found.rows) / 2
    assert found.rows["method"].tolist()[:2] == ["x", "y"]


class Captioned(Counting):
    """Counts like its base, and needs a captioner."""

    info = dataclasses.replace(Counting.info, name="captioned", needs=frozenset({"captions"}))


def test_a_captioner_changes_only_the_rows_of_methods_that_need_it(store: DiskCache) -> None:
    counted(store)
    Counting.predicted = 0
    methods = {"a": Counting(salt=1), "b": Captioned(salt=2)}
    options = {"clip": NoClip(), "parts": "gold", "progress": False, "reuse": store}
    found = evaluate(SmallWorld(4), methods, captioner=SimpleNamespace(name="first", settings={}), **options)
    assert Counting.predicted == len(found.rows) / 2  # the rows of "a" were there
    evaluate(SmallWorld(4), methods, captioner=SimpleNamespace(name="second", settings={}), **options)
    assert Counting.predicted == len(found.rows)  # those of "b" again, which another captioner may change


@pytest.mark.parametrize(
    "change",
    [
        {"salt": 2},
        {"clip": NoClip(seed=3)},
        {"proposals": "felzenszwalb"},
        {"preprocess": "glclip"},
        {"dataset": SmallWorld(4, seed=1)},
        {"dataset": SmallWorld(4, bare=(0, 1, 2, 3))},
    ],
)
def test_whatever_changes_the_rows_counts(store: DiskCache, change: dict) -> None:
    counted(store)
    reused, _ = counted(store, **change)
    plain, _ = counted(False, **change)
    columns = ["chosen", "iou", "n_proposals", "outcome"]
    pd.testing.assert_frame_equal(reused.rows[columns], plain.rows[columns])


def test_other_code_is_another_question(store: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    counted(store)
    monkeypatch.setattr("zsris_viz.evaluation.row_cache.rows_code", lambda: "other")
    assert counted(store)[1] > 0


def test_errors_are_not_kept(store: DiskCache) -> None:
    for _ in range(2):
        with pytest.warns(ZsrisWarning, match="no such picture"):
            found, predicted = counted(store, dataset=SmallWorld(2, bad=(0,)))
        assert (found.rows["image_id"] == "image-0").sum() == found.rows["error"].notna().sum() > 0
    assert predicted == 0  # the good image was kept


def test_it_is_off_where_caching_is_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZSRIS_CACHE", "off")
    assert counted(True)[1] == counted(True)[1] > 0
    monkeypatch.setenv("ZSRIS_CACHE", str(tmp_path))
    assert counted(True)[1] > 0 and counted(True)[1] == 0
    assert list((tmp_path / "rows").rglob("*"))


def test_with_an_output_folder(store: DiskCache, tmp_path: Path) -> None:
    first = run(tmp_path / "one", images=3, reuse=store)
    second = run(tmp_path / "two", images=3, reuse=store)
    assert second.rows["seconds"].tolist() == first.rows["seconds"].tolist()
    assert second.rows["run_id"].unique().tolist() != first.rows["run_id"].unique().tolist()


def test_features_of_an_image_go_with_it_and_text_features_are_bounded() -> None:
    scenes: list[weakref.ref[SceneFeatures]] = []
    caches: list[Any] = []

    class Texts(ByHash):
        def score(self, scene: Any, text: Any) -> Any:
            scenes.append(weakref.ref(scene))
            caches.append(scene.texts)
            scene.texts._features[text.text] = None  # as if it had been embedded
            return super().score(scene, text)

    clip = NoClip()
    texts = TextCache(clip, size=3)
    bench = ImageEvaluator(clip, load_proposals("ground-truth"), parts="gold", texts=texts)
    for index in range(6):
        evaluate_image(SmallWorld()[index], {"a": Texts(), "b": Texts(salt=2)}, bench)
        assert len(texts) == 3
    gc.collect()
    assert all(cache is texts for cache in caches)  # shared between methods, expressions and images
    assert not any(scene() for scene in scenes)
