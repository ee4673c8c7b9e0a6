"""`zsris data`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from zsris_viz.cli.common import DataRootOption, JsonOption, print_json, print_table
from zsris_viz.errors import InvalidInputError
from zsris_viz.io.text import printable

app = typer.Typer(
    help="List, verify, fetch and export data sets and checkpoints.", no_args_is_help=True, rich_markup_mode=None
)
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a data set or checkpoint; see `zsris data list`.")
]


@app.command("list")
def list_datasets(as_json: JsonOption = False) -> None:
    """List the data sets with their splits, and the checkpoints."""
    from zsris_viz.datasets.manifests import manifests

    rows = _scenes() + [
        row for manifest in manifests().values() if manifest.kind == "dataset" for row in _splits(manifest)
    ]
    others = [_other(manifest) for manifest in manifests().values() if manifest.kind != "dataset"]
    if as_json:
        print_json(rows + others)
        return
    print_table(rows, ["name", "split", "images", "expressions", "split_by", "files"])
    typer.echo("")
    print_table([{**row, "size": _size(row["bytes"])} for row in others], ["name", "kind", "title", "licence", "size"])
    typer.echo(
        "\nSources, hashes and notes are in data_manifests/. Download one with `zsris data fetch NAME --data-root DIR`."
    )


@app.command()
def verify(name: NameArgument, data_root: DataRootOption = None, as_json: JsonOption = False) -> None:
    """Compare files, hashes, counts and images with the manifest; the exit code is 1 if any is missing or wrong."""
    from zsris_viz.datasets.verify import FAILURES, passed
    from zsris_viz.datasets.verify import verify as run

    if data_root is None:
        raise InvalidInputError(f"Give the folder of the files: zsris data verify {name} --data-root DIR")
    checks = run(_known(name), data_root)
    ok = passed(checks)
    failed = sum(check.status in FAILURES for check in checks)
    if as_json:
        listed = [dataclasses.asdict(check) for check in checks]
        print_json({"name": name, "ok": ok, "failed": failed, "data_root": data_root, "checks": listed})
    else:
        width = max((len(check.what) for check in checks), default=0)
        for check in checks:
            status = check.status.upper() if check.status in FAILURES else check.status
            typer.echo(f"{status:<7}  {check.what:<{width}}  {printable(check.detail)}")
        typer.echo(f"{name}: {'all checks passed' if ok else f'{failed} of {len(checks)} checks failed'}")
    if not ok:
        raise typer.Exit(1)


@app.command()
def fetch(name: NameArgument, data_root: DataRootOption = None, as_json: JsonOption = False) -> None:
    """Download the files. An interrupted download continues, and a file gets its name only when its hash is right."""
    from zsris_viz.datasets.fetch import fetch as run
    from zsris_viz.datasets.manifests import get_manifest

    known = _known(name)
    files = run(known, data_root, progress=not as_json, report=lambda line: typer.echo(line, err=True))
    needs = list(get_manifest(known).needs)
    if as_json:
        print_json({"name": name, "files": files, "needs": needs})
        return
    for file in files:
        typer.echo(str(file))
    for other in needs:
        typer.echo(f"{name} also needs {other}: zsris data fetch {other} --data-root {data_root}")


@app.command()
def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help='"scenes".')],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go.")],
    layout: Annotated[str, typer.Option("--format", metavar="FORMAT", help="refer or phrasecut.")],
    split: Annotated[str, typer.Option("--split", metavar="S", help="See `zsris data list`.")] = "val",
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N images.")] = None,
    dataset: Annotated[
        str | None, typer.Option("--as", metavar="D", help="refer only: refcoco [default], refcoco+ or refcocog.")
    ] = None,
    split_by: Annotated[str | None, typer.Option("--split-by", metavar="S", help="refer only: unc, umd, ...")] = None,
    images: Annotated[str, typer.Option("--images", help="png (exact), or jpeg with COCO's file names.")] = "png",
    as_json: JsonOption = False,
) -> None:
    """Write drawn scenes in the file format of a benchmark; evaluating these files gives the same results."""
    from zsris_viz.datasets import load_dataset
    from zsris_viz.datasets.export import export as run

    if name != "scenes":
        raise InvalidInputError(f"{name!r} cannot be exported; scenes can: zsris data export scenes DIR --format refer")
    data = load_dataset(name, split, limit=limit)
    options: dict[str, Any] = {"name": dataset, "split_by": split_by, "images": images}
    written = run(data, folder, layout, progress=not as_json, **options)
    dataset = (dataset or "refcoco") if layout == "refer" else "phrasecut"
    if as_json:
        print_json({"folder": written, "dataset": dataset, "split": split, "images": len(data)})
        return
    typer.echo(f"{len(data)} images in {written}")
    scheme = f" --split-by {split_by}" if split_by else ""
    typer.echo(f"zsris evaluate --dataset {dataset} --split {split}{scheme} --data-root {folder}")


def _known(name: str) -> str:
    if name == "scenes":
        raise InvalidInputError("scenes needs no files; it is drawn when it is used.")
    return name


def _scenes() -> list[dict[str, Any]]:
    from zsris_viz.miniature.world.dataset import SPLITS, Scenes

    return [
        {"name": Scenes.name, "split": split, "images": images, "split_by": Scenes.split_by, "files": "built in"}
        for split, images in SPLITS.items()
    ]


def _splits(manifest: Any) -> list[dict[str, Any]]:
    """Return a row for each split of a dataset."""
    return [
        {
            "name": manifest.name,
            "kind": manifest.kind,
            "split": split.split,
            "split_by": split.split_by,
            "images": split.images,
            "references": split.references,
            "expressions": split.expressions,
            "files": "needs --data-root",
            "licence": manifest.licence,
            "homepage": manifest.homepage,
        }
        for split in manifest.splits
    ]


def _other(manifest: Any) -> dict[str, Any]:
    """Return the row of an entry without splits."""
    from zsris_viz.datasets.manifests import describe

    return describe(manifest)


def _size(size: int | None) -> str | None:
    return None if size is None else f"{size / 1e6:,.0f} MB"
