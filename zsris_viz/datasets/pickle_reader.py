"""The instructions of a pickle that build plain data, followed without Python's own unpickler."""

from __future__ import annotations

import codecs
import pickle
import struct
from collections.abc import Callable, Sequence
from typing import Any

MAX_KEY_BITS = 64  # longer numbers can be chosen to have equal hashes
MAX_DIGITS = 300  # of a number that is written in decimal
MAX_DEPTH = 32  # the published files have 5 levels
MAX_STACK = 200_000  # values that wait to be put into a container; pickles write them in batches of 1,000

SCALARS = (str, int, float, bool, type(None))
_NAMES = {
    ("builtins", "set"): "set",
    ("builtins", "frozenset"): "set",
    ("collections", "OrderedDict"): "dict",
    ("_codecs", "encode"): "encode",
}


class RefusedPickleError(Exception):
    """The pickle holds something other than plain data, or too much of it."""


class DamagedPickleError(Exception):
    """The pickle breaks off or contradicts itself."""


class _Name:
    """A name that plain data may mention; only `PickleReader.reduce` knows what it stands for."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


_MARK = object()


class PickleReader:
    """Follows the instructions of one pickle.

    Args:
        data: The pickle.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.marks = 0
        self.levels: dict[int, int] = {}  # identity of a container -> how deeply it is nested

    def read(self) -> Any:
        """Return the value that the pickle ends with."""
        data, stack, dispatch = self.data, self.stack, _INSTRUCTIONS
        while True:
            code = data[self.position]
            self.position += 1
            if code == _STOP:
                return stack.pop()
            action = dispatch.get(code)
            if action is None:
                raise RefusedPickleError(f"the instruction {bytes([code])!r}")
            action(self)
            if len(stack) > MAX_STACK:
                raise RefusedPickleError(f"more than {MAX_STACK:,} values without a container")

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        start, end = self.position, self.position + count
        if count < 0 or end > len(self.data):
            raise DamagedPickleError("it breaks off")
        self.position = end
        return self.data[start:end]

    def number(self, form: str) -> int:
        """Return the next whole number in a form of `struct`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> bytes:
        """Return the bytes up to the end of the line."""
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise DamagedPickleError("it breaks off")
        start, self.position = self.position, end + 1
        return self.data[start:end]

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
        """Note that a container holds values, and refuse it if it is nested too deeply."""
        levels = self.levels
        below = max((levels.get(id(value), 1) for value in values if type(value) not in SCALARS), default=0)
        if below and below >= levels.get(id(container), 1):
            if below >= MAX_DEPTH:
                raise RefusedPickleError("parts that are nested too deeply")
            levels[id(container)] = below + 1

    def since_mark(self) -> list[Any]:
        """Take the values since the last mark off the stack, and the mark."""
        stack = self.stack
        for index in range(len(stack) - 1, -1, -1):
            if stack[index] is _MARK:
                values = stack[index + 1 :]
                del stack[index:]
                self.marks -= 1
                return values
        raise DamagedPickleError("a mark is missing")

    def get(self, index: int) -> None:
        """Put a remembered value on the stack."""
        self.stack.append(self.memo[index])

    def put(self, index: int) -> None:
        """Remember the value on top of the stack."""
        if index > len(self.data):  # pickles number what they remember from 0
            raise RefusedPickleError(f"the number {index:,} for a value to remember")
        self.memo[index] = self.stack[-1]

    def pop(self) -> None:
        """Drop the top of the stack."""
        self.stack.pop()

    def decimal(self, text: bytes) -> int:
        """Return a number that is written in decimal."""
        if len(text) > MAX_DIGITS:
            raise RefusedPickleError(f"a number of {len(text):,} digits")
        return int(text)

    def integer(self) -> None:
        """Read a line with a number, or with the texts that old pickles use for True and False."""
        text = self.line()
        self.push({b"01": True, b"00": False}.get(text) if text in (b"01", b"00") else self.decimal(text))

    def join(self, count: int) -> None:
        """Join the top values to a tuple."""
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
        """Put a dict of keys and values, in turn, on the stack."""
        self.push({})
        self.update(values)

    def set_of(self, values: list[Any]) -> None:
        """Put a set of values on the stack."""
        self.push(set())
        self.add(values)

    def frame(self) -> None:
        """Check that a frame does not reach beyond the end; nothing else depends on it."""
        if self.number("<Q") > len(self.data) - self.position:
            raise DamagedPickleError("it breaks off")

    def extend(self, values: list[Any]) -> None:
        """Append values to the list on top of the stack."""
        target = self.stack[-1]
        if type(target) is not list:
            raise DamagedPickleError(f"a {type(target).__name__} is used as a list")
        self.nest(target, values)
        target.extend(values)

    def update(self, values: list[Any]) -> None:
        """Put keys and values, in turn, into the dict on top of the stack."""
        target = self.stack[-1]
        if type(target) is not dict or len(values) % 2:
            raise DamagedPickleError("keys and values do not match")
        self.nest(target, values[1::2])
        for index in range(0, len(values), 2):
            target[_key(values[index])] = values[index + 1]

    def add(self, values: list[Any]) -> None:
        """Put values into the set on top of the stack."""
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
        """Accept one of the few names that plain data may mention."""
        # Python 2 called the module of the built-in functions __builtin__.
        key = ("builtins" if module == "__builtin__" else module, name)
        if key not in _NAMES:
            raise RefusedPickleError(f"{module}.{name}"[:200])
        self.push(_Name(_NAMES[key]))

    def stack_name(self) -> None:
        """Accept a name whose two parts lie on the stack."""
        name, module = self.stack.pop(), self.stack.pop()
        self.name(str(module), str(name))

    def reduce(self) -> None:
        """Build what a name and its arguments stand for."""
        arguments, name = self.stack.pop(), self.stack.pop()
        if not isinstance(name, _Name) or not isinstance(arguments, tuple):
            raise RefusedPickleError("a call of something else than a container")
        if name.kind == "encode":
            text, coding = arguments
            if not isinstance(text, str) or coding not in ("latin1", "latin-1"):
                raise RefusedPickleError(f"bytes in the coding {str(coding)[:40]!r}")
            self.push(_text(text.encode("latin1")))
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
    """Refuse a key whose hash could take long."""
    if type(value) not in SCALARS or (type(value) is int and value.bit_length() > MAX_KEY_BITS):
        raise RefusedPickleError(f"a {type(value).__name__} as a key")
    return value


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin1")


def _quoted(line: bytes) -> str:
    """Return the text in a line with a Python literal."""
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise DamagedPickleError("a text has no quotation marks")
    return _text(codecs.escape_decode(line[1:-1])[0])


_STOP = pickle.STOP[0]
# One entry for each instruction of protocols 0 to 5 that builds plain data.
_INSTRUCTIONS: dict[int, Callable[[PickleReader], Any]] = {
    code[0]: action
    for code, action in {
        pickle.PROTO: lambda r: r.take(1),
        pickle.FRAME: PickleReader.frame,
        pickle.MARK: PickleReader.mark,
        pickle.POP: PickleReader.pop,
        pickle.POP_MARK: lambda r: r.since_mark(),
        pickle.DUP: lambda r: r.push(r.stack[-1]),
        pickle.NONE: lambda r: r.push(None),
        pickle.NEWTRUE: lambda r: r.push(True),
        pickle.NEWFALSE: lambda r: r.push(False),
        pickle.INT: PickleReader.integer,
        pickle.LONG: lambda r: r.push(r.decimal(r.line().rstrip(b"L"))),
        pickle.FLOAT: lambda r: r.push(float(r.line())),
        pickle.BINFLOAT: lambda r: r.push(r.number(">d")),
        pickle.BININT: lambda r: r.push(r.number("<i")),
        pickle.BININT1: lambda r: r.push(r.number("<B")),
        pickle.BININT2: lambda r: r.push(r.number("<H")),
        pickle.LONG1: lambda r: r.push(int.from_bytes(r.take(r.number("<B")), "little", signed=True)),
        pickle.STRING: lambda r: r.push(_quoted(r.line())),
        pickle.BINSTRING: lambda r: r.push(_text(r.take(r.number("<i")))),
        pickle.SHORT_BINSTRING: lambda r: r.push(_text(r.take(r.number("<B")))),
        pickle.BINBYTES: lambda r: r.push(_text(r.take(r.number("<I")))),
        pickle.SHORT_BINBYTES: lambda r: r.push(_text(r.take(r.number("<B")))),
        pickle.BINBYTES8: lambda r: r.push(_text(r.take(r.number("<Q")))),
        pickle.UNICODE: lambda r: r.push(r.line().decode("raw-unicode-escape")),
        pickle.BINUNICODE: lambda r: r.push(r.take(r.number("<I")).decode("utf-8", "surrogatepass")),
        pickle.SHORT_BINUNICODE: lambda r: r.push(r.take(r.number("<B")).decode("utf-8", "surrogatepass")),
        pickle.BINUNICODE8: lambda r: r.push(r.take(r.number("<Q")).decode("utf-8", "surrogatepass")),
        pickle.EMPTY_LIST: lambda r: r.push([]),
        pickle.EMPTY_TUPLE: lambda r: r.push(()),
        pickle.EMPTY_DICT: lambda r: r.push({}),
        pickle.DICT: lambda r: r.dict_of(r.since_mark()),
        pickle.FROZENSET: lambda r: r.set_of(r.since_mark()),
        pickle.EMPTY_SET: lambda r: r.push(set()),
        pickle.LIST: lambda r: r.list_of(r.since_mark()),
        pickle.TUPLE: lambda r: r.tuple_of(r.since_mark()),
        pickle.TUPLE1: lambda r: r.join(1),
        pickle.TUPLE2: lambda r: r.join(2),
        pickle.TUPLE3: lambda r: r.join(3),
        pickle.APPEND: PickleReader.append,
        pickle.APPENDS: lambda r: r.extend(r.since_mark()),
        pickle.SETITEM: PickleReader.item,
        pickle.SETITEMS: lambda r: r.update(r.since_mark()),
        pickle.ADDITEMS: lambda r: r.add(r.since_mark()),
        pickle.PUT: lambda r: r.put(r.decimal(r.line())),
        pickle.BINPUT: lambda r: r.put(r.number("<B")),
        pickle.LONG_BINPUT: lambda r: r.put(r.number("<I")),
        pickle.MEMOIZE: lambda r: r.put(len(r.memo)),
        pickle.GET: lambda r: r.get(r.decimal(r.line())),
        pickle.BINGET: lambda r: r.get(r.number("<B")),
        pickle.LONG_BINGET: lambda r: r.get(r.number("<I")),
        pickle.GLOBAL: lambda r: r.name(r.line().decode("utf-8", "replace"), r.line().decode("utf-8", "replace")),
        pickle.STACK_GLOBAL: PickleReader.stack_name,
        pickle.REDUCE: PickleReader.reduce,
    }.items()
}
