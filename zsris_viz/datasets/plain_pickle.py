"""Safe reading of pickles that contain only plain data.

Python's own unpickler executes code that a pickle requests, and a few bytes can exhaust the memory. This reader
supports only the instructions that build lists, tuples, dicts, sets, numbers and texts, and it bounds their number and
depth.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from zsris_viz.datasets.pickle_reader import PickleReader
from zsris_viz.datasets.pickle_values import MAX_DEPTH, SCALARS, DamagedPickleError, RefusedPickleError
from zsris_viz.errors import CorruptFileError
from zsris_viz.io.plain_data import TooLargeError, check_plain

MAX_BYTES = 128 * 2**20  # far more than the size of any published file
MAX_VALUES = 20_000_000  # a shared part counts each time that it occurs


def load_plain(path: Path) -> Any:
    """Read a pickle that consists of lists, tuples, dicts, sets, numbers, texts and None; no code in it is run.

    Byte strings, which Python 2 wrote for text, are decoded as UTF-8 if possible and otherwise as Latin-1. Ordered
    dicts become dicts, and frozen sets become sets.

    Args:
        path: The file.

    Returns:
        The content.

    Raises:
        CorruptFileError: The pickle contains anything else, is nested too deeply, is too large, or is damaged.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise CorruptFileError(
            f"{path} has {size:,} bytes; annotation files of up to {MAX_BYTES:,} are read. Fetch the file again."
        )
    try:
        content = PickleReader(path.read_bytes()).read()
        check_plain(content, max_values=MAX_VALUES, max_depth=MAX_DEPTH)
        _check_types(content)
    except (RefusedPickleError, TooLargeError) as error:
        raise CorruptFileError(
            f"{path} is refused: it holds {error}, and only plain lists, dicts, numbers and texts are read. "
            "Nothing in it was run. Fetch the file again from a source named in its manifest."
        ) from error
    except (DamagedPickleError, IndexError, KeyError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise CorruptFileError(
            f"{path} is not a complete pickle ({error or 'it breaks off'}); fetch it again."
        ) from error
    return content


def _check_types(content: Any) -> None:
    """Refuse values that are not plain data, such as a global name without its arguments."""
    checked: set[int] = set()
    pending = [content]
    while pending:
        value = pending.pop()
        if type(value) in SCALARS or id(value) in checked:
            continue
        if type(value) not in (list, tuple, dict, set):
            raise RefusedPickleError("a name without its arguments")
        checked.add(id(value))
        pending.extend(value.values() if type(value) is dict else value)
