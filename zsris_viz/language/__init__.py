"""Parsing of expressions into noun phrase, context words, direction and relation; near-synonyms by WordNet."""

from zsris_viz.language.models import available_models
from zsris_viz.language.parse import Parse
from zsris_viz.language.parser import Parser, load_parser
from zsris_viz.language.spans import Span, Token
from zsris_viz.language.wordnet import are_synonyms, load_wordnet, path_similarity

__all__ = [
    "Parse",
    "Parser",
    "Span",
    "Token",
    "are_synonyms",
    "available_models",
    "load_parser",
    "load_wordnet",
    "path_similarity",
]
