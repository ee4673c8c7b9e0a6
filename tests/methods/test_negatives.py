"""Which noun phrases of a caption become negatives, with the package's own parser and WordNet."""

import pytest

from zsris_viz.errors import InvalidInputError
from zsris_viz.language import load_parser
from zsris_viz.methods.negatives import Synonymy, mine_negatives, referent_noun

CAPTION = "two men are riding a horse next to a small dog and a red car on the street"


@pytest.fixture(scope="module")
def parser():
    return load_parser("builtin")


def test_phrases_that_name_the_referent_are_left_out(parser):
    found = mine_negatives(CAPTION, "dog", parser)
    assert found.kept == ("two men", "a horse", "a red car", "the street")
    assert list(found.dropped) == ["a small dog"] and "dog" in found.dropped["a small dog"]
    assert "two men" not in mine_negatives(CAPTION, "man", parser).kept
    assert "two men" in mine_negatives(CAPTION, "guy", parser).kept  # the strict rule of the paper
    assert "a red car" in mine_negatives(CAPTION, "auto", parser).kept
    assert "a red car" not in mine_negatives(CAPTION, "auto", parser, Synonymy(min_pairs=1)).kept


def test_the_rule_of_the_authors_and_the_same_word(parser):
    """Fewer than three senses, and the authors' rule does not even know a word again."""
    caption = "an apple and a dog"
    assert mine_negatives(caption, "apple", parser).kept == ("a dog",)
    official = Synonymy(same_word=False, noun="first")
    assert mine_negatives(caption, "apple", parser, official).kept == ("an apple", "a dog")
    assert mine_negatives(caption, "dog", parser, official).kept == ("an apple",)


def test_first_noun_or_head(parser):
    caption = "a man holding a wine glass"
    assert "a wine glass" in mine_negatives(caption, "wine", parser).kept
    assert "a wine glass" not in mine_negatives(caption, "wine", parser, Synonymy(noun="first")).kept
    assert referent_noun("the wine glass", parser, "head") == "glass"
    assert referent_noun("the wine glass", parser, "first") == "wine"


def test_equal_phrases_and_phrases_without_a_noun(parser):
    caption = "a dog and a dog and a cat that is on it"
    assert mine_negatives(caption, "bus", parser).kept == ("a dog", "a cat")
    official = mine_negatives(caption, "bus", parser, Synonymy(noun="first", same_word=False)).kept
    assert official.count("a dog") == 2 and "it" in official


def test_no_words_no_negatives(parser):
    for caption in ("", "  "):
        assert mine_negatives(caption, "dog", parser).kept == ()
    assert mine_negatives("running fast", "dog", parser).kept == ()
    assert mine_negatives("a dog", "7", parser).kept == ("a dog",)


def test_wrong_rules():
    for wrong in ({"min_pairs": 0}, {"threshold": 2}, {"noun": "last"}):
        with pytest.raises(InvalidInputError, match=next(iter(wrong))):
            Synonymy(**wrong)
