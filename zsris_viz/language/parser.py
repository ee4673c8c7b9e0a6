"""The parser, which finds the noun phrase, context tokens, direction and relation of an expression."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.io.lru import LruDict
from zsris_viz.language.models import load_pipeline
from zsris_viz.language.parse import Parse, read_tree
from zsris_viz.language.spans import Token
from zsris_viz.language.tree_repair import split_run_together

if TYPE_CHECKING:
    from spacy.tokens import Doc

    from zsris_viz.datasets.types import Expression

#: Length of the longest accepted expression in characters; referring expressions rarely have more than 200.
MAX_CHARACTERS = 20_000
#: Number of parses that a parser keeps, those that were used last.
KEPT_PARSES = 10_000


class Parser:
    """A parser of referring expressions that uses a spaCy pipeline and caches its results.

    Args:
        name: Name of the pipeline, see :func:`zsris_viz.language.models.load_pipeline`. Pipelines are shared between
            parsers.

    Attributes:
        name: Name of the loaded pipeline.
        nlp: The pipeline itself.

    Raises:
        InvalidInputError: If there is no such pipeline.
        UnavailableError: If the pipeline cannot be used on this machine.

    >>> Parser("builtin").parse("the small dog left of the bus").noun_phrase
    'the small dog'
    """

    def __init__(self, name: str | None = None) -> None:
        self.name, self.nlp = load_pipeline(name)
        self._parses: LruDict[str, Parse] = LruDict(KEPT_PARSES)

    def __repr__(self) -> str:
        return f"Parser({self.name!r})"

    def parse(self, expression: str | Expression) -> Parse:
        """Parse one expression.

        Words in any script, digits and emoji are parsed as they are. An expression without a noun phrase ("in the
        middle", "7", "the of") is its own noun phrase, and its head is the root of its tree. An expression that is
        written in capitals is parsed in lower case. A text may have up to 20,000 characters; the context length of CLIP
        is not checked here.

        Raises:
            InvalidTypeError: If `expression` is neither a text nor an Expression.
            InvalidInputError: If the text is empty or too long.
        """
        return self.parse_all([expression])[0]

    def parse_all(self, expressions: Iterable[str | Expression]) -> list[Parse]:
        """Parse many expressions and return the results in their order.

        This is faster than one call of :meth:`parse` for each expression. The errors are the same.
        """
        texts = [_checked(expression) for expression in expressions]
        found = {text: self._parses.get(text) for text in texts}
        missing = [text for text, parse in found.items() if parse is None]
        if missing:
            parsed = dict(zip(missing, self._run(missing), strict=True))
            self._parses.update(parsed)
            found |= parsed
        return [cast(Parse, found[text]) for text in texts]

    def _run(self, texts: Sequence[str]) -> list[Parse]:
        tidied = [_tidy(text) for text in texts]
        documents = self.nlp.pipe([tidy for tidy, _ in tidied], batch_size=256)
        rows = zip(texts, tidied, documents, strict=True)
        return [read_tree(text, _tokens(text, doc, places), self.name) for text, (_, places), doc in rows]


@lru_cache(maxsize=4)
def load_parser(name: str | None = None) -> Parser:
    """Return a parser with the pipeline `name`.

    Calls with the same name return the same object and so share its cache. See :class:`Parser` for names and errors.
    """
    return Parser(name)


def _checked(expression: str | Expression) -> str:
    text = getattr(expression, "text", expression)
    if not isinstance(text, str):
        raise InvalidTypeError(
            f'an expression is a text or an Expression, e.g. "the left cat"; {type(expression).__name__} was given.'
        )
    if not text.strip():
        raise InvalidInputError('the expression is empty; give words that describe an object, e.g. "the left cat".')
    if len(text) > MAX_CHARACTERS:
        raise InvalidInputError(
            f"the expression has {len(text)} characters; at most {MAX_CHARACTERS} are accepted. Give one sentence."
        )
    return text


def _tidy(text: str) -> tuple[str, list[int]]:
    """Return the text with single spaces, in lower case if it is all capitals, and each character's index in `text`."""
    pieces: list[str] = []
    places: list[int] = []
    for match in re.finditer(r"\S+", text):
        if pieces:
            pieces.append(" ")
            places.append(match.start() - 1)
        pieces.append(match.group())
        places.extend(range(match.start(), match.end()))
    tidy = "".join(pieces)
    lower = tidy.lower()
    shouted = tidy.isupper() and len(lower) == len(tidy) and sum(letter.isalpha() for letter in tidy) > 3
    return (lower if shouted else tidy), places


def _tokens(text: str, doc: Doc, places: Sequence[int]) -> tuple[Token, ...]:
    tokens = []
    for word in doc:
        start, end = places[word.idx], places[word.idx + len(word) - 1] + 1
        tokens.append(
            Token(text[start:end], word.lemma_.lower(), word.pos_, word.tag_, word.dep_, word.head.i, start, end)
        )
    return split_run_together(tokens)
