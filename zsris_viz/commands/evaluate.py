"""`zsris evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zsris_viz.commands.common import ClipOption, DataRootOption, JsonOption, print_json, print_table
from zsris_viz.errors import InvalidInputError


def evaluate(
    dataset: Annotated[str, typer.Option("--dataset", metavar="D", help="See `zsris data list`.")] = "scenes",
    split: Annotated[str, typer.Option("--split", metavar="S", help="See `zsris data list`.")] = "val",
    methods: Annotated[
        str, typer.Option("--methods", metavar="A,B", help="Names, with commas between; see `zsris methods`.")
    ] = "global-local,cropping",
    proposals: Annotated[
        str, typer.Option("--proposals", metavar="P", help="Where the masks come from.")
    ] = "ground-truth",
    clip: ClipOption = "miniature",
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N images.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Keep the rows here; the same command goes on with them."),
    ] = None,
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure methods on a data set: mIoU, oIoU and precision, in per cent."""
    names = [name.strip() for name in methods.split(",") if name.strip()]
    if not names:
        raise InvalidInputError(
            f"--methods {methods!r} names no method; give names as in --methods global-local,cropping"
        )
    from zsris_viz.datasets import load_dataset
    from zsris_viz.evaluation import evaluate as run

    data = load_dataset(dataset, split, limit=limit, data_root=data_root)
    evaluation = run(data, names, proposals=proposals, clip=clip, output=output)
    rows = evaluation.table().to_dict("records")
    if as_json:
        settings = {"dataset": dataset, "split": split, "clip": clip, "proposals": proposals, "limit": limit}
        print_json({**settings, "output": output, "rows": rows})
        return
    typer.echo(f"{dataset} {split}, {len(data)} images, {proposals} proposals, {clip}; per cent\n")
    print_table(rows, list(rows[0]) if rows else [])
