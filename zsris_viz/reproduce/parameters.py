"""The cell tagged `parameters` of a notebook: its names and defaults, and the check of given values."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import yaml

from zsris_viz.errors import CorruptFileError, InvalidInputError


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a notebook in format 4.

    Raises:
        CorruptFileError: The file is not a notebook.
    """
    try:
        found = nbformat.read(path, as_version=4)
    except (OSError, ValueError, AttributeError, KeyError, TypeError, nbformat.ValidationError) as error:
        raise CorruptFileError(f"{path} cannot be read as a notebook: {error}") from error
    if not isinstance(found.get("cells"), list):
        raise CorruptFileError(f"{path} has no list of cells; it is not a notebook in format 4.")
    return found


def read_parameters(path: Path) -> dict[str, Any]:
    """Return the names and defaults in the notebook's cell tagged `parameters`.

    Raises:
        InvalidInputError: Not exactly one such cell, a value in it that is no plain literal, or no `output_dir`.
    """
    cells = [
        cell
        for cell in read_notebook(path).cells
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", [])
    ]
    if len(cells) != 1:
        raise InvalidInputError(f"{path.name} has {len(cells)} cells tagged `parameters`; it must have exactly one")
    try:
        statements = ast.parse(cells[0].source).body
    except SyntaxError as error:
        raise InvalidInputError(f"{path.name}: the cell tagged `parameters` is not Python: {error}") from error
    found: dict[str, Any] = {}
    for statement in statements:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        try:
            if not isinstance(target, ast.Name) or not isinstance(statement, (ast.Assign, ast.AnnAssign)):
                raise ValueError
            found[target.id] = ast.literal_eval(statement.value or ast.Constant(None))
        except ValueError:
            raise InvalidInputError(
                f"{path.name}: `{ast.unparse(statement)}` in the cell tagged `parameters` is not `name = literal`; "
                "derive other values in a cell below it"
            ) from None
    if "output_dir" not in found:
        raise InvalidInputError(f'{path.name}: add `output_dir = "outputs"` to the cell tagged `parameters`')
    return found


def check_parameters(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Compare `values` with the notebook's parameters before anything runs.

    A text stands for what YAML makes of it, where the default is not itself a text: "3" fits a number, "[a, b]" a list.

    Returns:
        `values` with each value in its default's type (a whole number for a float is turned into one).

    Raises:
        InvalidInputError: A name that the notebook does not have, `output_dir`, or a value of another type.
    """
    if "output_dir" in values:
        raise InvalidInputError("output_dir is set for every notebook by --output DIR; leave the parameter out.")
    defaults = read_parameters(path)
    unknown = [name for name in values if name not in defaults]
    if unknown:
        raise InvalidInputError(
            f"notebook {path.stem} has no parameter {', '.join(map(repr, unknown))}; it has "
            f"{', '.join(f'{name} (default {value!r})' for name, value in defaults.items() if name != 'output_dir')}"
        )
    return {name: _fit(path, name, value, defaults[name]) for name, value in values.items()}


def _from_text(text: str, default: Any) -> Any:
    try:
        # YAML 1.1 takes 1e-3 for a text.
        return float(text) if isinstance(default, float) else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return text


def _fit(path: Path, name: str, value: Any, default: Any) -> Any:
    if isinstance(value, str) and not isinstance(default, str):
        value = _from_text(value, default)
    if default is None or value is None or type(value) is type(default):
        return value
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, tuple) and isinstance(value, list):
        return value
    raise InvalidInputError(
        f"parameter {name!r} of notebook {path.stem} is of type {type(default).__name__} (default {default!r}); "
        f"got {value!r}, of type {type(value).__name__}"
    )
