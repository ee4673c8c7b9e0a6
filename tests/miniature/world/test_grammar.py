"""Expressions of the drawn world: true, unambiguous, in known words, and of the kind they claim."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from zsris_viz.errors import InvalidInputError, ZsrisError
from zsris_viz.miniature.world.distinguishing import KINDS, STYLES, is_position
from zsris_viz.miniature.world.grammar import SceneExpression, expressions, gold_examples
from zsris_viz.miniature.world.layout import SceneLayout, SceneObject, sample_layout
from zsris_viz.miniature.world.predicates import (
    Closest,
    Colour,
    Corner,
    Extent,
    Form,
    Half,
    Ordinal,
    Outermost,
    Relation,
    Size,
)
from zsris_viz.miniature.world.semantics import SceneSemantics, denotes, same_noun
from zsris_viz.miniature.world.words import DIRECTIONS, PEOPLE, names_of, vocabulary

SCENES = 2000
FACTS_OF_KIND = {
    "colour": (Colour,),
    "size": (Size, Extent),
    "position": (Half, Corner, Outermost),
    "relation": (Relation, Closest),
    "ordinal": (Ordinal,),
}


@cache
def samples() -> list[tuple[SceneLayout, SceneExpression]]:
    """An expression of every possible kind for one object of each scene, the styles in turn."""
    rng = np.random.default_rng(7)
    found = []
    for seed in range(SCENES):
        layout = sample_layout(seed, same_noun=0.7)
        target = int(rng.integers(len(layout.objects)))
        for one in expressions(layout, target, style=STYLES[seed % 3], rng=rng):
            found.append((layout, one))
    return found


def item(noun: str, x: float, y: float = 0.5, *, colour: str = "red", size: str = "small") -> SceneObject:
    extent = 0.2 if size == "small" else 0.36
    clothes = "shirt" if noun in PEOPLE else None
    return SceneObject(noun, colour, size, (x, y), extent, False, clothes, 0)


def scene(*objects: SceneObject) -> SceneLayout:
    return SceneLayout(objects, 0, 0)


def test_every_expression_fits_its_target_and_nothing_else() -> None:
    for layout, one in samples():
        assert denotes(layout, one.form) == {one.target}, one.text


def test_every_kind_and_style_occurs() -> None:
    seen = {(one.style, one.kind) for _, one in samples()}
    assert seen == {(style, kind) for style in STYLES for kind in KINDS} - {
        ("refcoco+", "position"),
        ("refcoco+", "ordinal"),
    }


def test_kind_is_what_is_needed() -> None:
    for layout, one in samples():
        rivals = same_noun(layout, one.target)
        if one.kind == "noun":
            assert not rivals, one.text
            continue
        assert rivals, one.text
        judge = SceneSemantics(layout)
        needed = [fact for fact in one.form.facts if isinstance(fact, FACTS_OF_KIND[one.kind])]
        noun = layout.objects[one.target].noun
        assert any(judge.only(Form(noun, (fact,)), one.target) for fact in needed), one.text


def test_without_its_core_an_expression_is_ambiguous() -> None:
    for layout, one in samples():
        if one.kind == "noun":
            continue
        judge = SceneSemantics(layout)
        noun = layout.objects[one.target].noun
        needed = [fact for fact in one.form.facts if judge.only(Form(noun, (fact,)), one.target)]
        assert len(needed) == 1, one.text
        rest = one.form.without(needed)
        assert any(judge.fits(rest.facts, rival) for rival in same_noun(layout, one.target)), one.text


def test_only_known_words() -> None:
    known = set(vocabulary())
    for _, one in samples():
        assert set(one.text.split(" ")) <= known, one.text


def test_refcoco_plus_has_no_directions() -> None:
    words = {word for group in DIRECTIONS.values() for word in group} | {"above", "below", "over", "under", "beneath"}
    for _, one in samples():
        if one.style == "refcoco+":
            assert not words & set(one.text.split()), one.text
            assert not any(is_position(fact) for fact in one.form.facts)


def test_directions_are_said() -> None:
    for _, one in samples():
        words = one.text.split()
        for direction in (one.direction or "").split():
            assert any(word in words for word in DIRECTIONS[direction]), one.text
        if one.kind == "position":
            assert one.direction
        if one.kind == "ordinal":
            assert one.direction is None


def test_relation_comes_with_its_object() -> None:
    for _, one in samples():
        assert (one.relation is None) == (one.relation_object is None)
        if one.relation_object:
            assert one.relation_object in one.text
        if one.kind == "relation":
            assert one.relation


def test_no_other_object_is_named_twice() -> None:
    for _, one in samples():
        others = [fact.other for fact in one.form.facts if isinstance(fact, Relation | Closest)]
        assert len(others) == len(set(others)), one.text


def test_ambiguous_synonym_is_not_used() -> None:
    rng = np.random.default_rng(0)
    layout = scene(item("boy", 0.2), item("girl", 0.8))
    heads = {expressions(layout, 0, style="refcoco", rng=rng)[0].head for _ in range(60)}
    assert heads == {"boy"}
    alone = {expressions(scene(item("boy", 0.2)), 0, style="refcoco", rng=rng)[0].head for _ in range(60)}
    assert alone == set(names_of("boy"))


def test_colour_of_people_is_that_of_their_clothes() -> None:
    for layout, one in samples():
        shown = layout.objects[one.target]
        if shown.is_person and any(isinstance(fact, Colour) for fact in one.form.facts):
            assert shown.colour in one.text.split()
            before = one.noun_phrase.split()
            assert shown.colour not in before or shown.clothes in before, one.text


def test_long_style_is_longer() -> None:
    lengths = {
        style: np.mean([len(one.text.split()) for _, one in samples() if one.style == style]) for style in STYLES
    }
    assert lengths["refcocog"] > 6 > 5 > lengths["refcoco"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ((Outermost("left"),), {0}),
        ((Outermost("right"),), {2}),
        ((Outermost("middle"),), {1}),
        ((Ordinal(2, "left"),), {1}),
        ((Ordinal(1, "right"),), {2}),
        ((Half("left"),), {0}),
        ((Half("middle"),), {1}),
        ((Colour("red"),), {0, 1}),
        ((Size("big"),), {2}),
        ((Extent("big"),), {2}),
        ((Relation("left", Form("car")),), {0, 1, 2}),
        ((Relation("right", Form("car")),), set()),
        ((Relation("near", Form("car")),), {2}),
        ((Closest(Form("car")),), {2}),
        ((Relation("bigger", Form("car")),), {2}),
        ((Relation("left", None),), set()),
    ],
)
def test_denotes(facts: tuple, expected: set[int]) -> None:
    last = item("cat", 0.75, colour="blue", size="big")
    layout = scene(item("cat", 0.1), item("cat", 0.56), last, item("car", 0.98, 0.55))
    assert denotes(layout, Form("cat", facts)) == expected
    assert denotes(layout, Form("kitten", facts)) == expected


def test_close_calls_denote_nothing() -> None:
    layout = scene(item("cat", 0.2), item("cat", 0.23, 0.9))
    assert denotes(layout, Form("cat", (Outermost("left"),))) == frozenset()
    assert denotes(layout, Form("cat", (Ordinal(1, "left"),))) == frozenset()
    assert denotes(layout, Form("cat", (Outermost("top"),))) == frozenset()  # y is 0.5: in neither half
    assert denotes(layout, Form("cat", (Outermost("bottom"),))) == {1}


def test_hidden_objects_are_not_referred_to() -> None:
    layout = scene(item("cat", 0.1), item("cat", 0.5), item("cat", 0.9))
    rng = np.random.default_rng(0)
    assert expressions(layout, 0, style="refcoco", rng=rng, visible=[0.3, 1, 1]) == []
    kinds = {one.kind for one in expressions(layout, 1, style="refcoco", rng=rng, visible=[0.3, 1, 1])}
    assert "ordinal" not in kinds
    assert "ordinal" in {one.kind for one in expressions(layout, 1, style="refcoco", rng=rng)}


def test_same_seed_same_examples() -> None:
    assert list(gold_examples(3, 50)) == list(gold_examples(3, 50))
    assert list(gold_examples(3, 50)) != list(gold_examples(4, 50))
    assert len(list(gold_examples(0, 17, "refcocog"))) == 17


@pytest.mark.parametrize(
    "arguments",
    [{"style": "refcoco++"}, {"style": "refcoco", "kinds": ("color",)}, {"style": "refcoco", "target": 2}],
)
def test_bad_input(arguments: dict) -> None:
    target = arguments.pop("target", 0)
    with pytest.raises(InvalidInputError):
        expressions(scene(item("cat", 0.5)), target, rng=np.random.default_rng(0), **arguments)


def test_unknown_style_of_examples() -> None:
    with pytest.raises(ZsrisError, match="refcocog"):
        next(gold_examples(0, 1, "phrasecut"))
