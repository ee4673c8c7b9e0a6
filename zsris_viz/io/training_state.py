"""The state of a training that was interrupted: written so that a kill or a full disk leaves the last good one."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from zsris_viz.errors import CorruptFileError, UnavailableError


def write_atomically(path: Path, content: bytes, what: str) -> None:
    """Write a file under a temporary name and move it, so that a kill or a full disk leaves the last good one.

    Args:
        what: what is saved, for the message.

    Raises:
        UnavailableError: no space, or no right to write; the file that was there is still there.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        why = "the disk is full" if full else str(error)
        kept = f"; the last good one is kept in {path}" if path.is_file() else ""
        raise UnavailableError(
            f"{what} could not be written to {path}: {why}{kept}. Free {len(content) / 1e6:.1f} MB or give another "
            "folder, and run the same command again: it goes on from the last checkpoint."
        ) from error


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """A training state. Raises UnavailableError when it cannot be written; the one before is kept."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_atomically(path, buffer.getvalue(), "the training state")


def load_state(path: Path) -> dict[str, Any] | None:
    """The training state in a file, or None where there is none. Raises CorruptFileError when it cannot be read."""
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CorruptFileError(
            f"{path} is no readable training state ({error}); delete it to begin again, or give another folder."
        ) from error
    return state
