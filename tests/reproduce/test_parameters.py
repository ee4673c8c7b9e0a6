"""The cell tagged `parameters`: what it offers and which values fit."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reproduce.conftest import PARAMETERS, World
from zsris_viz.errors import CorruptFileError, InvalidInputError
from zsris_viz.reproduce.parameters import check_parameters, read_parameters


def test_defaults_are_read(world: World) -> None:
    path = world.notebook("00_a", [], PARAMETERS + "\nwide: bool = False\nnegative = -1\nnothing = None")
    assert read_parameters(path) == {
        "limit": 3, "alpha": 0.95, "clip": "miniature", "layers": [1, 2], "output_dir": "outputs",
        "wide": False, "negative": -1, "nothing": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"limit": "7"}, {"limit": 7}),
        ({"alpha": 1}, {"alpha": 1.0}),
        ({"alpha": "1e-3"}, {"alpha": 0.001}),
        ({"clip": "12"}, {"clip": "12"}),
        ({"layers": "[3]"}, {"layers": [3]}),
        ({"limit": None}, {"limit": None}),
        ({"limit": "null"}, {"limit": None}),
    ],
)
def test_values_take_the_type_of_the_default(world: World, given: dict[str, Any], expected: dict[str, Any]) -> None:
    result = check_parameters(world.notebook("00_a", []), given)
    assert result == expected
    assert [type(v) for v in result.values()] == [type(v) for v in expected.values()]


@pytest.mark.parametrize("given", [{"limit": "many"}, {"limit": 1.5}, {"limit": True}, {"clip": 3}, {"layers": "3"}])
def test_values_of_another_type_are_refused(world: World, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="is of type"):
        check_parameters(world.notebook("00_a", []), given)


def test_unknown_names_are_refused_with_what_there_is(world: World) -> None:
    with pytest.raises(InvalidInputError, match=r"00_a has no parameter 'limits'; it has limit \(default 3\), alpha"):
        check_parameters(world.notebook("00_a", []), {"limits": 3})


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (None, "0 cells"),
        ("a = 1", "output_dir"),
        ("a = 1 + b\noutput_dir = ''", "a = 1 \\+ b"),
        ("import os\noutput_dir = ''", "import os"),
        ("a, b = 1, 2\noutput_dir = ''", "name = literal"),
        ("a = ", "not Python"),
    ],
)
def test_wrong_cells_are_refused(world: World, cell: str | None, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read_parameters(world.notebook("00_a", [], cell))


def test_not_a_notebook(world: World) -> None:
    path = world.notebooks / "bad.ipynb"
    path.write_text("{")
    with pytest.raises(CorruptFileError, match=r"bad\.ipynb"):
        read_parameters(path)


@pytest.mark.parametrize("cells", ["null", "3", "{}"], ids=["null", "number", "object"])
def test_notebooks_without_cells(world: World, cells: str) -> None:
    path = world.notebooks / "bad.ipynb"
    path.write_text(f'{{"cells": {cells}, "metadata": {{}}, "nbformat": 4, "nbformat_minor": 5}}')
    with pytest.raises(CorruptFileError, match=r"bad\.ipynb"):
        read_parameters(path)
