"""Atomic writes, and clear messages for errors of the file system."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from zsris_viz.errors import UnavailableError

_FULL = "the disk is full", "Free some space, or give another folder"
_DENIED = "there is no permission", "Give a folder that you may write to"
_CAUSES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: ("the file system is read-only", _DENIED[1]),
    errno.ENAMETOOLONG: ("the name is too long", "Give a shorter name"),
    errno.ENOTDIR: ("a part of the path is a file and not a folder", "Give another path"),
    errno.EISDIR: ("it is a folder and not a file", "Give the path of a file"),
    errno.EEXIST: ("a file is there where a folder is needed", "Give another path"),
    errno.ENOENT: ("there is no such file or folder", "Check the path"),
    errno.EPIPE: ("the reader of the output has ended", "Run the command again without closing its output"),
    errno.EMFILE: ("too many files are open", "Raise the limit (ulimit -n), or use fewer processes"),
    errno.ENOMEM: ("there is not enough memory", "Close other programs"),
    errno.EADDRINUSE: ("the port is in use", "Give another one; 0 takes a free one"),
    errno.EIO: ("the device reported an error", "Check the disk, or give another folder"),
}


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str], *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it to `path` if the block ends without an error.

    A reader sees the old file or the whole new one, also after a kill, a full disk or (with `sync`) a power cut. The
    temporary file is named `.HEX.tmp` and is removed if the block fails; only a killed process can leave one.

    Args:
        path: The file to write; missing folders above it are made.
        sync: Whether the content is forced to the disk before the renaming. False is for files that can be made again.

    Yields:
        The path at which the block must write the file.

    Raises:
        OSError: The file cannot be written. See `translate_os_errors` and `os_error_text`.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
        if sync:
            _sync(temporary)
        os.replace(temporary, target)
    except OSError as error:
        if error.errno is None or error.filename not in (None, os.fspath(temporary)):
            raise
        raise OSError(error.errno, error.strerror, os.fspath(target)) from error  # the name that the user gave
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], content: bytes, *, sync: bool = True) -> None:
    """Write a file atomically; see `atomic_path` for the arguments and errors."""
    with atomic_path(path, sync=sync) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike[str], text: str, *, sync: bool = True) -> None:
    """Write a UTF-8 text file atomically; see `atomic_path` for the arguments and errors."""
    write_bytes(path, text.encode("utf-8"), sync=sync)


def os_error_text(error: OSError) -> str:
    """Return what an error of the file system means and what to do about it.

    Example:
        >>> os_error_text(OSError(errno.ENOSPC, "No space left on device", "out/rows.parquet"))
        'out/rows.parquet: the disk is full. Free some space, or give another folder.'

    Args:
        error: Any error that the operating system reported.

    Returns:
        One line: the file if the error names one, the cause, and the remedy.
    """
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes, os.PathLike)) else ""
    return where + _explain(error)


@contextlib.contextmanager
def translate_os_errors(action: str, remedy: str = "") -> Iterator[None]:
    """Turn every `OSError` of a block into an `UnavailableError` with what failed and what to do.

    Args:
        action: What could not be done, as the beginning of a sentence: "The cache could not be written".
        remedy: Further advice, a whole sentence.

    Raises:
        UnavailableError: The operating system reported an error inside the block.
    """
    try:
        yield
    except OSError as error:
        text = f"{action}: {_explain(error)}"
        raise UnavailableError(f"{text} {remedy}" if remedy else text) from error


def _explain(error: OSError) -> str:
    """Return the cause and the remedy, without the name of the file."""
    cause, remedy = _CAUSES.get(error.errno or 0, (error.strerror or str(error) or type(error).__name__, ""))
    return f"{cause}. {remedy}." if remedy else f"{cause}."


def _sync(path: Path) -> None:
    """Force a file's content to the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
