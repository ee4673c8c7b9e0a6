"""A check that the content of a file can be processed in reasonable time and memory."""

from __future__ import annotations

from typing import Any

_CONTAINERS = (list, tuple, dict, set)


class TooLargeError(Exception):
    """Data contain themselves, are nested too deeply, or repeat shared parts too often."""


def check_plain(content: Any, *, max_values: int, max_depth: int) -> None:
    """Refuse data that a recursive reader could not process.

    Lists and dicts that share parts, as pickles and YAML allow, can stand for many more values than they hold.

    Args:
        content: Lists, tuples, dicts and sets of anything.
        max_values: How many values there may be when shared parts are written out.
        max_depth: How deeply containers may be nested.

    Raises:
        TooLargeError: There are more, or a part contains itself.
    """
    sizes: dict[int, tuple[int, int]] = {}  # identity of a finished container -> values and levels below it
    entered: set[int] = set()
    pending: list[tuple[Any, bool]] = [(content, False)]
    while pending:
        value, leaving = pending.pop()
        if type(value) not in _CONTAINERS:
            continue
        identity = id(value)
        children = value.values() if type(value) is dict else value
        if leaving:
            below = [sizes[id(child)] for child in children if type(child) in _CONTAINERS]
            count = len(value) + 1 + sum(size for size, _ in below)
            depth = 1 + max((levels for _, levels in below), default=0)
            if count > max_values or depth > max_depth:
                raise TooLargeError("parts that are nested too deeply or repeated too often")
            sizes[identity] = count, depth
            entered.discard(identity)
        elif identity in entered:
            raise TooLargeError("a part that contains itself")
        elif identity not in sizes:
            entered.add(identity)
            if len(entered) > max_depth:
                raise TooLargeError("parts that are nested too deeply")
            pending.append((value, True))
            pending.extend((child, False) for child in children if type(child) in _CONTAINERS)
