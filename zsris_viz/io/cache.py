"""A cache on disk for results of models, such as proposals and captions, identified by their content.

Entries are dicts of plain values, kept as gzip-compressed JSON with a checksum. Any number of runs may use one folder
at once, and any of them may be killed: an entry is written completely or not at all, a damaged one is computed again,
and the least recently used ones are deleted when the folder grows too large. A folder that cannot be written causes a
warning, and results are then computed without it.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from zsris_viz.errors import InvalidInputError, InvalidTypeError, ZsrisWarning
from zsris_viz.io.atomic import write_bytes

if TYPE_CHECKING:
    from PIL import Image

VARIABLE = "ZSRIS_CACHE"
OFF = ("", "0", "off", "no", "none", "false")
MAX_BYTES = 2 * 2**30
FORMAT = "zsris-cache 2"
KEPT_SHARE = (
    0.9  # share of the limit that is kept when old entries are deleted, so that not every new entry causes a deletion
)
RECHECK_SHARE = 0.05  # of the limit: a process that has written so much measures the folder again
STALE_SECONDS = 3600.0  # older temporary files belong to runs that were killed


def cache_folder(part: str = "") -> Path | None:
    """Return the folder in which the package caches, or None if caching is switched off.

    The environment variable ZSRIS_CACHE names it (a folder, or "off"); otherwise it is in the user's cache folder. The
    folder is not made.

    Args:
        part: A folder in it, for example "proposals".
    """
    setting = os.environ.get(VARIABLE)
    if setting is not None:
        return None if setting.strip().lower() in OFF else Path(setting).expanduser() / part
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "zsris_viz" / part


def key_of(**parts: Any) -> str:
    """Return the key of a result: 64 hexadecimal digits that change with any of the parts it depends on.

    Args:
        **parts: Everything that changes the result, as text, numbers, None, and lists and dicts of these.

    Raises:
        InvalidTypeError: A value is of another kind.
    """
    try:
        text = json.dumps(parts, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(
            f"A key is made of text, numbers, None, lists and dicts; {error}. Give a hash in place of other values."
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()


def image_fingerprint(image: Image.Image) -> str:
    """Return 64 hexadecimal digits that change with the size or any pixel of an image, whatever file it came from."""
    digest = hashlib.sha256(f"{image.mode} {image.width} x {image.height} ".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


class DiskCache:
    """A store of dicts of plain values by key, in a folder.

    Args:
        folder: The folder; it is made when the first entry is put.
        max_bytes: The size of all entries together, above which the least recently used ones are deleted. A run checks
            it after writing a twentieth of it, so the folder may be larger for a while.

    Attributes:
        hits: Number of calls of `get` that found an entry.
        misses: Number of calls of `get` that found none.

    Raises:
        InvalidInputError: max_bytes is below 1, or the folder is a file.
    """

    def __init__(self, folder: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> None:
        self.folder = Path(folder).expanduser()
        if max_bytes < 1:
            raise InvalidInputError(f"max_bytes={max_bytes} was given; a number of bytes from 1 up is accepted.")
        if self.folder.is_file():
            raise InvalidInputError(f"{self.folder} is a file; give a folder, or set {VARIABLE}=off for no cache.")
        self.max_bytes = int(max_bytes)
        self.hits = self.misses = 0
        self._writable = True
        self._warned = False
        self._unmeasured: int | None = None  # bytes written since the folder was last measured

    def __repr__(self) -> str:
        return f"DiskCache({str(self.folder)!r}, max_bytes={self.max_bytes})"

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the entry stored under `key`, or None; a damaged one is deleted with a warning."""
        path = self._path(key)
        try:
            packed = path.read_bytes()
        except FileNotFoundError:
            self.misses += 1
            return None
        except OSError as error:
            self._warn(f"The cache {self.folder} cannot be read ({error.strerror}); the run continues without it.")
            self.misses += 1
            return None
        value = _unpack(key, packed)
        if value is None:
            warnings.warn(f"The cache entry {path} is damaged; it is computed again.", ZsrisWarning, stacklevel=2)
            with contextlib.suppress(OSError):
                path.unlink()
            self.misses += 1
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # the time of the last use: the oldest are deleted first
        self.hits += 1
        return value

    def put(self, key: str, value: dict[str, Any]) -> bool:
        """Store a dict under a key, in place of an earlier one.

        Args:
            key: The key, made by `key_of`.
            value: The dict.

        Returns:
            Whether it was stored; after the first failure there is a warning, and no more is written.

        Raises:
            InvalidTypeError: It holds a value that JSON cannot keep.
        """
        packed = _pack(key, value)
        path = self._path(key)
        if not self._writable or len(packed) > self.max_bytes:
            return False
        try:
            write_bytes(path, packed, sync=False)  # a damaged entry is noticed when it is read
        except OSError as error:
            self._writable = False
            self._warn(
                f"The cache {self.folder} cannot be written ({error.strerror or error}); the run continues without "
                f"storing its results. Free some space, or set {VARIABLE} to another folder, or to off."
            )
            return False
        self._count(len(packed))
        return True

    def entries(self) -> Iterator[Path]:
        """Yield the files of all entries."""
        yield from self.folder.glob("??/*.json.gz")

    def clear(self) -> int:
        """Delete all entries and return their number."""
        removed = 0
        for path in list(self.entries()):
            with contextlib.suppress(OSError):
                path.unlink()
                removed += 1
        return removed

    def _path(self, key: str) -> Path:
        if not (isinstance(key, str) and len(key) >= 16 and all(digit in "0123456789abcdef" for digit in key)):
            raise InvalidInputError(f"{key!r} is no key; make keys with key_of(...).")
        return self.folder / key[:2] / f"{key}.json.gz"

    def _warn(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(text, ZsrisWarning, stacklevel=3)

    def _count(self, added: int) -> None:
        """Check from time to time whether the folder has grown too large."""
        if self._unmeasured is not None and self._unmeasured + added <= self.max_bytes * RECHECK_SHARE:
            self._unmeasured += added
            return
        with _try_lock(self.folder) as locked:
            if locked:
                self._delete_oldest()
        self._unmeasured = 0

    def _delete_oldest(self) -> None:
        """Delete the least recently used entries until the others fit, and temporary files of killed runs."""
        files: list[tuple[float, int, Path]] = []
        for path in self.entries():
            with contextlib.suppress(OSError):  # another run may have deleted it
                stat = path.stat()
                files.append((stat.st_mtime, stat.st_size, path))
        total = sum(size for _, size, _ in files)
        if total > self.max_bytes:
            for _, size, path in sorted(files):
                if total <= self.max_bytes * KEPT_SHARE:
                    break
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= size
        for path in self.folder.glob("??/.*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > STALE_SECONDS:
                    path.unlink()


def _pack(key: str, value: dict[str, Any]) -> bytes:
    """Join a line with the format, the key and the checksum to the JSON, and compress both."""
    if not isinstance(value, dict):
        raise InvalidTypeError(f"A cache entry is a dict; {type(value).__name__} was given.")
    try:
        body = json.dumps(value, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(f"A cache entry holds plain values only: {error}.") from error
    head = f"{FORMAT} {key} {hashlib.sha256(body).hexdigest()}\n".encode()
    return gzip.compress(head + body, compresslevel=6, mtime=0)


def _unpack(key: str, packed: bytes) -> dict[str, Any] | None:
    """Return the dict, or None if format, key, checksum or content are not as they were written."""
    try:
        head, _, body = gzip.decompress(packed).partition(b"\n")
        if head.decode() != f"{FORMAT} {key} {hashlib.sha256(body).hexdigest()}":
            return None
        value = json.loads(body)
    except Exception:  # gzip, zlib and json each have their own
        return None
    return value if isinstance(value, dict) else None


@contextlib.contextmanager
def _try_lock(folder: Path) -> Iterator[bool]:
    """Yield whether this run alone may clear the folder now."""
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
        locked = True
    except Timeout:
        locked = False
    except (OSError, NotImplementedError):  # without locks two runs may clear at once, which is wasteful but not wrong
        locked = True
    try:
        yield locked
    finally:
        lock.release()
