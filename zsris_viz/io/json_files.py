"""Reading and writing JSON, and conversion of Python values to JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zsris_viz.errors import CorruptFileError, UnavailableError
from zsris_viz.io.atomic import write_text


def read_json(path: str | os.PathLike[str], remedy: str = "Fetch it again.") -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        remedy: What to do if the file is missing or damaged, a whole sentence.

    Returns:
        The content.

    Raises:
        UnavailableError: There is no such file.
        CorruptFileError: The file is not valid JSON in UTF-8, or is nested too deeply.
    """
    file = Path(path)
    if not file.is_file():
        raise UnavailableError(f"{file} does not exist. {remedy}")
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{file} is not valid JSON ({error}). {remedy}") from error


def read_json_object(path: str | os.PathLike[str], remedy: str = "Fetch it again.") -> dict[str, Any]:
    """Read a JSON file that holds an object; see `read_json` for the arguments.

    Returns:
        The object.

    Raises:
        UnavailableError: There is no such file.
        CorruptFileError: The file is not valid JSON, or holds something other than an object.
    """
    content = read_json(path, remedy)
    if not isinstance(content, dict):
        raise CorruptFileError(f"{path} holds a {type(content).__name__} and not an object. {remedy}")
    return content


def write_json(path: str | os.PathLike[str], value: Any, *, indent: int | None = 1, sync: bool = True) -> None:
    """Write a value as JSON, atomically.

    Args:
        path: The file; missing folders above it are made.
        value: Anything that `plain` accepts.
        indent: Spaces of indentation for each level; None writes one line.
        sync: See `atomic_path`.

    Raises:
        OSError: The file cannot be written.
    """
    write_text(path, json.dumps(plain(value), indent=indent, ensure_ascii=False) + "\n", sync=sync)


def plain(value: Any) -> Any:
    """Convert a value to dicts, lists, texts, numbers, booleans and None.

    Dataclasses become dicts; arrays and tensors lists; sets sorted lists; NaN and infinity, which JSON lacks, None;
    anything else its text.

    Example:
        >>> plain({"size": (2, 3), "loss": float("nan")})
        {'size': [2, 3], 'loss': None}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=str)
    if hasattr(value, "tolist"):  # NumPy and PyTorch
        return plain(value.tolist())
    return str(value)
