"""`zsris doctor`."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from zsris_viz.cli.common import JsonOption, print_json

MARKS = {"ok": "ok     ", "warning": "WARNING", "problem": "PROBLEM"}


def doctor(
    models: Annotated[
        bool,
        typer.Option("--models", help="Also measure the built-in models on a few scenes, which takes two minutes."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check versions, models, WordNet and disk; the exit code is 1 when something is wrong."""
    from zsris_viz.doctor import PROBLEM, examine, measure_models

    checks = [*examine(), *(measure_models() if models else ())]
    ok = all(check.status != PROBLEM for check in checks)
    if as_json:
        print_json({"ok": ok, "checks": [dataclasses.asdict(check) for check in checks]})
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            typer.echo(f"{MARKS[check.status]}  {check.name:<{width}}  {check.found}")
            if check.remedy:
                typer.echo(f"{'':9}{'':<{width}}  -> {check.remedy}")
    if not ok:
        raise typer.Exit(1)
