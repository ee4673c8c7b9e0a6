"""`zsris parse`."""

from __future__ import annotations

from typing import Annotated

import typer

from zsris_viz.cli.common import JsonOption, check_text, print_json, print_pairs

SHOWN = (
    "noun_phrase",
    "head",
    "context_tokens",
    "direction",
    "relation",
    "relation_object",
    "superlatives",
    "ordinals",
    "other_noun_phrases",
    "model",
)


def parse(
    expression: Annotated[
        str,
        typer.Argument(
            metavar="EXPRESSION", callback=check_text, help='Expression, such as "the small dog left of the bus".'
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help='An installed spaCy pipeline, or "builtin" [default: the best].'),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Parse an expression into noun phrase, context words, direction and relation."""
    from zsris_viz.language import load_parser

    found = load_parser(model).parse(expression).to_dict()
    if as_json:
        print_json(found)
        return
    shown = {name: found.get(name) for name in SHOWN}
    texts = {name: ", ".join(value) if isinstance(value, list) else value for name, value in shown.items()}
    print_pairs({name.replace("_", " "): text for name, text in texts.items() if text})
