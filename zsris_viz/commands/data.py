"""`zsris data`."""

from __future__ import annotations

from typing import Any

import typer

from zsris_viz.commands.common import JsonOption, print_json, print_table

app = typer.Typer(help="What there is to evaluate on.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `list` a subcommand while it is the only one."""


@app.command("list")
def list_datasets(as_json: JsonOption = False) -> None:
    """List the data sets with their splits."""
    rows = _scenes()
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "split", "images", "split_by", "files"])


def _scenes() -> list[dict[str, Any]]:
    from zsris_viz.datasets.scenes.dataset import SPLITS, Scenes

    return [
        {"name": Scenes.name, "split": split, "images": images, "split_by": Scenes.split_by, "files": "built in"}
        for split, images in SPLITS.items()
    ]
