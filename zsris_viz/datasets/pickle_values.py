"""The stack and the memo of a pickle, and the operations that build plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MAX_KEY_BITS = 64  # longer numbers can be chosen to have equal hashes
MAX_DEPTH = 32  # the published files have 5 levels

SCALARS = (str, int, float, bool, type(None))
_NAMES = {
    ("builtins", "set"): "set",
    ("builtins", "frozenset"): "set",
    ("collections", "OrderedDict"): "dict",
    ("_codecs", "encode"): "encode",
}


class RefusedPickleError(Exception):
    """The pickle contains something other than plain data, or too much of it."""


class DamagedPickleError(Exception):
    """The pickle is truncated or inconsistent."""


class _Name:
    """A global name that is permitted in plain data; `PickleValues.reduce` builds its value."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


_MARK = object()


class PickleValues:
    """The stack and the memo of a pickle, with the operations that build plain data.

    Args:
        size: Number of bytes of the pickle, which limits its memo.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.marks = 0
        self.levels: dict[int, int] = {}  # identity of a container -> depth of its nesting

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def mark(self) -> None:
        """Begin a container."""
        self.marks += 1
        if self.marks > 2 * MAX_DEPTH:
            raise RefusedPickleError("parts that are nested too deeply")
        self.stack.append(_MARK)

    def nest(self, container: Any, values: Sequence[Any]) -> None:
        """Record that a container contains values, and refuse it if it is nested too deeply."""
        levels = self.levels
        below = max((levels.get(id(value), 1) for value in values if type(value) not in SCALARS), default=0)
        if below and below >= levels.get(id(container), 1):
            if below >= MAX_DEPTH:
                raise RefusedPickleError("parts that are nested too deeply")
            levels[id(container)] = below + 1

    def since_mark(self) -> list[Any]:
        """Remove the last mark and the values above it from the stack, and return these values."""
        stack = self.stack
        for index in range(len(stack) - 1, -1, -1):
            if stack[index] is _MARK:
                values = stack[index + 1 :]
                del stack[index:]
                self.marks -= 1
                return values
        raise DamagedPickleError("a mark is missing")

    def get(self, index: int) -> None:
        """Put a value of the memo on the stack."""
        self.stack.append(self.memo[index])

    def put(self, index: int) -> None:
        """Store the value on top of the stack in the memo."""
        if index > self.size:  # pickles number the values in their memo from 0
            raise RefusedPickleError(f"the number {index:,} for a value in the memo")
        self.memo[index] = self.stack[-1]

    def pop(self) -> None:
        """Remove the value on top of the stack."""
        self.stack.pop()

    def join(self, count: int) -> None:
        """Replace the top values by a tuple of them."""
        if len(self.stack) < count:
            raise DamagedPickleError("values are missing")
        values = self.stack[-count:]
        del self.stack[-count:]
        self.tuple_of(values)

    def tuple_of(self, values: list[Any]) -> None:
        """Put a tuple of values on the stack."""
        made = tuple(values)
        self.nest(made, made)
        self.push(made)

    def list_of(self, values: list[Any]) -> None:
        """Put a list of values on the stack."""
        self.push([])
        self.extend(values)

    def dict_of(self, values: list[Any]) -> None:
        """Put a dict of alternating keys and values on the stack."""
        self.push({})
        self.update(values)

    def set_of(self, values: list[Any]) -> None:
        """Put a set of values on the stack."""
        self.push(set())
        self.add(values)

    def extend(self, values: list[Any]) -> None:
        """Append values to the list on top of the stack."""
        target = self.stack[-1]
        if type(target) is not list:
            raise DamagedPickleError(f"a {type(target).__name__} is used as a list")
        self.nest(target, values)
        target.extend(values)

    def update(self, values: list[Any]) -> None:
        """Add alternating keys and values to the dict on top of the stack."""
        target = self.stack[-1]
        if type(target) is not dict or len(values) % 2:
            raise DamagedPickleError("keys and values do not match")
        self.nest(target, values[1::2])
        for index in range(0, len(values), 2):
            target[_key(values[index])] = values[index + 1]

    def add(self, values: list[Any]) -> None:
        """Add values to the set on top of the stack."""
        target = self.stack[-1]
        if type(target) is not set:
            raise DamagedPickleError(f"a {type(target).__name__} is used as a set")
        target.update(map(_key, values))

    def item(self) -> None:
        """Put the key and the value on top of the stack into the dict below them."""
        value, key = self.stack.pop(), self.stack.pop()
        self.update([key, value])

    def append(self) -> None:
        """Append the top of the stack to the list below it."""
        self.extend([self.stack.pop()])

    def name(self, module: str, name: str) -> None:
        """Put a global name on the stack if it is one of the few that plain data may use."""
        # Python 2 called the module of the built-in functions __builtin__.
        key = ("builtins" if module == "__builtin__" else module, name)
        if key not in _NAMES:
            raise RefusedPickleError(f"{module}.{name}"[:200])
        self.push(_Name(_NAMES[key]))

    def stack_name(self) -> None:
        """Put a global name on the stack whose two parts are on top of the stack."""
        name, module = self.stack.pop(), self.stack.pop()
        self.name(str(module), str(name))

    def reduce(self) -> None:
        """Build the value of a global name and its arguments."""
        arguments, name = self.stack.pop(), self.stack.pop()
        if not isinstance(name, _Name) or not isinstance(arguments, tuple):
            raise RefusedPickleError("a call of something else than a container")
        if name.kind == "encode":
            text, coding = arguments
            if not isinstance(text, str) or coding not in ("latin1", "latin-1"):
                raise RefusedPickleError(f"bytes in the coding {str(coding)[:40]!r}")
            self.push(decode_text(text.encode("latin1")))
        elif name.kind == "set":
            if len(arguments) > 1 or any(type(values) not in (list, tuple) for values in arguments):
                raise DamagedPickleError("a set is made of something other than a list")
            self.set_of([value for values in arguments for value in values])
        else:
            self.dict_of([part for values in arguments for pair in values for part in _pair(pair)])


def _pair(values: Any) -> tuple[Any, Any]:
    if type(values) not in (list, tuple) or len(values) != 2:
        raise DamagedPickleError("a dict is made of something other than pairs")
    return values[0], values[1]


def _key(value: Any) -> Any:
    """Return a key after refusing one whose hash could be slow or collide."""
    if type(value) not in SCALARS or (type(value) is int and value.bit_length() > MAX_KEY_BITS):
        raise RefusedPickleError(f"a {type(value).__name__} as a key")
    return value


def decode_text(raw: bytes) -> str:
    """Decode bytes as UTF-8, or as Latin-1 (written by Python 2) if they are not UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin1")
