"""`zsris explore`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from zsris_viz.cli.common import ClipOption, check_text
from zsris_viz.errors import InvalidInputError, UnavailableError


def explore(
    image: Annotated[
        Path | None, typer.Option("--image", metavar="FILE", help="Image file [default: a drawn scene].")
    ] = None,
    expression: Annotated[
        str | None,
        typer.Option(
            "--expression", metavar="TEXT", callback=check_text, help="First expression; it can be changed in the page."
        ),
    ] = None,
    clip: ClipOption = "miniature",
    proposals: Annotated[
        str | None,
        typer.Option(
            "--proposals",
            metavar="NAME",
            help="Source of the mask proposals [default: the objects of a scene, felzenszwalb for an image].",
        ),
    ] = None,
    notebook: Annotated[
        Path | None, typer.Option("--notebook", metavar="FILE", help="Serve this notebook instead of the explorers.")
    ] = None,
    port: Annotated[int, typer.Option("--port", metavar="N", help="0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Serve the explorers as a page (Voila) on this machine, for people who do not code. Ctrl-C stops it.

    The address of the page contains a token; everyone who knows the address can use the page.
    """
    values = _parameters(image, expression, clip, proposals, notebook)
    from zsris_viz.explorers.server import PAGE, VoilaServer

    server = VoilaServer(notebook or PAGE, values, port=port)
    # SIGTERM to this process ends the server, too, and so does Ctrl-C, even if a script started it with SIGINT ignored.
    before = {sent: signal.signal(sent, _interrupt) for sent in (signal.SIGINT, signal.SIGTERM)}
    code = 0
    try:
        typer.echo("starting ...", err=True)
        address = server.start()
        typer.echo(address)
        typer.echo("Ctrl-C stops it.", err=True)
        if browser:
            import webbrowser

            webbrowser.open(address)
        code = server.wait()
    except KeyboardInterrupt:
        typer.echo("stopping ...", err=True)
    finally:
        for sent in before:  # a second Ctrl-C must not leave the server behind
            signal.signal(sent, signal.SIG_IGN)
        server.stop()
        for sent, handler in before.items():
            signal.signal(sent, handler)
    if code:
        raise UnavailableError(f"the server ended by itself with {code}; start it again: zsris explore")


def _interrupt(signum: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _parameters(
    image: Path | None, expression: str | None, clip: str, proposals: str | None, notebook: Path | None
) -> dict[str, Any]:
    """Return the parameters of the page's notebook, checked as far as is possible without loading anything."""
    if image is not None:
        _check_image(image)
    if expression is not None and not expression.strip():
        raise InvalidInputError('--expression is empty; give words, as in --expression "the left cat"')
    if proposals is not None:
        _check_source(proposals, image)
    local = Path(clip).expanduser()
    values = {
        "image": None if image is None else str(image.resolve()),
        "expression": expression,
        "clip": None if clip == "miniature" else str(local.resolve()) if local.exists() else clip,
        "proposals": proposals,
    }
    chosen = {name: value for name, value in values.items() if value is not None}
    if notebook is not None and chosen:
        raise InvalidInputError(
            f"--notebook shows a notebook as it is; --{', --'.join(chosen)} belong to the explorers. Leave one out."
        )
    return chosen


def _check_image(image: Path) -> None:
    """Refuse an image that the page could not show, as far as its header shows."""
    if not image.is_file():
        raise InvalidInputError(f"--image {image}: there is no such file")
    from zsris_viz.io.image_files import check_pixels, open_header

    with open_header(image) as opened:
        check_pixels(opened, str(image))


def _check_source(proposals: str, image: Path | None) -> None:
    from zsris_viz.proposals import proposal_names

    name = proposals.partition(":")[0].removesuffix("+filter")
    if name not in proposal_names():
        raise InvalidInputError(f"--proposals {proposals!r} is unknown; use one of {', '.join(proposal_names())}")
    if name == "ground-truth":
        what = "an image has none" if image else "leave --proposals out: a drawn scene comes with them"
        raise InvalidInputError(f"--proposals ground-truth: {what}")
