"""One run at a time in an output folder, whoever starts it and however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zsris_viz.errors import UnavailableError

LOCK_NAME = "lock.json"


class FolderLock:
    """A lock on a folder, held while the process lives; a killed process leaves nothing behind that must be cleaned up.

    The file names its owner. On one machine the operating system holds the lock (flock) and lets go when the process
    ends. Another machine that shares the folder may not see that, so a file that names another host is respected
    until it is deleted.

    Args:
        folder: an existing folder.

    Raises:
        UnavailableError: on entering, when another run owns the folder, with the owner and how to break the lock.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_NAME
        self._file: int | None = None

    def __enter__(self) -> FolderLock:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = _read(descriptor)
            os.close(descriptor)
            raise UnavailableError(
                f"{self.path.parent} is in use by another run: {_words(owner)}. Wait until it ends, end it "
                f"(kill {owner.get('pid', 'PID')}), or give another output folder."
            ) from error
        owner = _read(descriptor)
        if owner and owner.get("host") != socket.gethostname():
            os.close(descriptor)
            raise UnavailableError(
                f"{self.path.parent} is in use by a run on another machine: {_words(owner)}. If that run has ended, "
                f"delete {self.path} and start again; otherwise wait, or give another output folder."
            )
        mine = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": " ".join(sys.argv)[:300],
        }
        _write(descriptor, json.dumps(mine))
        self._file = descriptor
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            _write(self._file, "")
            os.close(self._file)  # lets go of the lock; the empty file stays, since deleting it could take another's
            self._file = None


def _read(descriptor: int) -> dict[str, Any]:
    """The owner that the file names; nothing if it names none."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        owner = json.loads(os.read(descriptor, 4096) or b"{}")
    except ValueError:  # cut off in the middle of writing
        return {}
    return owner if isinstance(owner, dict) else {}


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _words(owner: dict[str, Any]) -> str:
    """The owner in words."""
    if not owner:
        return "owner unknown"
    return f"process {owner.get('pid')} on {owner.get('host')}, since {owner.get('started')}, {owner.get('command')!r}"
