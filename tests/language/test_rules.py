"""The rules on trees that need no model: those of the drawn world, and some written by hand."""

from __future__ import annotations

import json

import pytest

from tests.language.trees import read, read_gold, tokens
from zsris_viz.language.lexicon import is_ordinal
from zsris_viz.language.parse import read_tree
from zsris_viz.language.tree_repair import split_run_together
from zsris_viz.miniature.world.grammar import gold_examples


@pytest.mark.parametrize("style", ["refcoco", "refcoco+", "refcocog"])
def test_every_part_of_a_gold_tree_is_found(style: str) -> None:
    for tree, noun_phrase, head, context, direction, relation in gold_examples(11, 150, style):
        parse = read_gold(tree)
        found = (parse.noun_phrase, parse.head, parse.context_tokens, parse.direction, parse.relation)
        assert found == (noun_phrase, head, context, direction, relation), tree.text


def test_the_phrase_with_the_root_is_chosen_and_what_follows_the_head_is_left_out() -> None:
    parse = read("left/JJ/ADJ/amod/1 guy/NN/NOUN/ROOT/1 red/JJ/ADJ/amod/3 shirt/NN/NOUN/appos/1")
    assert (parse.noun_phrase, parse.head, parse.direction) == ("left guy", "guy", "left")
    assert parse.other_noun_phrases == ("red shirt",)


def test_where_the_root_is_in_no_phrase_its_first_child_that_is_one_counts() -> None:
    parse = read(
        "there/EX/PRON/expl/1 is/VBZ/VERB/ROOT/1 a/DT/DET/det/3 cow/NN/NOUN/attr/1 behind/IN/ADP/prep/3 "
        "the/DT/DET/det/6 fence/NN/NOUN/pobj/4"
    )
    assert (parse.noun_phrase, parse.head) == ("a cow", "cow")
    assert (parse.relation, parse.relation_object) == ("behind", "the fence")


def test_without_any_phrase_the_whole_expression_counts() -> None:
    parse = read("2nd/JJ/ADJ/ROOT/0 from/IN/ADP/prep/0 right/NN/NOUN/pobj/1")
    assert (parse.noun_phrase, parse.head) == ("2nd from right", "2nd")
    assert parse.ordinals == ("2nd",)
    assert parse.direction is None  # counted from a side: the second need not be in the right half
    assert parse.context_tokens == ("from", "right")


@pytest.mark.parametrize(
    ("rows", "direction"),
    [
        ("top/JJ/ADJ/amod/2 left/JJ/ADJ/amod/2 pizza/NN/NOUN/ROOT/2", "top left"),
        ("lower/JJ/ADJ/amod/2 right/JJ/ADJ/amod/2 cup/NN/NOUN/ROOT/2", "bottom right"),
        ("cow/NN/NOUN/ROOT/0 far/RB/ADV/advmod/2 left/NN/NOUN/npadvmod/0", "left"),
        ("far/RB/ADV/advmod/1 right/NN/NOUN/ROOT/1", "right"),
        ("kid/NN/NOUN/ROOT/0 in/IN/ADP/prep/0 the/DT/DET/det/3 center/NN/NOUN/pobj/1", "middle"),
        ("man/NN/NOUN/ROOT/0 sitting/VBG/VERB/acl/0 on/IN/ADP/prep/1 left/JJ/ADJ/amod/4 side/NN/NOUN/pobj/2", "left"),
        ("dog/NN/NOUN/nsubj/1 is/VBZ/AUX/ROOT/1 on/IN/ADP/prep/1 the/DT/DET/det/4 left/NN/NOUN/pobj/2", "left"),
        ("left/NN/NOUN/ROOT/0 of/IN/ADP/prep/0 the/DT/DET/det/3 picture/NN/NOUN/pobj/1", "left"),
        ("dog/NN/NOUN/ROOT/0 left/RB/ADV/advmod/0 of/IN/ADP/prep/1 bus/NN/NOUN/pobj/2", None),
        ("dog/NN/NOUN/ROOT/0 by/IN/ADP/prep/0 left/JJ/ADJ/amod/3 bus/NN/NOUN/pobj/1", None),
        ("dog/NN/NOUN/ROOT/0 with/IN/ADP/prep/0 left/JJ/ADJ/amod/3 side/NN/NOUN/pobj/1 up/RB/ADV/advmod/3", None),
    ],
)
def test_direction(rows: str, direction: str | None) -> None:
    parse = read(rows)
    assert parse.direction == direction
    assert parse.directions == tuple((direction or "").split())
    assert bool(parse.direction_spans) == bool(direction)


