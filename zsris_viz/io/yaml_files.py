"""Reading YAML that people edit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from zsris_viz.errors import CorruptFileError, UnavailableError
from zsris_viz.io.plain_data import TooLargeError, check_plain

MAX_VALUES = 1_000_000
MAX_DEPTH = 50


def read_yaml(path: str | os.PathLike[str]) -> list[Any]:
    """Read the documents of a YAML file; tags that would build objects are refused.

    Args:
        path: The file.

    Returns:
        One value for each document; `---` separates them.

    Raises:
        UnavailableError: There is no such file.
        CorruptFileError: It is not UTF-8, not YAML, or has aliases that contain themselves or multiply without bound.
    """
    file = Path(path)
    if not file.is_file():
        raise UnavailableError(f"{file} does not exist; check the path.")
    try:
        content = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
        check_plain(content, max_values=MAX_VALUES, max_depth=MAX_DEPTH)
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{file} is not UTF-8 text ({error}); save it as UTF-8.") from error
    except (yaml.YAMLError, ValueError, TypeError) as error:  # the last two from values such as impossible dates
        raise CorruptFileError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from error
    except TooLargeError as error:
        raise CorruptFileError(f"{file} holds {error}; write it again.") from error
    except RecursionError as error:
        raise CorruptFileError(f"{file} holds parts that are nested too deeply; write it again.") from error
    return content
