"""The examples in docstrings run; only modules that have any are imported."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.import_graph import modules

WITH_EXAMPLES = [name for name, path in modules().items() if "\n    >>> " in path.read_text(encoding="utf-8")]
WITH_EXAMPLES += [name for name, path in modules().items() if "     >>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("name", sorted(set(WITH_EXAMPLES)))
def test_examples_of_docstrings(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted, f"{name}: no example was found where '>>>' stands"
    assert not results.failed
