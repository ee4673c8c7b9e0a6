"""The `zsris` command. Nothing heavy is imported until a command runs, so that --help answers at once."""

from __future__ import annotations

import os
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from zsris_viz import __version__
from zsris_viz.cli.data import app as data
from zsris_viz.cli.doctor import doctor
from zsris_viz.cli.evaluate import evaluate
from zsris_viz.cli.explore import explore
from zsris_viz.cli.methods import methods
from zsris_viz.cli.parse import parse
from zsris_viz.cli.reproduce import reproduce
from zsris_viz.cli.segment import segment
from zsris_viz.cli.train import app as train
from zsris_viz.errors import ZsrisError, ZsrisWarning


class Commands(TyperGroup):
    """Turns the package's errors and warnings into one line each on standard error; the exit code is then 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; with --debug, let an error through with its traceback."""
        debug = bool(ctx.params.get("debug"))
        with warnings.catch_warnings():
            if not debug:
                warnings.simplefilter("ignore")
            warnings.simplefilter("always", ZsrisWarning)
            warnings.showwarning = _say
            try:
                return super().invoke(ctx)
            except ZsrisError as error:
                if debug:
                    raise
                typer.echo(f"zsris: {' '.join(str(error).split())}", err=True)
                raise typer.Exit(2) from error


def _say(message: Warning | str, *rest: Any, **more: Any) -> None:
    typer.echo(f"zsris: warning: {' '.join(str(message).split())}", err=True)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"zsris_viz {__version__}")
        raise typer.Exit


@app.callback()
def _all(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="ZSRIS_DEBUG", help="Show the traceback of an error, and all warnings.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Zero-shot referring image segmentation on CLIP: which mask does an expression mean?"""
    # Progress bars of model libraries would mix with ours.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


for command in (segment, evaluate, reproduce, methods, parse, explore, doctor):
    app.command()(command)
app.add_typer(data, name="data")
app.add_typer(train, name="train")


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="zsris")
