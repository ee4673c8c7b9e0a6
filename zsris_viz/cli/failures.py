"""What the command line prints when something fails: one line with what happened and what to do, and an exit code."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import unicodedata

import typer

from zsris_viz.errors import ZsrisError

INVALID_USE = 2
FAILURE = 1

# errno -> what happened, what to do
OS_ERRORS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("no space is left on the device", "Free some space, or name a place on another disk."),
    errno.EDQUOT: ("your disk quota is used up", "Free some space, or name a place on another disk."),
    errno.EFBIG: ("the file would be larger than the limit", "Raise the limit (ulimit -f), or name another disk."),
    errno.EROFS: ("the file system is read-only", "Name a place that can be written to."),
    errno.EACCES: ("permission is denied", "Change the permissions, or name another place."),
    errno.EPERM: ("the operation is not permitted", "Change the permissions, or name another place."),
    errno.ENAMETOOLONG: ("the name is too long", "Give a shorter name; most file systems take 255 bytes."),
    errno.ENOTDIR: ("a file stands where a folder is needed", "Name a folder, or move the file away."),
    errno.EEXIST: ("a file stands where a folder is needed", "Name a folder, or move the file away."),
    errno.EISDIR: ("a folder stands where a file is needed", "Name a file in the folder."),
    errno.ENOENT: ("there is no such file or folder", "Check the name, or make the folder first."),
    errno.EMFILE: ("too many files are open", "Raise the limit (ulimit -n), or use fewer processes."),
    errno.ENOMEM: ("there is not enough memory", "Close other programs, or use a smaller image or batch."),
    errno.EIO: ("the device reports an error", "Check the disk or the network folder."),
    errno.ELOOP: ("a link leads back to itself", "Name a place without that link."),
    errno.EADDRINUSE: ("the port is in use", "Give another one; 0 takes a free one."),
}


def report(error: Exception) -> int:
    """Print an error as one line on standard error; a reader that has closed its pipe gets none.

    Args:
        error: What was raised.

    Returns:
        The exit code: 2 where the request cannot be met, 1 where the machine, a file or the program failed.
    """
    if isinstance(error, BrokenPipeError):
        _discard_output()
        return FAILURE
    line = printable(f"zsris: {explain(error)}")
    with contextlib.suppress(OSError):  # standard error itself may be full or closed
        typer.echo(line, err=True)
    if isinstance(error, OSError):
        _discard_output()
    return INVALID_USE if isinstance(error, ZsrisError) else FAILURE


def explain(error: Exception) -> str:
    """Return one sentence or two: what happened, to which file, and what to do."""
    if isinstance(error, ZsrisError):
        return str(error)
    if isinstance(error, MemoryError) or _is_device_memory(error):
        return "There is not enough memory. Use a smaller image, batch or model, or --device cpu."
    number = error.errno if isinstance(error, OSError) else None
    if number in OS_ERRORS:
        happened, advice = OS_ERRORS[number]
        return f"{_place(error)}: {happened}. {advice}"
    if isinstance(error, OSError):
        return f"{_place(error)}: {error.strerror or error or type(error).__name__}."
    return (
        f"unexpected {type(error).__name__}: {error} (a fault of zsris_viz; zsris --debug COMMAND shows the traceback "
        "to report)"
    )


def printable(text: str) -> str:
    """Return `text` on one line, with control characters and lone surrogates written as escapes.

    Examples:
        >>> printable("a\\x1b[31mred\\n  line")
        'a\\\\x1b[31mred line'
    """
    line = " ".join(text.split())
    return "".join(
        c if unicodedata.category(c) not in ("Cc", "Cs") else c.encode("unicode_escape").decode() for c in line
    )


def escape_unencodable_output() -> None:
    """Let standard output write what its encoding lacks as escapes, which JSON reads back, instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _place(error: Exception) -> str:
    """Return the file that an error is about, as far as it names one."""
    name = getattr(error, "filename", None)
    if not isinstance(name, (str, bytes)):
        return "a file could not be read or written"
    text = os.fsdecode(name)
    return text if len(text) <= 120 else f"{text[:60]}...{text[-40:]}"


def _is_device_memory(error: Exception) -> bool:
    """Return whether torch found too little memory on an accelerator; torch is not imported for this."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def _discard_output() -> None:
    """Point standard output at nothing: what its buffer still holds would fail again when the process ends."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        return
    with contextlib.suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
