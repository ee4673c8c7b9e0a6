"""Reading pickles that hold data and nothing else.

Python's own unpickler runs what a pickle asks for, and even without that a few bytes can exhaust it. This reader knows
only the instructions that build lists, tuples, dicts, sets, numbers and texts, and it bounds their number and depth.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from zsris_viz.datasets.pickle_reader import MAX_DEPTH, SCALARS, DamagedPickleError, PickleReader, RefusedPickleError
from zsris_viz.errors import CorruptFileError

MAX_BYTES = 128 * 2**20  # far more than any published file has
MAX_VALUES = 20_000_000  # after shared parts have been written out, as a recursive reader would see them

_CONTAINERS = (list, tuple, dict, set)


def load_plain(path: Path) -> Any:
    """Read a pickle that consists of lists, tuples, dicts, sets, numbers, texts and None; nothing in it is run.

    Byte strings, which Python 2 wrote for text, become text: UTF-8 if they are, else Latin-1. Ordered dicts become
    dicts, and frozen sets become sets.

    Args:
        path: The file.

    Returns:
        The content.

    Raises:
        CorruptFileError: The pickle holds anything else, is nested too deeply, is too large, or is damaged.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise CorruptFileError(
            f"{path} has {size:,} bytes; annotation files of up to {MAX_BYTES:,} are read. Fetch the file again."
        )
    try:
        content = PickleReader(path.read_bytes()).read()
        _check(content)
    except RefusedPickleError as error:
        raise CorruptFileError(
            f"{path} is refused: it holds {error}, and only plain lists, dicts, numbers and texts are read. "
            "Nothing in it was run. Fetch the file again from a source named in its manifest."
        ) from error
    except (DamagedPickleError, IndexError, KeyError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise CorruptFileError(f"{path} is no whole pickle ({error or 'it breaks off'}); fetch it again.") from error
    return content


def _check(content: Any) -> None:
    """Refuse what is nested too deeply, contains itself, or grows without bound when shared parts are written out."""
    sizes: dict[int, tuple[int, int]] = {}  # identity of a finished container -> values and levels below it
    entered: set[int] = set()
    pending: list[tuple[Any, bool]] = [(content, False)]
    while pending:
        value, leaving = pending.pop()
        if type(value) in SCALARS:
            continue
        if type(value) not in _CONTAINERS:
            raise RefusedPickleError("a name without its arguments")
        identity = id(value)
        children = value.values() if type(value) is dict else value
        if leaving:
            below = [sizes.get(id(child), (1, 0)) for child in children if type(child) not in SCALARS]
            count = len(value) + 1 + sum(size for size, _ in below)
            depth = 1 + max((levels for _, levels in below), default=0)
            if count > MAX_VALUES or depth > MAX_DEPTH:
                raise RefusedPickleError("parts that are nested too deeply or repeated too often")
            sizes[identity] = count, depth
            entered.discard(identity)
        elif identity in entered:
            raise RefusedPickleError("a part that contains itself")
        elif identity not in sizes:
            entered.add(identity)
            if len(entered) > MAX_DEPTH:
                raise RefusedPickleError("parts that are nested too deeply")
            pending.append((value, True))
            pending.extend((child, False) for child in children if type(child) not in SCALARS)
