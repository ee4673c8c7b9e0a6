"""The state of an interrupted training, written so that a kill or a full disk leaves the previous one."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from zsris_viz.errors import CorruptFileError
from zsris_viz.io.atomic import translate_os_errors, write_bytes


def write_checkpoint(path: str | os.PathLike[str], content: bytes, what: str) -> None:
    """Write a file of a training atomically.

    Args:
        path: The file.
        content: What to write.
        what: What is saved, for the message: "the training state".

    Raises:
        UnavailableError: The file cannot be written; an earlier one is still there.
    """
    kept = "The previous one is kept. " if Path(path).is_file() else ""
    remedy = (
        f"{kept}After freeing {len(content) / 1e6:.1f} MB, run the same command again: it continues from the last "
        "checkpoint."
    )
    with translate_os_errors(f"{what} could not be written to {path}", remedy):
        write_bytes(path, content)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a training state.

    Raises:
        UnavailableError: It cannot be written; the one before is kept.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_checkpoint(path, buffer.getvalue(), "The training state")


def load_state(path: Path) -> dict[str, Any] | None:
    """Read a training state.

    Returns:
        The state, or None if there is no file.

    Raises:
        CorruptFileError: It cannot be read.
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CorruptFileError(
            f"{path} is no readable training state ({error}); delete it to begin again, or give another folder."
        ) from error
    return state
