"""Registries: what can be asked for by name, of this package and of installed plug-ins.

A registry knows three sources of entries. Built-in entries are written as `"module:object"` and imported on first use,
so that names are listed without importing anything heavy. An installed package adds entries through the entry points
of the registry's group. A notebook or script adds a class of its own with the decorator :meth:`Registry.register`.

A plug-in declares its classes in its `pyproject.toml`::

    [project.entry-points."zsris_viz.methods"]
    largest-mask = "my_package:LargestMask"
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from zsris_viz.errors import InvalidInputError, UnavailableError, ZsrisWarning

T = TypeVar("T")


class Registry(Generic[T]):
    """Entries by name; each is imported when it is loaded for the first time.

    Args:
        kind: What an entry is, for messages, such as "method".
        group: Entry-point group of plug-ins, such as "zsris_viz.methods".
        builtin: Built-in entries in the order of tables, name -> `"module:object"`.

    Examples:
        >>> methods = Registry("method", "example.methods", {"counter": "collections:Counter"})
        >>> methods.names()
        ['counter']
        >>> methods.load("counter").__name__
        'Counter'
        >>> @methods.register("mine")
        ... class Mine: ...
        >>> methods.names()
        ['counter', 'mine']
    """

    def __init__(self, kind: str, group: str, builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self.group = group
        self._builtin = dict(builtin)
        self._loaded: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that adds a class or function to this process under `name`.

        Registering a name again replaces the earlier entry, so that a notebook cell can be run twice.

        Args:
            name: The name to register; not the name of a built-in or installed entry.

        Returns:
            The decorator, which returns what it decorates unchanged.

        Raises:
            InvalidInputError: The name belongs to a built-in or installed entry.
        """
        if name in self._builtin or name in self._plugins:
            raise InvalidInputError(f"{self.kind} {name!r} exists already; register yours under another name.")

        def add(entry: T) -> T:
            self._loaded[name] = entry
            return entry

        return add

    def names(self) -> list[str]:
        """Return all names without importing an entry: built-in ones, plug-ins, then those registered here."""
        return list(dict.fromkeys([*self._builtin, *self._plugins, *self._loaded]))

    def load(self, name: str) -> T:
        """Return the entry registered under `name`.

        Raises:
            InvalidInputError: The name is unknown; the message lists the names that exist.
            UnavailableError: The plug-in that brings the entry cannot be imported; the message names its package.
        """
        if name not in self._loaded:
            if name in self._builtin:
                module, _, attribute = self._builtin[name].partition(":")
                self._loaded[name] = getattr(importlib.import_module(module), attribute)
            elif name in self._plugins:
                self._loaded[name] = self._load_plugin(self._plugins[name])
            else:
                raise InvalidInputError(f"{self.kind} {name!r} is unknown; use one of {', '.join(self.names())}.")
        return self._loaded[name]

    def package(self, name: str) -> str | None:
        """Return the distribution that brings a plug-in, or None for a built-in or locally registered entry."""
        entry = self._plugins.get(name)
        return None if entry is None else _distribution(entry)

    def items(self) -> Iterator[tuple[str, T]]:
        """Yield every name with its loaded entry; a plug-in that cannot be imported is left out with a warning."""
        for name in self.names():
            try:
                entry = self.load(name)
            except UnavailableError as error:
                if self.package(name) is None:
                    raise
                warnings.warn(str(error), ZsrisWarning, stacklevel=2)
                continue
            yield name, entry

    def __contains__(self, name: object) -> bool:
        return name in self._builtin or name in self._plugins or name in self._loaded

    def __repr__(self) -> str:
        return f"Registry({self.kind!r}: {', '.join(self.names())})"

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        """Entry points of the group; of two with the same name the first, by distribution, is kept with a warning."""
        plugins: dict[str, EntryPoint] = {}
        for entry in sorted(entry_points(group=self.group), key=lambda entry: (_distribution(entry), entry.name)):
            if entry.name in plugins and plugins[entry.name] == entry:
                continue  # the same distribution is on sys.path twice
            if entry.name in self._builtin or entry.name in plugins:
                owner = "this package" if entry.name in self._builtin else _distribution(plugins[entry.name])
                warnings.warn(
                    f"the package {_distribution(entry)!r} also offers a {self.kind} {entry.name!r}; the one of "
                    f"{owner} is used. Uninstall one of them or rename the entry point.",
                    ZsrisWarning,
                    stacklevel=2,
                )
                continue
            plugins[entry.name] = entry
        return plugins

    def _load_plugin(self, entry: EntryPoint) -> T:
        try:
            return cast(T, entry.load())
        except Exception as error:  # whatever foreign code raises while it is imported
            raise UnavailableError(
                f"the {self.kind} {entry.name!r} of the package {_distribution(entry)!r} cannot be imported from "
                f"{entry.value!r}: {type(error).__name__}: {error}. Repair or uninstall that package."
            ) from error


def _distribution(entry: EntryPoint) -> str:
    """Return the name of the distribution that an entry point belongs to."""
    return entry.dist.name if entry.dist is not None else "unknown"
