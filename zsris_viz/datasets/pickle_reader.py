"""A pickle reader for the instructions that build plain data, independent of Python's own unpickler."""

from __future__ import annotations

import codecs
import pickle
import struct
from collections.abc import Callable
from typing import Any

from zsris_viz.datasets.pickle_values import DamagedPickleError, PickleValues, RefusedPickleError, decode_text

MAX_DIGITS = 300  # of a number in decimal notation
MAX_STACK = 200_000  # values not yet in a container; pickles write them in batches of 1,000


class PickleReader(PickleValues):
    """A reader that executes the instructions of one pickle that build plain data.

    Args:
        data: Content of the pickle.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data))
        self.data = data
        self.position = 0

    def read(self) -> Any:
        """Return the value that the pickle encodes."""
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
        """Return the next integer in a format of `struct`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> bytes:
        """Return the bytes up to the end of the line."""
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise DamagedPickleError("it breaks off")
        start, self.position = self.position, end + 1
        return self.data[start:end]

    def decimal(self, text: bytes) -> int:
        """Return the value of a number in decimal notation."""
        if len(text) > MAX_DIGITS:
            raise RefusedPickleError(f"a number of {len(text):,} digits")
        return int(text)

    def integer(self) -> None:
        """Read a line with a number, or with the representation of True or False in old pickles."""
        text = self.line()
        self.push({b"01": True, b"00": False}.get(text) if text in (b"01", b"00") else self.decimal(text))

    def frame(self) -> None:
        """Check that a frame does not extend beyond the end of the pickle; frames have no other effect."""
        if self.number("<Q") > len(self.data) - self.position:
            raise DamagedPickleError("it breaks off")


def _quoted(line: bytes) -> str:
    """Return the text in a line with a Python literal."""
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise DamagedPickleError("a text has no quotation marks")
    return decode_text(codecs.escape_decode(line[1:-1])[0])


_STOP = pickle.STOP[0]
# One entry for each instruction of protocols 0 to 5 that builds plain data.
_ACTIONS: dict[bytes, Callable[[PickleReader], Any]] = {
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
    pickle.BINSTRING: lambda r: r.push(decode_text(r.take(r.number("<i")))),
    pickle.SHORT_BINSTRING: lambda r: r.push(decode_text(r.take(r.number("<B")))),
    pickle.BINBYTES: lambda r: r.push(decode_text(r.take(r.number("<I")))),
    pickle.SHORT_BINBYTES: lambda r: r.push(decode_text(r.take(r.number("<B")))),
    pickle.BINBYTES8: lambda r: r.push(decode_text(r.take(r.number("<Q")))),
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
}
_INSTRUCTIONS = {code[0]: action for code, action in _ACTIONS.items()}
