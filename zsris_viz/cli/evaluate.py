"""`zsris evaluate`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from zsris_viz.cli.common import (
    PROPOSALS_HELP,
    BatchSizeOption,
    CaptionerOption,
    ClipOption,
    DataRootOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    KindOption,
    check_captioner,
    print_json,
    print_table,
)
from zsris_viz.errors import InvalidInputError

WITH_INTERVAL = ("miou", "oiou")


def evaluate(
    dataset: Annotated[str, typer.Option("--dataset", metavar="D", help="See `zsris data list`.")] = "scenes",
    split: Annotated[str, typer.Option("--split", metavar="S", help="See `zsris data list`.")] = "val",
    methods: Annotated[
        str,
        typer.Option("--methods", metavar="A,B", help="Names of methods, separated by commas; see `zsris methods`."),
    ] = "global-local,cropping",
    proposals: Annotated[str, typer.Option("--proposals", metavar="P", help=PROPOSALS_HELP)] = "ground-truth",
    clip: ClipOption = "miniature",
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N images.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="DIR", help="Folder for the rows; the same command continues an interrupted run."
        ),
    ] = None,
    data_root: DataRootOption = None,
    split_by: Annotated[
        str | None, typer.Option("--split-by", metavar="S", help="refcocog: umd [default] or google.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="E",
            help="dask://HOST:PORT for a cluster, or dask://local:N for N processes on this machine.",
        ),
    ] = None,
    preset: Annotated[str, typer.Option("--preset", metavar="NAME", help='"default" or "official".')] = "default",
    captioner: CaptionerOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    kind: KindOption = None,
    batch_size: BatchSizeOption = 64,
    text: Annotated[
        Literal["sent", "raw"] | None,
        typer.Option("--text", help="RefCOCO's expressions, cleaned (sent) [default] or as typed (raw)."),
    ] = None,
    none_below: Annotated[
        str | None,
        typer.Option(
            "--none-below",
            metavar="SCORE",
            help="Predict no mask where a method's best score is below this (gRefCOCO): a number for all methods, or "
            "A=NUMBER,B=NUMBER.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard", metavar="I/N", help="Evaluate only share I of N of the images; all shares write to one --output."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure methods on a data set: mIoU, oIoU and precision, in per cent."""
    names = [name.strip() for name in methods.split(",") if name.strip()]
    if not names:
        raise InvalidInputError(
            f"--methods {methods!r} names no method; give names as in --methods global-local,cropping"
        )
    check_captioner(captioner, names)
    from zsris_viz.evaluation import EvaluationConfig
    from zsris_viz.evaluation import evaluate as run

    config = EvaluationConfig(
        split=split,
        split_by=split_by,
        text=text,
        data_root=data_root,
        limit=limit,
        clip=clip,
        kind=kind,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        proposals=proposals,
        preset=preset,
        none_below=_thresholds(none_below),
        captioner=captioner,
        output=output,
        shard=shard,
        engine=engine,
    )
    data = config.load_dataset(dataset)
    # A cluster's workers read the files themselves, so they get the dataset by name.
    evaluation = run(data if engine is None else dataset, names, config)
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


def _thresholds(text: str | None) -> float | dict[str, float] | None:
    """Return the thresholds of --none-below: one for all methods, or by their names."""
    if text is None:
        return None
    found: dict[str, float] = {}
    try:
        if "=" not in text:
            return _number(text)
        for part in text.split(","):
            name, _, number = part.rpartition("=")
            found[name.strip()] = _number(number)
    except ValueError as error:
        raise InvalidInputError(
            f"--none-below {text!r} is no score; give a number as in --none-below 0.25, or one for each method as in "
            "--none-below global-local=0.25,cropping=0.2."
        ) from error
    return found


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the table for people: mIoU and oIoU with their intervals, which need 20 images; milliseconds."""
    shown: dict[str, Any] = {}
    for name, value in row.items():
        if name in WITH_INTERVAL and f"{name}_low" in row:
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            shown[name] = f"{value:.1f}" + ("" if math.isnan(low) else f" [{low:.0f}, {high:.0f}]")
        elif name == "seconds":
            shown["ms"] = 1000 * value
        elif name != "images" and not name.endswith(("_low", "_high")):
            shown[name] = value
    return shown