@pytest.mark.parametrize(
    ("rows", "relation", "thing"),
    [
        ("cup/NN/NOUN/ROOT/0 in/IN/ADP/prep/0 front/NN/NOUN/pobj/1 of/IN/ADP/prep/2 me/PRP/PRON/pobj/3", "front", "me"),
        ("cup/NN/NOUN/ROOT/0 on/IN/ADP/prep/0 top/NN/NOUN/pobj/1 of/IN/ADP/prep/2 box/NN/NOUN/pobj/3", "above", "box"),
        ("cup/NN/NOUN/ROOT/0 inside/IN/ADP/prep/0 red/JJ/ADJ/amod/3 box/NN/NOUN/pobj/1", "inside", "red box"),
        ("cup/NN/NOUN/ROOT/0 bigger/JJR/ADJ/amod/0 than/IN/ADP/prep/1 box/NN/NOUN/pobj/2", "bigger", "box"),
        ("cup/NN/NOUN/ROOT/0 closest/JJS/ADJ/amod/0 to/IN/ADP/prep/1 box/NN/NOUN/pobj/2", "near", "box"),
        ("left/NN/NOUN/ROOT/0 of/IN/ADP/prep/0 the/DT/DET/det/3 bus/NN/NOUN/pobj/1", "left", "the bus"),
        ("man/NN/NOUN/ROOT/0 in/IN/ADP/prep/0 red/NN/NOUN/pobj/1", None, None),
        ("man/NN/NOUN/ROOT/0 in/IN/ADP/prep/0 hat/NN/NOUN/pobj/1", None, None),
        ("man/NN/NOUN/ROOT/0 on/IN/ADP/prep/0 left/NN/NOUN/pobj/1", None, None),
        ("front/NN/NOUN/ROOT/0 of/IN/ADP/prep/0 train/NN/NOUN/pobj/1", None, None),
    ],
)
def test_relation(rows: str, relation: str | None, thing: str | None) -> None:
    parse = read(rows)
    assert (parse.relation, parse.relation_object) == (relation, thing)


def test_of_nested_relations_that_of_the_head_counts() -> None:
    parse = read("dog/NN/NOUN/ROOT/0 on/IN/ADP/prep/0 couch/NN/NOUN/pobj/1 under/IN/ADP/prep/2 window/NN/NOUN/pobj/3")
    assert (parse.relation, parse.relation_object) == ("on", "couch")


def test_superlatives_and_ordinals() -> None:
    parse = read("the/DT/DET/det/3 second/JJ/ADJ/amod/3 biggest/JJS/ADJ/amod/3 dog/NN/NOUN/ROOT/3")
    assert (parse.superlatives, parse.ordinals) == (("biggest",), ("second",))
    assert [is_ordinal(word) for word in ("21st", "fourth", "last", "two", "st")] == [True, True, True, False, False]


def test_spans_point_into_the_text_and_go_through_json() -> None:
    parse = read("cat/NN/NOUN/ROOT/0 near/IN/ADP/prep/0 big/JJ/ADJ/amod/3 box/NN/NOUN/pobj/1")
    spans = [parse.noun_phrase_span, parse.head_span, parse.relation_object_span, *parse.context_spans]
    for span in spans:
        assert span is not None
        assert parse.text[span.start_char : span.end_char] == span.text
        assert parse.tokens[span.start].start_char == span.start_char
        assert parse.tokens[span.end - 1].end_char == span.end_char
    content = json.loads(json.dumps(parse.to_dict()))
    assert content["spans"]["relation_object"] == {"text": "big box", "tokens": [2, 4], "characters": [9, 16]}
    assert {"noun_phrase", "head", "context_tokens", "direction", "relation"} <= set(content)


def test_two_phrases_that_run_together_are_told_apart() -> None:
    text, found = tokens("left/JJ/ADJ/amod/1 guy/NN/NOUN/compound/3 red/JJ/ADJ/amod/3 shirt/NN/NOUN/ROOT/3")
    parse = read_tree(text, split_run_together(found))
    assert (parse.noun_phrase, parse.head, parse.direction) == ("left guy", "guy", "left")
    assert parse.other_noun_phrases == ("red shirt",)


@pytest.mark.parametrize(
    "rows",
    [
        "red/JJ/ADJ/amod/2 tennis/NN/NOUN/compound/2 ball/NN/NOUN/ROOT/2",
        "red/JJ/ADJ/amod/1 shirt/NN/NOUN/compound/2 guy/NN/NOUN/ROOT/2",
        "guy/NN/NOUN/ROOT/0 red/JJ/ADJ/amod/2 shirt/NN/NOUN/appos/0",
    ],
)
def test_compounds_and_good_trees_are_left_alone(rows: str) -> None:
    _, found = tokens(rows)
    assert split_run_together(found) == found
