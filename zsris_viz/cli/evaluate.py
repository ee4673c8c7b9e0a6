"""`zsris evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from zsris_viz.cli.common import (
    PROPOSALS_HELP,
    CaptionerOption,
    ClipOption,
    DataRootOption,
    DeviceOption,
    JsonOption,
    print_json,
    print_table,
)
from zsris_viz.errors import InvalidInputError

WITH_INTERVAL = ("miou", "oiou")


def evaluate(
    dataset: Annotated[str, typer.Option("--dataset", metavar="D", help="See `zsris data list`.")] = "scenes",
    split: Annotated[str, typer.Option("--split", metavar="S", help="See `zsris data list`.")] = "val",
    methods: Annotated[
        str, typer.Option("--methods", metavar="A,B", help="Names, with commas between; see `zsris methods`.")
    ] = "global-local,cropping",
    proposals: Annotated[str, typer.Option("--proposals", metavar="P", help=PROPOSALS_HELP)] = "ground-truth",
    clip: ClipOption = "miniature",
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N images.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Keep the rows here; the same command goes on with them."),
    ] = None,
    data_root: DataRootOption = None,
    split_by: Annotated[
        str | None, typer.Option("--split-by", metavar="S", help="refcocog: umd [default] or google.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="E", help="dask://HOST:PORT, or dask://local:N for N processes here."),
    ] = None,
    preset: Annotated[str, typer.Option("--preset", metavar="NAME", help='"default" or "official".')] = "default",
    captioner: CaptionerOption = None,
    device: DeviceOption = None,
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

    where: dict[str, Any] = {"limit": limit, "data_root": data_root, "split_by": split_by}
    data = load_dataset(dataset, split, **where)
    options: dict[str, Any] = {
        "clip": clip,
        "preset": preset,
        "captioner": captioner,
        "device": device,
        "output": output,
    }
    if engine is None:
        evaluation = run(data, names, proposals=proposals, data_root=data_root, **options)
    else:  # by name, so that a worker reads the files itself and they need not travel
        evaluation = run(dataset, names, split=split, **where, proposals=proposals, engine=engine, **options)
    if as_json:
        settings = {"dataset": dataset, "split": split, "images": len(data), "clip": clip, "proposals": proposals}
        tables = {
            "rows": evaluation.table(chance=False).to_dict("records"),
            "chance": next(iter(evaluation.chance().to_dict("records")), None),
        }
        print_json({**settings, "preset": preset, "output": output, **tables})
        return
    typer.echo(f"{dataset} {split}, {len(data)} images, {proposals} proposals, {clip}; per cent, 95 % intervals\n")
    rows = [_readable(row) for row in evaluation.table().to_dict("records")]
    print_table(rows, list(rows[0]) if rows else [])


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table for people: mIoU and oIoU with their intervals, the other metrics without, milliseconds."""
    shown: dict[str, Any] = {}
    for name, value in row.items():
        if name in WITH_INTERVAL and f"{name}_low" in row:
            shown[name] = f"{value:.1f} [{row[f'{name}_low']:.0f}, {row[f'{name}_high']:.0f}]"
        elif name == "seconds":
            shown["ms"] = 1000 * value
        elif name != "images" and not name.endswith(("_low", "_high")):
            shown[name] = value
    return shown
