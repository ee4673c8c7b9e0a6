"""`zsris methods`."""

from __future__ import annotations

import dataclasses

import typer

from zsris_viz.cli.common import JsonOption, print_json, print_table


def methods(as_json: JsonOption = False) -> None:
    """List the methods with their papers, towers and presets."""
    from zsris_viz.methods import list_methods

    infos = [dataclasses.asdict(info) for info in list_methods()]
    if as_json:
        print_json(infos)
        return
    joined = [{**info, "towers": ", ".join(info["towers"]), "presets": ", ".join(info["presets"])} for info in infos]
    print_table(joined, ["name", "towers", "presets", "title", "paper"])
    typer.echo("\nzsris segment IMAGE EXPRESSION --method NAME uses one; zsris methods --json says what each does.")
