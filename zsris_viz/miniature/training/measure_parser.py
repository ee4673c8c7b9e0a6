"""Measurement of a parser pipeline, and its model card.

``python -m zsris_viz.miniature measure parser --treebank FOLDER [--style FILE] [--parser NAME]``
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import UnavailableError
from zsris_viz.language.parser import Parser
from zsris_viz.miniature.training.treebank import load_split, to_doc
from zsris_viz.miniature.training.ud_to_clear import UdWord

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.training import Example

#: Drawn-world expressions that are held out of training: this seed, this many.
HELD_OUT = (7, 1000)
#: Expressions labelled by hand, in a checkout of the project.
STYLE = Path("tests/language/refcoco_style.tsv")
Style = list[dict[str, str]]


def make_example(nlp: Language, words: Sequence[UdWord]) -> Example:
    """Return a sentence to learn from or to score: gold tokens, with the tokenizer's norms where it agrees."""
    from spacy.tokens import Doc
    from spacy.training import Example

    gold = to_doc(nlp.vocab, words)
    predicted = nlp.make_doc(gold.text)
    if [token.text for token in predicted] != [word.text for word in words]:
        predicted = Doc(
            nlp.vocab, words=[word.text for word in words], spaces=[bool(token.whitespace_) for token in gold]
        )
    return Example(predicted, gold)


def score_treebank(
    nlp: Language, sentences: Iterable[Sequence[UdWord]], *, gold_tokens: bool = True
) -> dict[str, float]:
    """Per cent right on sentences with gold trees: ``uas``, ``las``, ``tag``, ``pos``, ``lemma``.

    Punctuation is left out of UAS and LAS, as spaCy's scorer does.

    Args:
        gold_tokens: parse the treebank's own tokens; else the raw text, so that a wrong split costs points.
    """
    from spacy.training import Example

    examples = [make_example(nlp, words) for words in sentences]
    if not gold_tokens:
        examples = [Example(nlp.make_doc(example.reference.text), example.reference) for example in examples]
    found = nlp.evaluate(examples)
    names = {"uas": "dep_uas", "las": "dep_las", "tag": "tag_acc", "pos": "pos_acc", "lemma": "lemma_acc"}
    return {name: round(100 * (found[key] or 0.0), 2) for name, key in names.items()}


def score_scenes(parser: Parser, seed: int = HELD_OUT[0], count: int = HELD_OUT[1]) -> dict[str, float]:
    """Per cent of drawn-world expressions of which a part is found exactly: head, noun phrase, context, direction,
    relation.
    """
    from zsris_viz.miniature.world.grammar import gold_examples

    names = ("noun_phrase", "head", "context_tokens", "direction", "relation")
    right = dict.fromkeys(names, 0)
    for tree, *gold in gold_examples(seed, count):
        parse = parser.parse(tree.text)
        for name, value in zip(names, gold, strict=True):
            right[name] += getattr(parse, name) == value
    return {name: round(100 * number / count, 2) for name, number in right.items()}


def read_style(path: str | Path = STYLE) -> Style:
    """Read RefCOCO-style expressions, tab-separated with columns expression, head, noun_phrase, direction.

    Raises:
        UnavailableError: there is no such file.
    """
    if not Path(path).is_file():
        raise UnavailableError(
            f"no list of expressions at {path}; run in a checkout of the project, or give --style FILE."
        )
    with Path(path).open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows, delimiter="\t"))


def score_style(parser: Parser, rows: Style) -> dict[str, Any]:
    """Per cent of hand-labelled expressions of which head, noun phrase and direction are found exactly, and the wrong
    ones.
    """
    names = ("head", "noun_phrase", "direction")
    wrong: list[str] = []
    right = dict.fromkeys(names, 0)
    for row in rows:
        parse = parser.parse(row["expression"])
        for name in names:
            found = getattr(parse, name) or ""
            right[name] += found == row[name]
            if found != row[name]:
                wrong.append(f"{row['expression']}: {name} {found!r}, not {row[name]!r}")
    return {
        **{name: round(100 * number / len(rows), 2) for name, number in right.items()},
        "n": len(rows),
        "wrong": wrong,
    }


def milliseconds(parser: Parser, rows: Style) -> float:
    """Return the mean processor time of parsing one expression that is not cached, one at a time."""
    fresh = Parser(parser.name)
    fresh.parse("a warm-up")
    started = time.process_time()
    for row in rows:
        fresh.parse(row["expression"])
    return round(1000 * (time.process_time() - started) / len(rows), 2)


