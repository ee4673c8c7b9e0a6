"""A lock that lets one run at a time use an output folder."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from zsris_viz.errors import CorruptFileError, UnavailableError
from zsris_viz.io.json_files import read_json_object, write_json
from zsris_viz.io.text import printable, shorten

LOCK_NAME = ".lock"
OWNER_NAME = "lock.json"
LOCK_FILES = (LOCK_NAME, OWNER_NAME)


class FolderLock:
    """A lock on a folder that is held while the process lives; a killed process leaves nothing to clean up.

    The operating system holds the lock and releases it when the process ends; `lock.json` names the owner. Another
    machine that shares the folder may not see the lock, so an owner on another host is respected until its file is
    deleted.

    Args:
        folder: An existing folder.

    Raises:
        UnavailableError: On entering, if another run owns the folder; the text names the owner and the way out.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.owner_file = folder / OWNER_NAME
        self._lock = FileLock(folder / LOCK_NAME, timeout=0)

    def __enter__(self) -> FolderLock:
        try:
            self._lock.acquire()
        except Timeout as error:
            owner = self._owner()
            raise UnavailableError(
                f"{self.folder} is in use by another run: {_describe(owner)}. Wait until it ends, end it "
                f"(kill {owner.get('pid', 'PID')}), or give another output folder."
            ) from error
        owner = self._owner()
        if owner and owner.get("host") != socket.gethostname():
            self._lock.release()
            raise UnavailableError(
                f"{self.folder} is in use by a run on another machine: {_describe(owner)}. If that run has ended, "
                f"delete {self.owner_file} and start again; otherwise wait, or give another output folder."
            )
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": printable(shorten(" ".join(sys.argv), 300)),
        }
        try:
            write_json(self.owner_file, owner, sync=False)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        try:
            with contextlib.suppress(OSError):
                self.owner_file.unlink()
        finally:
            self._lock.release()

    def _owner(self) -> dict[str, Any]:
        """Return the owner in the file, or an empty dict."""
        try:
            return read_json_object(self.owner_file)
        except (CorruptFileError, UnavailableError, OSError):
            return {}


def _describe(owner: dict[str, Any]) -> str:
    if not owner:
        return "owner unknown"
    return f"process {owner.get('pid')} on {owner.get('host')}, since {owner.get('started')}, {owner.get('command')!r}"
