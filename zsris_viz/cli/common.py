"""Printing of results, and options that several commands have."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from zsris_viz.errors import InvalidInputError
from zsris_viz.io.text import printable

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
ClipOption = Annotated[
    str,
    typer.Option(
        "--clip",
        envvar="ZSRIS_CLIP",
        metavar="NAME",
        help='"miniature" or "miniature-rn" (built in), a Hugging Face id, "RN50", or the path of a checkpoint.',
    ),
]
CaptionerOption = Annotated[
    str | None,
    typer.Option(
        "--captioner",
        metavar="NAME",
        help='Captioner of tas and text-only: "miniature" (built in), "git-base", "blip2-opt-2.7b", an id, a folder.',
    ),
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", metavar="DEVICE", help="Device: cpu, cuda, ... [default: cuda if present].")
]
DtypeOption = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"] | None,
    typer.Option(
        "--dtype", help="Number format of CLIP [default: float32]; auto is bfloat16 where the device is fast at it."
    ),
]
BatchSizeOption = Annotated[
    int, typer.Option("--batch-size", metavar="N", min=1, help="Number of crops that the model encodes at once.")
]
KindOption = Annotated[
    Literal["openai", "open_clip"] | None,
    typer.Option(
        "--kind", help="Activation with which a state dict in OpenAI's layout was trained: QuickGELU or GELU."
    ),
]
PROPOSALS_HELP = (
    "Source of the mask proposals: felzenszwalb; sam (built in, for scenes), sam-vit-h, -l, -b or sam:FILE; "
    "mask2former:ID; precomputed:FILE; ground-truth of a data set. +filter after a name applies TAS's overlap filter."
)
DataRootOption = Annotated[
    Path | None, typer.Option("--data-root", metavar="DIR", help="Folder of the benchmarks' files; scenes needs none.")
]


def check_text(text: str | None) -> str | None:
    """Return the text of an argument; refuse one whose bytes the terminal's encoding could not decode."""
    if text is not None and any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInputError(f"{text!r} holds bytes that are not valid UTF-8; type the expression again.")
    return text


def check_captioner(captioner: str | None, methods: Sequence[str]) -> None:
    """Refuse a captioner that no method would use."""
    if captioner is None:
        return
    from zsris_viz.methods import list_methods, method_class

    if not any("captions" in method_class(name).info.needs for name in methods):
        users = [info.name for info in list_methods() if "captions" in info.needs]
        raise InvalidInputError(
            f"--captioner {captioner} would be ignored: {', '.join(methods)} needs no captions. Leave it out, or use "
            f"{' or '.join(users)}."
        )


def print_json(value: Any) -> None:
    """Print JSON on standard output; NaN and infinity become null, paths and other objects text."""
    from zsris_viz.io.json_files import plain

    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False, default=str) + "\n")


def print_pairs(pairs: Mapping[str, Any]) -> None:
    """Print aligned lines of names and values; a value of None is left out."""
    shown = {name: str(value) for name, value in pairs.items() if value is not None}
    width = max(map(len, shown), default=0)
    for name, text in shown.items():
        typer.echo(f"{name:<{width}}  {printable(text)}")


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows as aligned columns, numbers on the right with one decimal."""
    cells = [list(columns), *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    numeric = [all(isinstance(row.get(column), int | float | None) for row in rows) for column in columns]
    for line in cells:
        parts = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(line, widths, numeric, strict=True)]
        typer.echo("  ".join(parts).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else printable(str(value))
