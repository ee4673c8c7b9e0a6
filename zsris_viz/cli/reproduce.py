"""`zsris reproduce`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zsris_viz.cli.common import DeviceOption, DtypeOption, JsonOption, print_json, print_table
from zsris_viz.errors import InvalidInputError

if TYPE_CHECKING:
    from zsris_viz.reproduce import Report


def reproduce(
    wanted: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Figure or table ids, notebooks, or their numbers.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p", "--parameter", metavar="NAME=VALUE", help="Parameter of the notebooks; the option may be repeated."
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Where the results go.")] = Path("outputs"),
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Number of notebooks that run at a time [default: 2].")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run notebooks even if they are up to date.")] = False,
    notebooks: Annotated[
        Path | None, typer.Option("--notebooks", metavar="DIR", help="Folder with figures.yaml [default: notebooks].")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="SECONDS", min=0, help="Seconds after which a notebook is ended."),
    ] = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    test: Annotated[bool, typer.Option("--test", help="Use the small parameters of the tests.")] = False,
    only_list: Annotated[bool, typer.Option("--list", help="Only list the figures and tables.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list the requirements: files, memory of a GPU, hours.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the notebooks and collect their figures and tables in DIR/index.html.

    What is up to date is skipped, a notebook that fails does not stop the others, and a second run takes up what is
    missing. The exit code is 1 when a notebook failed.
    """
    values = dict(map(_pair, parameter or []))
    running = {"--jobs": jobs, "--force": force, "--timeout": timeout, "--device": device, "--dtype": dtype}
    if only_list:
        _refuse("--list", {"--parameter": values, "--dry-run": dry_run, "--test": test, **running})
        _list(wanted or [], notebooks, as_json)
        return
    if dry_run:
        _refuse("--dry-run", running)
        _dry_run(wanted or [], values, notebooks, output, test, as_json)
        return
    from zsris_viz.reproduce import reproduce as run

    report = run(
        wanted or [],
        parameters=values,
        output=output,
        jobs=jobs,
        force=force,
        notebooks=notebooks,
        timeout=timeout,
        test=test,
        device=device,
        dtype=dtype,
        log=lambda line: typer.echo(line, err=True),
    )
    if as_json:
        _print_report(report)
    else:
        for result in report.results:
            if result.failure is not None:
                text = f"\n{result.run.notebook}: {result.failure}\n{result.failure.traceback}"
                typer.echo(text.rstrip(), err=True)
        done = [result.status for result in report.results]
        counts = ", ".join(f"{done.count(status)} {status}" for status in ("done", "skipped", "failed"))
        typer.echo(f"{counts}: {report.index}")
    if not report.ok:
        raise typer.Exit(1)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise InvalidInputError(f"-p {text!r} is not NAME=VALUE, as in -p limit=50")
    return name, value


def _refuse(option: str, others: Mapping[str, object]) -> None:
    """Refuse options that `option` would ignore."""
    ignored = [name for name, value in others.items() if value not in (None, False, {})]
    if ignored:
        raise InvalidInputError(f"{option} runs nothing, so {', '.join(ignored)} would be ignored; leave one out.")


def _dry_run(
    wanted: list[str], values: dict[str, str], notebooks: Path | None, output: Path, test: bool, as_json: bool
) -> None:
    from zsris_viz.reproduce.requirements import needs_of_wanted

    needs = needs_of_wanted(wanted, parameters=values, notebooks=notebooks, output=output, test=test)
    if as_json:
        print_json({"runs": [need.to_dict() for need in needs]})
        return
    typer.echo("\n\n".join(need.text() for need in needs))
    missing = dict.fromkeys(part.name for need in needs for part in need.missing)
    unknown = dict.fromkeys(part.name for need in needs for part in need.unknown)
    if unknown:
        typer.echo(f"\nunknown: {', '.join(unknown)}")
    if missing:
        typer.echo(f"\nmissing: {', '.join(missing)}")
    elif not unknown:
        typer.echo("\nnothing is missing")


def _list(wanted: list[str], notebooks: Path | None, as_json: bool) -> None:
    from zsris_viz.reproduce import find_notebooks, load_entries, select

    entries = [entry.model_dump() for entry in select(load_entries(find_notebooks(notebooks)), wanted)]
    if as_json:
        print_json(entries)
    else:
        print_table(entries, ["id", "kind", "notebook", "title"])


def _print_report(report: Report) -> None:
    print_json(
        {
            "ok": report.ok,
            "index": report.index,
            "notebooks": [
                {
                    "name": result.run.name,
                    "status": result.status,
                    "seconds": result.seconds,
                    "outputs": result.run.outputs,
                    "undeclared": result.undeclared,
                    "error": None if result.failure is None else str(result.failure),
                    "traceback": None if result.failure is None else result.failure.traceback,
                }
                for result in report.results
            ],
        }
    )
