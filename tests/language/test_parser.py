"""The parser on the pipeline that ships with the package."""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from zsris_viz.datasets.types import Expression
from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.language import Parser, load_parser, models
from zsris_viz.language import parser as parser_module
from zsris_viz.miniature.training.measure_parser import read_style, score_scenes, score_style
from zsris_viz.models.tokenizer import ClipTokenizer

STYLE = Path(__file__).parent / "refcoco_style.tsv"


@pytest.fixture(scope="module")
def parser() -> Parser:
    return load_parser("builtin")


@pytest.mark.parametrize(
    ("text", "noun_phrase", "direction", "relation", "thing"),
    [
        ("left guy red shirt", "left guy", "left", None, None),
        ("2nd from right", "2nd from right", None, None, None),
        ("the small dog left of the bus", "the small dog", None, "left", "the bus"),
        ("woman in pink on the far right", "woman", "right", None, None),
        ("bottom left bowl", "bottom left bowl", "bottom left", None, None),
        ("the man is wearing a hat", "the man", None, None, None),
        ("a chair bigger than the lamp", "a chair", None, "bigger", "the lamp"),
    ],
)
def test_expressions(
    parser: Parser, text: str, noun_phrase: str, direction: str | None, relation: str | None, thing: str | None
) -> None:
    parse = parser.parse(text)
    found = (parse.noun_phrase, parse.direction, parse.relation, parse.relation_object)
    assert found == (noun_phrase, direction, relation, thing)


def test_hand_labelled_expressions(parser: Parser) -> None:
    rows = read_style(STYLE)
    assert len(rows) == 200
    figures = score_style(parser, rows)
    assert figures["head"] >= 92, figures["wrong"]
    assert figures["noun_phrase"] >= 92, figures["wrong"]
    assert figures["direction"] >= 92, figures["wrong"]


def test_all_versions_of_spacy_give_the_same_parses(parser: Parser) -> None:
    """spaCy 3.8.18 gave this digest; `make test-oldest` compares that of 3.8.2, the oldest that is allowed."""
    docs = parser.nlp.pipe(row["expression"] for row in read_style(STYLE))
    parses = [[(word.text, word.tag_, word.pos_, word.lemma_, word.dep_, word.head.i) for word in doc] for doc in docs]
    digest = hashlib.sha256(json.dumps(parses).encode()).hexdigest()
    assert digest.startswith("5e3ba571aa82fc0a44617aaea0687b79"), "after a training of the parser: set its digest"


def test_the_parser_takes_every_spacy_that_the_package_takes() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (needed,) = (need for need in map(Requirement, project["dependencies"]) if need.name == "spacy")
    meta = json.loads((models.BUILTIN_FOLDER / "meta.json").read_text())
    stated = {clause.operator: Version(clause.version) for clause in SpecifierSet(meta["spacy_version"])}
    assert stated == {clause.operator: Version(clause.version) for clause in needed.specifier}


def test_held_out_expressions_of_the_drawn_world(parser: Parser) -> None:
    figures = score_scenes(parser, seed=8, count=300)
    assert min(figures["head"], figures["noun_phrase"]) >= 98, figures


@pytest.mark.parametrize(
    ("text", "noun_phrase"),
    [
        ("of the and", "of the and"),
        ("behind", "behind"),
        ("7 12", "7 12"),
        ("🐶🐱", "🐶🐱"),
        ("!?", "!?"),
    ],
)
def test_an_expression_without_a_noun_is_its_own_noun_phrase(parser: Parser, text: str, noun_phrase: str) -> None:
    parse = parser.parse(text)
    assert parse.noun_phrase == noun_phrase
    assert parse.head in text
    assert (parse.direction, parse.relation) == (None, None)
    json.dumps(parse.to_dict())


@pytest.mark.parametrize(
    "text", ["dog", "x", "the", "猫が左にいる", "l'homme à gauche", "a" * 300, "café table", "the dog\x00"]
)
def test_any_text_has_a_noun_phrase_and_spans_that_fit(parser: Parser, text: str) -> None:
    parse = parser.parse(text)
    assert parse.noun_phrase and parse.noun_phrase in text
    for token in parse.tokens:
        assert text[token.start_char : token.end_char] == token.text


def test_white_space_and_capitals_do_not_matter_but_are_kept(parser: Parser) -> None:
    plain = parser.parse("left guy in red")
    odd = parser.parse("  LEFT \t GUY\nIN  RED ")
    assert odd.noun_phrase == "LEFT \t GUY"
    assert (odd.direction, odd.head) == (plain.direction, "GUY")
    assert [(token.dep, token.head) for token in odd.tokens] == [(token.dep, token.head) for token in plain.tokens]


def test_500_words_are_parsed_and_a_book_is_not(parser: Parser) -> None:
    parse = parser.parse("the dog near the red cup and " * 70 + "the cat")
    assert len(parse.tokens) == 492
    assert parse.noun_phrase
    with pytest.raises(InvalidInputError, match="20000"):
        parser.parse("dog " * 10_000)


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_empty_text(parser: Parser, text: str) -> None:
    with pytest.raises(InvalidInputError, match="empty"):
        parser.parse(text)


