"""Errors on the command line: one line on what happened and what to do, and an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import sys

import typer

from zsris_viz.errors import ZsrisError
from zsris_viz.io.atomic import os_error_text
from zsris_viz.io.text import printable

INVALID_USE = 2
FAILURE = 1


def report(error: Exception) -> int:
    """Print an error as one line on standard error; a reader that has closed its pipe gets none.

    Args:
        error: What was raised.

    Returns:
        The exit code: 2 if the request cannot be fulfilled, 1 if the machine, a file or the program failed.
    """
    if isinstance(error, BrokenPipeError):
        _discard_output()
        return FAILURE
    with contextlib.suppress(OSError):  # standard error itself may be full or closed
        typer.echo(one_line(f"zsris: {explain(error)}"), err=True)
    if isinstance(error, OSError):
        _discard_output()
    return INVALID_USE if isinstance(error, ZsrisError) else FAILURE


def explain(error: Exception) -> str:
    """Return one or two sentences on what happened, to which file, and what to do."""
    if isinstance(error, ZsrisError):
        return str(error)
    if isinstance(error, MemoryError) or _is_device_memory(error):
        return "There is not enough memory. Use a smaller image, batch or model, or --device cpu."
    if isinstance(error, OSError):
        return os_error_text(error)
    return (
        f"unexpected {type(error).__name__}: {error} (a fault of zsris_viz; zsris --debug COMMAND shows the traceback "
        "to report)"
    )


def one_line(text: str) -> str:
    """Return `text` on one line, with every control character of a terminal written as an escape."""
    return printable(" ".join(text.split()))


def escape_unencodable_output() -> None:
    """Let standard output write characters that its encoding lacks as escapes, which JSON can read."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _is_device_memory(error: Exception) -> bool:
    """Return whether torch found too little memory on an accelerator; torch is not imported for this."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def _discard_output() -> None:
    """Redirect standard output to the null device, as its buffer would fail again when the process ends."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        return
    with contextlib.suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
