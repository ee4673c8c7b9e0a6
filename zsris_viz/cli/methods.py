"""`zsris methods`."""

from __future__ import annotations

import dataclasses

import typer

from zsris_viz.cli.common import JsonOption, print_json, print_table


def methods(as_json: JsonOption = False) -> None:
    """List the methods with their papers, towers and presets."""
    from zsris_viz.methods import list_methods

    infos = [{**dataclasses.asdict(info), "needs": sorted(info.needs)} for info in list_methods()]
    if as_json:
        print_json(infos)
        return
    joined = [{**info, **{name: ", ".join(info[name]) for name in ("towers", "presets", "needs")}} for info in infos]
    print_table(joined, ["name", "towers", "presets", "needs", "title", "paper"])
    typer.echo("\nUse one with: zsris segment IMAGE EXPRESSION --method NAME. For descriptions: zsris methods --json.")
