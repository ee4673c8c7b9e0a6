"""A dictionary of limited size that keeps the entries used last."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LruDict(OrderedDict[K, V], Generic[K, V]):
    """A dictionary that removes the least recently used entries when it has more than `size` of them.

    Reading an entry by `[]` or `get` counts as use; a test with `in` does not.

    Args:
        size: Largest number of entries, at least 1.

    Example:
        >>> kept = LruDict(2)
        >>> kept["a"], kept["b"] = 1, 2
        >>> kept["a"]
        1
        >>> kept["c"] = 3
        >>> list(kept)
        ['a', 'c']
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def __getitem__(self, key: K) -> V:
        """Return the value of a key, which becomes the most recently used one."""
        value = super().__getitem__(key)
        self.move_to_end(key)
        return value

    def get(self, key: K, default: Any = None) -> Any:
        """Return the value of a key, which becomes the most recently used one, or the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def __setitem__(self, key: K, value: V) -> None:
        """Set the value of a key, which becomes the most recently used one, and remove what exceeds the size."""
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self.size:
            self.popitem(last=False)
