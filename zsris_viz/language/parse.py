"""The result of parsing one expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError
from zsris_viz.language.directions import direction_of, direction_words
from zsris_viz.language.phrases import context_tokens, main_phrase, ordinals, other_phrases, superlatives
from zsris_viz.language.relations import relations
from zsris_viz.language.spans import Span, Token, span_of
from zsris_viz.language.tree import Tree

if TYPE_CHECKING:
    from zsris_viz.models.text_tokens import TextTokens


@dataclass(frozen=True)
class Parse:
    """The parts that the parser found in an expression.

    Each part has a property with its text, and an attribute with its :class:`~zsris_viz.language.spans.Span`.

    Attributes:
        text: The original expression, to which all character positions refer.
        model: Name of the pipeline that parsed the expression.
        tokens: The words with parts of speech, dependency labels and heads.
        noun_phrase_span: The noun phrase that names the referent, without the words after its head; the whole
            expression if it has no noun phrase.
        head_span: The head noun; the root of the tree for an expression without a noun phrase.
        context_spans: One span for each context word: prepositions, directions, comparatives, and the objects of
            prepositions.
        direction: "left", "right", "top", "bottom", "middle", or a vertical and a horizontal direction such as
            "top left"; None if the expression has no direction of the referent.
        direction_spans: The words of the direction.
        relation: A name of :data:`zsris_viz.language.relations.RELATIONS`, or None.
        relation_span: The words of the relation, or None.
        relation_object_span: The noun phrase of the other object of the relation, or None.
        superlative_spans: The superlatives, such as "biggest".
        ordinal_spans: The ordinals, such as "2nd".
        other_phrase_spans: The noun phrases of other objects in order, clothes and accessories included.
    """

    text: str
    model: str
    tokens: tuple[Token, ...]
    noun_phrase_span: Span
    head_span: Span
    context_spans: tuple[Span, ...]
    direction: str | None
    direction_spans: tuple[Span, ...]
    relation: str | None
    relation_span: Span | None
    relation_object_span: Span | None
    superlative_spans: tuple[Span, ...]
    ordinal_spans: tuple[Span, ...]
    other_phrase_spans: tuple[Span, ...]

    @property
    def noun_phrase(self) -> str:
        """Return the text of the noun phrase that names the referent."""
        return self.noun_phrase_span.text

    @property
    def head(self) -> str:
        """Return the head noun."""
        return self.head_span.text

    @property
    def context_tokens(self) -> tuple[str, ...]:
        """Return the context tokens in order."""
        return tuple(span.text for span in self.context_spans)

    @property
    def directions(self) -> tuple[str, ...]:
        """Return the parts of :attr:`direction`, such as ("top", "left"); () if there is no direction."""
        return tuple(self.direction.split()) if self.direction else ()

    @property
    def relation_object(self) -> str | None:
        """Return the text of the other object's noun phrase, or None."""
        return None if self.relation_object_span is None else self.relation_object_span.text

    @property
    def superlatives(self) -> tuple[str, ...]:
        """Return the superlatives in order."""
        return tuple(span.text for span in self.superlative_spans)

    @property
    def ordinals(self) -> tuple[str, ...]:
        """Return the ordinals in order."""
        return tuple(span.text for span in self.ordinal_spans)

    @property
    def other_noun_phrases(self) -> tuple[str, ...]:
        """Return the texts of the other noun phrases in order."""
        return tuple(span.text for span in self.other_phrase_spans)

    def words_to_tokens(self, text_tokens: TextTokens, row: int = 0) -> list[list[int]]:
        """Return the positions of the CLIP tokens that cover each word.

        Args:
            text_tokens: The result of `clip.tokenize([parse.text])`.
            row: Number of this text in `text_tokens`.

        Returns:
            One list for each of :attr:`tokens`; empty for a word beyond CLIP's context length. A CLIP token that covers
            two words is listed for both.

        Raises:
            InvalidInputError: If there is no such row, or it holds another text.
        """
        if not 0 <= row < len(text_tokens.texts) or text_tokens.texts[row] != self.text:
            raise InvalidInputError(
                f"row {row} of these CLIP tokens is not the expression {self.text!r}; use clip.tokenize([parse.text])."
            )
        return [text_tokens.tokens_of(token.start_char, token.end_char, row=row) for token in self.tokens]

    def to_dict(self) -> dict[str, Any]:
        """Return all parts as plain values for JSON.

        The entry `spans` holds the token and character positions of the parts by name, with exclusive ends.
        """
        relation = {"relation": self.relation_span, "relation_object": self.relation_object_span}
        many = {
            "context_tokens": self.context_spans,
            "direction": self.direction_spans,
            "superlatives": self.superlative_spans,
            "ordinals": self.ordinal_spans,
            "other_noun_phrases": self.other_phrase_spans,
        }
        return {
            "text": self.text,
            "noun_phrase": self.noun_phrase,
            "head": self.head,
            "context_tokens": list(self.context_tokens),
            "direction": self.direction,
            "relation": self.relation,
            "relation_object": self.relation_object,
            "superlatives": list(self.superlatives),
            "ordinals": list(self.ordinals),
            "other_noun_phrases": list(self.other_noun_phrases),
            "spans": {
                "noun_phrase": self.noun_phrase_span.to_dict(),
                "head": self.head_span.to_dict(),
                **{name: None if span is None else span.to_dict() for name, span in relation.items()},
                **{name: [span.to_dict() for span in spans] for name, spans in many.items()},
            },
            "tokens": [vars(token) for token in self.tokens],
            "model": self.model,
        }


def read_tree(text: str, tokens: tuple[Token, ...], model: str = "gold") -> Parse:
    """Return the parts of an expression by applying all rules to its dependency tree.

    Args:
        text: The expression.
        tokens: At least one token, in order, with positions in `text`.
        model: Name of the pipeline or annotation that the tree comes from.
    """
    tree = Tree(tokens)
    phrase, head = main_phrase(tree)
    words = direction_words(tree, head)
    direction = direction_of(tree, words)
    found = [
        relation for relation in relations(tree, head) if not phrase or not phrase[0] <= relation.object < phrase[1]
    ]
    relation = found[0] if found else None

    def spans(indices: list[int]) -> tuple[Span, ...]:
        return tuple(span_of(text, tokens, index, index + 1) for index in indices)

    return Parse(
        text=text,
        model=model,
        tokens=tokens,
        noun_phrase_span=span_of(text, tokens, *(phrase or (0, len(tokens)))),
        head_span=span_of(text, tokens, head, head + 1),
        context_spans=spans(context_tokens(tree)),
        direction=direction,
        direction_spans=spans(words) if direction else (),
        relation=relation.name if relation else None,
        relation_span=span_of(text, tokens, relation.start, relation.end) if relation else None,
        relation_object_span=span_of(text, tokens, *tree.phrase_at(relation.object)) if relation else None,
        superlative_spans=spans(superlatives(tree)),
        ordinal_spans=spans(ordinals(tree)),
        other_phrase_spans=tuple(span_of(text, tokens, start, end) for start, end in other_phrases(tree, phrase)),
    )