def test_other_things_than_text(parser: Parser) -> None:
    with pytest.raises(InvalidTypeError, match="int"):
        parser.parse(3)  # type: ignore[arg-type]
    assert parser.parse(Expression("the red cup", "1")).head == "cup"


def test_parses_are_kept(parser: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    first = parser.parse("the green kite on top")
    monkeypatch.setattr(parser, "nlp", None)  # would fail if asked again
    assert parser.parse("the green kite on top") is first
    assert load_parser("builtin") is parser


def test_many_at_once_give_the_same_as_one_by_one() -> None:
    texts = ["left dog", "the cup behind the tv", "left dog", "man in red"]
    together = Parser("builtin").parse_all(texts)
    assert together == [Parser("builtin").parse(text) for text in texts]


def test_words_to_clip_tokens(parser: Parser) -> None:
    text = "skateboarder left of the giraffe"
    tokens = ClipTokenizer.openai()([text])
    parse = parser.parse(text)
    groups = parse.words_to_tokens(tokens)
    assert len(groups) == len(parse.tokens) == 5
    pieces = tokens.pieces[0]
    for word, group in zip(parse.tokens, groups, strict=True):
        assert "".join(pieces[place].replace("</w>", "") for place in group) == word.text
    assert [place for group in groups for place in group] == list(range(1, len(pieces) - 1))
    with pytest.raises(InvalidInputError, match="is not the expression"):
        parser.parse("left dog").words_to_tokens(tokens)


def test_words_that_clip_cut_off_have_no_tokens(parser: Parser) -> None:
    text = "dog " * 90
    with pytest.warns(ZsrisWarning):
        tokens = ClipTokenizer.openai()([text])
    groups = parser.parse(text).words_to_tokens(tokens)
    assert (groups[0], groups[-1]) == ([1], [])


# --- which pipeline


def altered(folder: Path, **meta: Any) -> Path:
    """A copy of the shipped pipeline with another meta.json."""
    copy = shutil.copytree(models.BUILTIN_FOLDER, folder / "pipeline")
    content = json.loads((copy / "meta.json").read_text()) | meta
    (copy / "meta.json").write_text(json.dumps(content))
    return copy


def test_a_pipeline_for_another_spacy_is_refused_with_its_mend(tmp_path: Path) -> None:
    folder = altered(tmp_path, spacy_version=">=2.1.0,<2.2.0")
    with pytest.raises(UnavailableError, match=r"made for spaCy >=2\.1\.0,<2\.2\.0.*install spacy"):
        Parser(str(folder))


def test_an_installed_pipeline_for_another_spacy_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import spacy.util

    folder = altered(tmp_path, spacy_version=">=2.1.0,<2.2.0")
    monkeypatch.setattr(spacy.util, "is_package", lambda name: name == "en_core_web_md")
    monkeypatch.setattr(spacy.util, "get_package_path", lambda name: folder)
    with pytest.warns(ZsrisWarning, match="python -m spacy download en_core_web_md"):
        name, nlp = models.load_pipeline.__wrapped__()
    assert name == "builtin"
    assert nlp.has_pipe("parser")
    with pytest.raises(UnavailableError, match="download en_core_web_md"):
        models.load_pipeline.__wrapped__("en_core_web_md")


def test_the_largest_installed_pipeline_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    import spacy.util

    monkeypatch.setattr(spacy.util, "is_package", lambda name: name in ("en_core_web_sm", "en_core_web_lg"))
    assert models.available_models() == ["en_core_web_lg", "en_core_web_sm", "builtin"]


def test_names_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInputError, match="builtin"):
        Parser("no-such-model")
    with pytest.raises(InvalidInputError, match="name"):
        Parser("  ")
    with pytest.raises(UnavailableError, match=r"load_parser\('builtin'\)"):
        Parser("en_core_web_qq")


def test_a_damaged_pipeline(tmp_path: Path) -> None:
    folder = altered(tmp_path)
    (folder / "parser" / "model").write_bytes(b"broken")
    with pytest.raises(UnavailableError, match="cannot be read"):
        Parser(str(folder))


def test_a_pipeline_without_a_parser(tmp_path: Path) -> None:
    import spacy

    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(UnavailableError, match="no dependency parser"):
        Parser(str(tmp_path / "blank"))


def test_the_shipped_pipeline_is_small_and_has_a_card() -> None:
    files = [path for path in models.BUILTIN_FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 8_000_000
    card = (models.BUILTIN_FOLDER / "card.md").read_text()
    assert "CC BY-SA 4.0" in card
    assert "UAS" in card


def test_parses_that_are_used_again_are_kept_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser_module, "KEPT_PARSES", 2)
    small = Parser("builtin")
    first = small.parse("left dog")
    small.parse("right dog")
    assert small.parse("left dog") is first
    small.parse("the cup")  # in place of "right dog", which was not used again
    assert small.parse("left dog") is first
    texts = ["a", "b", "left dog", "c"]  # more than are kept
    assert [parse.text for parse in small.parse_all(texts)] == texts
