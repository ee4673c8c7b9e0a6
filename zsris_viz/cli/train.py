"""`zsris train`: training of the package's models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zsris_viz.cli.common import JsonOption, print_json, print_pairs
from zsris_viz.errors import InvalidInputError

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Train a model of the package; an interrupted training continues."
)


@app.callback()
def _train() -> None:
    """Train a model of the package; an interrupted training continues."""


@app.command()
def risclip(
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE.yaml", help="File of settings; the others have their defaults."),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            metavar="DIR",
            help="Folder for weights, log and state; the same command continues an interrupted training.",
        ),
    ] = Path("runs/risclip"),
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print all settings as YAML, to start a file with, and stop.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train RISCLIP on a data set with masks. On several GPUs: accelerate launch -m zsris_viz.cli train risclip ..."""
    from zsris_viz.methods.risclip.config import Training, read_training

    settings = Training() if config is None else read_training(config)
    if show_config:
        import yaml

        typer.echo(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), nl=False)
        return
    if config is None:
        raise InvalidInputError(
            "no --config was given; write one, zsris train risclip --show-config > risclip.yaml, and name it: --config "
            "risclip.yaml"
        )
    from zsris_viz.methods.risclip.train import train_risclip

    done = train_risclip(settings, output, report=lambda text: typer.echo(text, err=True))
    last: dict[str, Any] = next((row for row in reversed(done.rows) if "val_miou" in row), {})
    result = {
        "checkpoint": done.path,
        "steps": done.progress.total,
        "expressions": done.progress.expressions,
        "seconds": round(done.progress.seconds, 1),
        "trained_parameters": done.model.count(),
        "val_miou": last.get("val_miou"),
        "val_map_miou": last.get("val_map_miou"),
    }
    print_json(result) if as_json else print_pairs(result)
