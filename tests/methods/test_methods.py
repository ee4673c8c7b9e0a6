"""The interface that all methods share: registry, presets, settings, parts of an expression, rankings, clean hooks."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from tests.methods.conftest import PHRASE, SENTENCE
from zsris_viz.datasets.types import Expression
from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.masks import Masks
from zsris_viz.methods import (
    Prediction,
    Ranking,
    RankingMethod,
    SceneFeatures,
    get_method,
    list_methods,
    method_names,
)
from zsris_viz.methods.global_local import GlobalLocal
from zsris_viz.methods.vit_forward import second_path

GOLD = Expression(SENTENCE, "1", noun_phrase="the small cat", head="cat", direction="left")


class RecordingParser:
    """Finds the last word to be the noun phrase, and remembers what it was asked."""

    def __init__(self):
        self.parsed = []

    def parse(self, text):
        self.parsed.append(text)
        words = text.replace("'s", " 's").split()
        return SimpleNamespace(noun_phrase=words[-1], tokens=[SimpleNamespace(text=word) for word in words])


def test_registry():
    infos = list_methods()
    assert [info.name for info in infos] == method_names()
    assert {"global-local", "cropping", "grad-cam", "score-map", "clip-surgery", "region-token"} <= set(method_names())
    for info in infos:
        method = get_method(info.name)
        assert method.name == info.name and method.preset == "default" and tuple(method.presets) == info.presets
        assert (
            dataclasses.is_dataclass(method.config)
            and set(info.towers) <= {"vit", "rn"}
            and info.paper
            and info.summary
        )
        with pytest.raises(dataclasses.FrozenInstanceError):
            method.config.preprocess = "clip"


def test_listing_names_imports_nothing_heavy():
    code = "import sys, zsris_viz.methods as m; m.method_names(); print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )


def test_unknown_names_and_settings_say_what_exists():
    with pytest.raises(InvalidInputError, match="global-local"):
        get_method("global")
    with pytest.raises(InvalidInputError, match="default, official"):
        get_method("global-local", "best")
    with pytest.raises(InvalidTypeError, match="alpha"):
        get_method("global-local", gamma=1)
    for wrong in ({"alpha": 1.5}, {"beta": -0.1}, {"visual": "both"}, {"mixing": "x"}):
        with pytest.raises(InvalidInputError, match=next(iter(wrong))):
            get_method("global-local", **wrong)
    with pytest.raises(InvalidInputError, match="fill"):
        get_method("global-local", crop={"fill": "pink"})
    for name, wrong in (
        ("cropping", {"text": "verb"}),
        ("grad-cam", {"sign": 2}),
        ("clip-surgery", {"normalise": "x"}),
        ("clip-surgery", {"templates": ("no place",)}),
        ("region-token", {"membership": "x"}),
    ):
        with pytest.raises(InvalidInputError, match=next(iter(wrong))):
            get_method(name, **wrong)
    with pytest.raises(InvalidInputError, match="others"):
        get_method("clip-surgery", others="a bus")
    changed = get_method("cropping", "official", crop={"fill": "black"}).config.crop
    assert (changed.fill, changed.box) == ("black", "freesolo")


def test_alpha_of_the_datasets():
    assert [
        GlobalLocal.for_dataset(name).config.alpha
        for name in ("refcoco", "refcoco+", "refcocog", "RefCOCOg", "phrasecut")
    ] == [
        0.95,
        0.95,
        0.85,
        0.85,
        0.95,
    ]
    method = GlobalLocal.for_dataset("refcocog", "official", beta=0.3)
    assert (method.config.alpha, method.config.beta, method.config.mixing) == (0.85, 0.3, "official")
    assert GlobalLocal.for_dataset("refcocog", alpha=0.2).config.alpha == 0.2


def test_gold_parts_are_not_used_silently(vit, image, masks):
    parser = RecordingParser()
    scene = SceneFeatures(image, masks, vit.clip, parser=parser)
    method = get_method("global-local")
    assert method.predict(scene, GOLD).evidence["noun_phrase"] == "bus"
    assert parser.parsed == [SENTENCE]
    assert method.predict(scene, GOLD, parts="gold").evidence["noun_phrase"] == "the small cat"
    assert method.predict(scene, GOLD, noun_phrase="cat").evidence["noun_phrase"] == "cat"
    assert method.predict(scene, GOLD, parts="gold", noun_phrase="cat").evidence["noun_phrase"] == "cat"
    assert parser.parsed == [SENTENCE]
    assert method.predict_many(scene, [GOLD], parts="gold")[0].evidence["noun_phrase"] == "the small cat"


def test_a_gold_expression_without_noun_phrase_is_parsed(vit, image, masks):
    scene = SceneFeatures(image, masks, vit.clip, parser=RecordingParser())
    assert (
        get_method("global-local").predict(scene, Expression("a cat", "1"), parts="gold").evidence["noun_phrase"]
        == "cat"
    )


def test_no_parser_is_asked_where_none_is_needed(vit, image, masks):
    parser = RecordingParser()
    scene = SceneFeatures(image, masks, vit.clip, parser=parser)
    get_method("global-local", textual="global").predict(scene, SENTENCE)
    get_method("global-local", "official", textual="global").predict(scene, SENTENCE)
    for name in ("cropping", "score-map", "clip-surgery", "region-token", "grad-cam"):
        get_method(name).predict(scene, SENTENCE)
    assert parser.parsed == []
    get_method("cropping", text="noun-phrase").predict(scene, SENTENCE)
    assert parser.parsed == [SENTENCE]


def test_official_text_is_split_and_lowered_before_it_is_parsed(vit, image, masks):
    parser = RecordingParser()
    scene = SceneFeatures(image, masks, vit.clip, parser=parser)
    evidence = get_method("global-local", "official").predict(scene, "The man's  Cat").evidence
    assert (evidence["sentence"], evidence["noun_phrase"]) == ("the man 's cat", "cat")
    given = get_method("global-local", "official").predict(scene, "The man's Cat", noun_phrase="Cat").evidence
    assert (given["sentence"], given["noun_phrase"]) == ("The man's Cat", "Cat")


def test_bad_expressions(vit, image, masks):
    scene = SceneFeatures(image, masks, vit.clip)
    method = get_method("cropping")
    for empty in ("", "  \n"):
        with pytest.raises(InvalidInputError, match="empty"):
            method.predict(scene, empty)
    with pytest.raises(InvalidTypeError, match="int"):
        method.predict(scene, 7)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="noun_phrase"):
        method.predict(scene, SENTENCE, noun="cat")
    with pytest.raises(InvalidInputError, match="gold"):
        method.predict(scene, SENTENCE, parts="gold")
    with pytest.raises(InvalidInputError, match="parser, gold"):
        method.predict(scene, GOLD, parts="best")
    with pytest.raises(InvalidInputError, match="noun_phrase"):
        get_method("global-local").predict(scene, SENTENCE, noun_phrase=" ")
    with pytest.warns(UserWarning, match="lost"):
        assert method.predict(scene, "cat " * 500).chosen is not None
    for odd in ("12 34", "🐱🐱", "左边的猫", "the of in"):
        assert torch.isfinite(method.predict(scene, odd).scores[:3]).all()


def test_a_method_says_which_towers_it_needs(rn, image, masks):
    scene = SceneFeatures(image, masks, rn.clip)
    for name in ("hybridgl", "region-token"):
        with pytest.raises(UnavailableError, match="vit"):
            get_method(name).predict(scene, SENTENCE)
    with pytest.raises(UnavailableError, match="attention pooling"):
        get_method("global-local", masked_blocks=3).predict(scene, SENTENCE, noun_phrase=PHRASE)


def test_settings_that_do_not_fit_the_tower(vit, image, masks):
    scene = SceneFeatures(image, masks, vit.clip)
    with pytest.raises(InvalidInputError, match="depth=9"):
        get_method("clip-surgery", depth=9).predict(scene, SENTENCE)
    with pytest.raises(InvalidInputError, match="size=70"):
        get_method("clip-surgery", size=70).predict(scene, SENTENCE)
    with pytest.raises(InvalidInputError, match="block=4"):
        get_method("grad-cam", block=4).predict(scene, SENTENCE)


def test_second_path_takes_six_blocks_or_all_of_a_small_tower(vit):
    layers = [torch.randn(1, 17, 128, generator=torch.Generator().manual_seed(number)) for number in range(5)]

    def path(depth):
        return second_path(vit.clip, layers, depth, lambda query, key, value, normed: value)

    torch.testing.assert_close(path(None), path(4))
    assert not torch.allclose(path(None), path(2))


def hooks(clip) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in clip.model.modules() for kind in kinds)


def test_grad_cam_leaves_no_hook_and_no_gradient_behind(vit, image, masks, monkeypatch):
    scene = SceneFeatures(image, masks, vit.clip)
    method = get_method("grad-cam")

    def clean() -> bool:
        return hooks(vit.clip) == 0 and all(p.grad is None and not p.requires_grad for p in vit.clip.model.parameters())

    method.predict(scene, SENTENCE)
    assert clean()
    with torch.inference_mode():
        inside = method.predict(scene, SENTENCE)
    torch.testing.assert_close(inside.scores, method.predict(scene, SENTENCE).scores)
    with pytest.raises(InvalidInputError):
        get_method("grad-cam", block=17).predict(scene, SENTENCE)
    assert clean()

    def fail(*arguments, **options):
        raise RuntimeError("inside the model")

    with monkeypatch.context() as patch:
        patch.setattr(vit.clip, "project", fail)
        patch.setattr(vit.clip, "_project", fail)
        with pytest.raises(RuntimeError, match="inside the model"):
            method.predict(scene, SENTENCE)
    assert clean()


def test_ranking():
    mask = torch.ones(2, 3, dtype=torch.bool)
    common = {"mask": mask, "method": "cropping", "expression": "a cat"}
    ranking = Ranking(**common, scores=torch.tensor([0.1, 0.3, 0.3, -torch.inf]), chosen=1)
    assert ranking.order == [1, 2, 0, 3]
    assert ranking.top(2) == [(1, pytest.approx(0.3)), (2, pytest.approx(0.3))]
    assert "mask 1 of 4" in repr(ranking) and ranking.rank(Masks(mask[None])) is ranking
    drawn = Prediction(**common).rank(Masks(torch.stack([mask, torch.tensor([[True] * 3, [False] * 3]), ~mask])))
    assert drawn.scores.tolist() == [1.0, 0.5, -torch.inf] and drawn.chosen is None and drawn.mask is mask


def test_scores_that_are_no_numbers_are_an_error(vit, image, masks):
    class Broken(RankingMethod):
        info = dataclasses.replace(get_method("cropping").info, name="broken", presets=("default",))

        def score(self, scene, text):
            return torch.full((len(scene),), torch.nan), {}

    with pytest.raises(InvalidInputError, match="finite"):
        Broken().predict(SceneFeatures(image, masks, vit.clip), SENTENCE)


def test_a_method_of_ones_own(vit, image, masks):
    """What a user writes: an info and `score`."""

    class Largest(RankingMethod):
        info = dataclasses.replace(get_method("cropping").info, name="largest", presets=("default",))

        def score(self, scene, text):
            return scene.masks.areas.float(), {}

    answer = Largest().predict(SceneFeatures(image, masks, vit.clip), SENTENCE)
    assert answer.chosen == 2 and torch.equal(answer.mask, masks[2]) and answer.seconds > 0
