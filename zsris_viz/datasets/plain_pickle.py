"""Reading pickles that must hold data and nothing else: a pickle can otherwise run any program."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zsris_viz.errors import CorruptFileError


class _RefusedError(pickle.UnpicklingError):
    """The pickle names something that is no plain data."""


def _encode(text: str, coding: str = "latin1") -> bytes:
    """What Python 3 writes for bytes in old protocols: `_codecs.encode`, for this one coding only."""
    if coding not in ("latin1", "latin-1"):
        raise _RefusedError(f"bytes in the coding {coding!r}")
    return text.encode("latin1")


# The only names that plain data may need; each builds a container or bytes and does nothing else.
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # Python 2 called builtins __builtin__; the base class maps it after this call, so it is mapped here.
        key = ("builtins" if module == "__builtin__" else module, name)
        if key not in _ALLOWED:
            raise _RefusedError(f"{module}.{name}")
        return _ALLOWED[key]

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError("a reference to an outside object")


def load_plain(path: Path) -> Any:
    """The content of a pickle that consists of lists, tuples, dicts, sets, numbers, strings, bytes and None.

    Strings of Python 2 become text: UTF-8 if they are, else Latin-1.

    Raises:
        CorruptFileError: the pickle names anything else (nothing of it is run), or is damaged.
    """
    try:
        found = _PlainUnpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        return _as_text(found)
    except _RefusedError as error:
        raise CorruptFileError(
            f"{path} is refused: it holds {error}, and only plain lists, dicts, numbers and strings are read. "
            "Nothing in it was run. Fetch the file again from a source named in its manifest."
        ) from error
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        MemoryError,
    ) as error:
        raise CorruptFileError(f"{path} is no whole pickle ({error}); fetch it again.") from error
    except (RecursionError, OverflowError) as error:
        raise CorruptFileError(f"{path} is nested without end; fetch it again.") from error


def _as_text(value: Any) -> Any:
    """The same with every bytes object as text and every container as list, dict or set."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin1")
    if isinstance(value, dict):
        return {_as_text(key): _as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_as_text(item) for item in value)
    if isinstance(value, (set, frozenset)):
        return {_as_text(item) for item in value}
    return value