def measure(parser: Parser, treebank: str | Path, style: Style) -> dict[str, Any]:
    """Return all figures of the model card."""
    test = load_split(treebank, "test")
    return {
        "treebank_gold_tokens": score_treebank(parser.nlp, test),
        "treebank_raw_text": score_treebank(parser.nlp, test, gold_tokens=False),
        "held_out_scenes": {**score_scenes(parser), "n": HELD_OUT[1]},
        "refcoco_style": score_style(parser, style),
        "milliseconds_per_expression": milliseconds(parser, style),
    }


def folder_hash(folder: Path) -> str:
    """Return the SHA-256 over names and contents of all files but the card, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "card.md"):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def write_card(folder: Path, recipe: dict[str, Any], figures: dict[str, Any]) -> None:
    """Write the model card, `card.md` in the folder of the pipeline."""

    def row(values: dict[str, Any], *names: str) -> str:
        return " | ".join(str(values[name]) for name in names)

    gold, raw = figures["treebank_gold_tokens"], figures["treebank_raw_text"]
    scenes, style = figures["held_out_scenes"], figures["refcoco_style"]
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "card.md")
    wrong = "\n".join(f"- {line}" for line in style["wrong"])
    text = f"""# The built-in parser

A spaCy pipeline for English referring expressions: tagger (Penn Treebank tags), morphologizer (universal parts of
speech), lemmatizer, dependency parser with the labels of the `en_core_web_*` pipelines. It has no word vectors. An
installed `en_core_web_lg`, `_md` or `_sm` is used in its place, unless `load_parser("builtin")` is called.

- Data: UD English Web Treebank 2.15, train split, converted to CLEAR style (`ud_to_clear.py` in
  `zsris_viz/miniature/training`); fragments from templates (`fragments.py`); expressions of the drawn world with gold
  trees. The epoch is chosen on the treebank's dev split.
- Treebank: annotations (c) 2013-2021 The Board of Trustees of The Leland Stanford Junior University, licensed
  CC BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0/), from the GitHub repository
  UniversalDependencies/UD_English-EWT. The treebank is not part of this package; these weights were trained on it and
  are offered under the same licence.
- Train again: `python -m zsris_viz.miniature train parser --treebank FOLDER`
- Measure: `python -m zsris_viz.miniature measure parser --treebank FOLDER`
- Recipe: `{json.dumps(recipe)}`
- Size: {size / 1e6:.2f} MB. SHA-256 over all files but this card: `{folder_hash(folder)}`.
- {figures["milliseconds_per_expression"]} ms of processor time per expression, one at a time.

## Treebank test split
Per cent; punctuation left out of UAS and LAS.

| tokens | UAS | LAS | tags | parts of speech | lemmas |
|---|---|---|---|---|---|
| gold | {row(gold, "uas", "las", "tag", "pos", "lemma")} |
| raw text | {row(raw, "uas", "las", "tag", "pos", "lemma")} |

## Referring expressions
Per cent found exactly.

| list | n | head noun | noun phrase | direction | context tokens | relation |
|---|---|---|---|---|---|---|
| held-out drawn world | {row(scenes, "n", "head", "noun_phrase", "direction", "context_tokens", "relation")} |
| RefCOCO-style, labelled by hand before training | {row(style, "n", "head", "noun_phrase", "direction")} | | |

The hand-labelled list was never trained on, but its errors were read while templates and rules were written ("guy red
shirt", "in the back left", "on the left track"), so its figures are slightly too good.

Wrong on the hand-labelled list:
{wrong}

## Limits
It was trained on web English (blogs, e-mails, reviews) and generated fragments, so accuracy is lower on long edited
prose, other languages and names. It gives one tree for the whole text: sentences are not split. Of two readings ("guy
behind the man in red") it gives one without a warning.
"""
    (folder / "card.md").write_text(text, encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    """Run the command `measure parser`, which prints the figures as JSON."""
    options = argparse.ArgumentParser(prog="python -m zsris_viz.miniature measure parser", description=__doc__)
    options.add_argument(
        "--treebank", required=True, help="folder with the *-test.conllu[.gz] file of a UD English treebank"
    )
    options.add_argument(
        "--style", default=STYLE, type=Path, help="tab-separated list: expression, head, noun_phrase, direction"
    )
    options.add_argument(
        "--parser", default="builtin", help="pipeline to measure: builtin, en_core_web_sm, ..., or a folder"
    )
    chosen = options.parse_args(argv)
    print(json.dumps(measure(Parser(chosen.parser), chosen.treebank, read_style(chosen.style)), indent=2))
