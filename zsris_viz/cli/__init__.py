"""The `zsris` command. Large libraries are imported when a command runs, so that --help is printed at once."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from zsris_viz import __version__
from zsris_viz.cli.data import app as data
from zsris_viz.cli.doctor import doctor
from zsris_viz.cli.evaluate import evaluate
from zsris_viz.cli.explore import explore
from zsris_viz.cli.failures import escape_unencodable_output, one_line, report
from zsris_viz.cli.methods import methods
from zsris_viz.cli.parse import parse
from zsris_viz.cli.reproduce import reproduce
from zsris_viz.cli.segment import segment
from zsris_viz.cli.train import app as train
from zsris_viz.errors import ZsrisWarning


class Commands(TyperGroup):
    """Commands whose errors and warnings are one line each on standard error; --debug shows tracebacks."""

    debug = False

    def main(self, *args: Any, **options: Any) -> Any:
        """Parse the arguments, run the command, and end the process with its exit code."""
        escape_unencodable_output()
        try:
            try:
                return super().main(*args, **options)
            finally:
                sys.stdout.flush()  # a full disk or a closed pipe is noticed here and not after the exit code
        except Exception as error:
            if self.debug:
                raise
            sys.exit(report(error))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; show the warnings of this package, and with --debug all warnings."""
        self.debug = bool(ctx.params.get("debug"))
        with warnings.catch_warnings():
            if not self.debug:
                warnings.simplefilter("ignore")
            warnings.simplefilter("always", ZsrisWarning)
            warnings.showwarning = _print_warning
            return super().invoke(ctx)


def _print_warning(message: Warning | str, *rest: Any, **more: Any) -> None:
    typer.echo(one_line(f"zsris: warning: {message}"), err=True)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich would double the time of --help
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
    """Zero-shot referring image segmentation on CLIP."""
    # Progress bars of model libraries would mix with ours.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


for command in (segment, evaluate, reproduce, methods, parse, explore, doctor):
    app.command()(command)
app.add_typer(data, name="data")
app.add_typer(train, name="train")


def main() -> None:
    """Run the console script."""
    app(prog_name="zsris")
