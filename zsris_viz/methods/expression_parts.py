"""The parts of an expression, known by the caller, annotated in a dataset, or found by the parser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from zsris_viz.errors import InvalidInputError, InvalidTypeError

if TYPE_CHECKING:
    from zsris_viz.datasets.types import Expression

PARTS = ("noun_phrase", "head", "context_tokens", "direction", "relation", "relation_object")
#: Texts that describe the scene rather than the expression, for methods that use captions (TAS, Text-only).
EXTRAS = ("captions", "image_caption", "negatives")
PartSource = Literal["parser", "gold"]


class KnownParts(TypedDict, total=False):
    """Keyword arguments for the parts of an expression that are known; the others are found by the parser.

    None means that the expression does not have the part; for the noun phrase and for the texts on the image it means
    that it is not given.

    Attributes:
        noun_phrase: The noun phrase of the object, such as "the left cat".
        head: The head noun, "cat".
        context_tokens: The words with spatial cues, in order.
        direction: "left", "right", "top", "bottom", "middle" or two of them, such as "top left".
        relation: A name of :data:`zsris_viz.language.relations.RELATIONS`, such as "left" or "bigger".
        relation_object: The noun phrase of the other object.
        captions: N captions, one for each proposal, for methods that use captions.
        image_caption: Caption of the whole image, for methods that use captions.
        negatives: Phrases for other objects of the image, for methods that use captions; may be empty.
    """

    noun_phrase: str | None
    head: str | None
    context_tokens: Sequence[str]
    direction: str | None
    relation: str | None
    relation_object: str | None
    captions: Sequence[str] | None
    image_caption: str | None
    negatives: Sequence[str] | None


class ExpressionParts:
    """An expression with its parts, each of which is either known or found by the parser on first access.

    Args:
        expression: A text, or an Expression.
        known: Values of parts by name, see :class:`KnownParts`.
        source: "parser" ignores the gold parts of an Expression; "gold" uses them.
        parser: Function that returns the parser; it is called only when a part has to be found.

    Raises:
        InvalidInputError: The expression has no visible characters, the source is unknown, or "gold" is used with a
            text.
        InvalidTypeError: The expression is not a text or an Expression, or a part is unknown.
    """

    def __init__(
        self,
        expression: str | Expression,
        known: Mapping[str, Any] | KnownParts | None = None,
        *,
        source: PartSource = "parser",
        parser: Callable[[], Any] | None = None,
    ) -> None:
        text = getattr(expression, "text", expression)
        if not isinstance(text, str):
            raise InvalidTypeError(
                f'An expression is a text or an Expression, e.g. "the left cat"; {type(expression).__name__} was given.'
            )
        if not text.strip():
            raise InvalidInputError('The expression is empty; give words that describe an object, e.g. "the left cat".')
        if source not in get_args(PartSource):
            raise InvalidInputError(f"parts={source!r} is unknown; use one of {', '.join(get_args(PartSource))}.")
        values = dict(known or {})
        unknown = sorted(set(values) - {*PARTS, *EXTRAS})
        if unknown:
            raise InvalidTypeError(
                f"predict() got {', '.join(unknown)}; the parts of an expression that can be given are "
                f"{', '.join(PARTS)}; of a scene {', '.join(EXTRAS)}."
            )
        self.extras = _checked_extras({name: value for name, value in values.items() if name in EXTRAS})
        self.text = text
        self._parser = parser
        self._known: dict[str, Any] = {}
        if source == "gold":
            if isinstance(expression, str):
                raise InvalidInputError(
                    'parts="gold" needs an Expression with gold parts, as the drawn scenes have; for a plain text use '
                    'parts="parser", or give the parts: predict(scene, text, noun_phrase="the left cat").'
                )
            self._known = {part: getattr(expression, part) for part in PARTS}
        self._known |= {name: value for name, value in values.items() if name in PARTS}
        if self._known.get("noun_phrase", "") is None:
            del self._known["noun_phrase"]
        phrase = self._known.get("noun_phrase")
        if phrase is not None and (not isinstance(phrase, str) or not phrase.strip()):
            raise InvalidInputError(
                f'noun_phrase={phrase!r} was given; it is a text with words, e.g. noun_phrase="the left cat".'
            )
        self._parse: Any = None

    @property
    def parse(self) -> Any:
        """Return the parse of the whole text; the text is parsed on first access.

        Raises:
            InvalidInputError: There is no parser.
        """
        if self._parse is None:
            if self._parser is None:
                raise InvalidInputError(
                    "These parts have no parser; give the part, or ExpressionParts(..., parser=Parser)."
                )
            self._parse = self._parser().parse(self.text)
        return self._parse

    def spaced(self) -> ExpressionParts:
        """Return the expression in lower case with one blank between the parser's tokens, as in GL-CLIP's code.

        Returns:
            The new expression; this object itself if the noun phrase is known, because the parser is not needed then.
        """
        if "noun_phrase" in self._known:
            return self
        lowered = ExpressionParts(self.text.lower(), self._known, parser=self._parser)
        words = " ".join(token.text for token in lowered.parse.tokens if token.text.strip())
        return ExpressionParts(words, {**self._known, **self.extras}, parser=self._parser)

    @property
    def known(self) -> dict[str, Any]:
        """Return the parts that were given or are gold; the parser finds the others."""
        return dict(self._known)

    def __getattr__(self, name: str) -> Any:
        if name not in PARTS:
            raise AttributeError(name)
        if name in self._known:
            return self._known[name]
        return getattr(self.parse, name)


def _checked_extras(values: dict[str, Any]) -> dict[str, Any]:
    """Return captions and negatives as tuples of texts and the image's caption as a text, without None values."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        if name == "image_caption":
            if not isinstance(value, str):
                raise InvalidTypeError(f"image_caption is a text; {type(value).__name__} was given.")
            found[name] = value
        elif isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(v, str) for v in value):
            raise InvalidTypeError(f'{name} is a list of texts, e.g. {name}=["a red cat", "a tree"]; got {value!r}.')
        else:
            found[name] = tuple(value)
    return found
