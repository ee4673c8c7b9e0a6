"""Hostile pickles are refused at once; plain ones of every protocol are read."""

from __future__ import annotations

import contextlib
import pickle
import struct
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsris_viz.datasets.plain_pickle import MAX_BYTES, MAX_DEPTH, load_plain
from zsris_viz.errors import CorruptFileError


def shared_lists(levels: int) -> bytes:
    """Lists that hold the list below twice: a few bytes for each level, and twice as many values."""
    body = b"]q\x00"
    for level in range(levels):
        body += b"]q" + bytes([level + 1]) + b"(h" + bytes([level]) + b"h" + bytes([level]) + b"e"
    return b"\x80\x02" + body + b"."


def shared_keys(levels: int) -> bytes:
    """A dict whose key is a tuple of tuples, whose hash takes twice as long for each level."""
    body = b"}K\x00q\x00"
    for level in range(levels):
        body += b"0h" + bytes([level]) + b"h" + bytes([level]) + b"\x86q" + bytes([level + 1])
    return b"\x80\x02" + body + b"Ns."


HOSTILE = {
    "shared lists": shared_lists(24),
    "shared lists as tuples": b"\x80\x02)q\x00" + b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60)) + b".",
    "shared keys": shared_keys(60),
    "memo index": b"\x80\x02]r" + struct.pack("<I", 2**29) + b".",
    "memo index at the end": b"\x80\x02]r" + struct.pack("<I", 2**32 - 1) + b"j\xff\xff\xff\xff.",
    "nested tuples": b"\x80\x02)" + b"\x85" * 1_000_000 + b".",
    "nested lists": b"]" * 1_000_000 + b"a" * 999_999 + b".",
    "nested tuple as a key": b"\x80\x02})" + b"\x85" * 1_000_000 + b"Ns.",
    "many marks": b"(" * 1_000_000 + b"l" * 1_000_000 + b".",
    "a list that contains itself": b"\x80\x02]q\x00h\x00a.",
    "a long number": b"L" + b"9" * 1_000_000 + b"L\n.",
    "a long memo number": b"]p" + b"9" * 1_000_000 + b"\n.",
    "a large byte array": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",
    "large bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".",
    "negative length": b"\x80\x02T" + struct.pack("<i", -5) + b"abcdef.",
    "long frame": b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"N.",
    "out-of-band buffer": b"\x80\x05\x97.",
    "persistent id": b"Pabc\n.",
    "extension": b"\x82\x01.",
    "a name alone": b"c__builtin__\nset\n.",
    "a name in a list": b"](c__builtin__\nset\ne.",
    "a call of a list": b"\x80\x02](\x85R.",
    "an instance": b"(ios\nsystem\n.",
    "a new object": b"\x80\x02cbuiltins\nset\n)\x81.",
    "a state": b"\x80\x02]}b.",
    "a mark left over": b"(.",
    "no value": b"\x80\x02.",
    "another coding": pickle.dumps(["x"], 2)[:-1] + b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00rot\x86R.",
    "a list as a key": b"}]Ns.",
    "a long key": b"}\x8a\x0a" + b"\x7f" * 10 + b"Ns.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(HOSTILE[name])
    started = time.process_time()
    with pytest.raises(CorruptFileError, match=r"refs\.p"):
        load_plain(path)
    assert time.process_time() - started < 3.0


def test_a_file_that_is_too_large_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "refs.p"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # sparse
    with pytest.raises(CorruptFileError, match="bytes"):
        load_plain(path)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_the_limit_of_depth(tmp_path: Path) -> None:
    path = tmp_path / "p.p"
    path.write_bytes(pickle.dumps(nested(MAX_DEPTH)))
    assert load_plain(path) == nested(MAX_DEPTH)
    path.write_bytes(pickle.dumps(nested(MAX_DEPTH + 1)))
    with pytest.raises(CorruptFileError, match="nested"):
        load_plain(path)


def test_parts_may_be_shared_and_ordered_dicts_are_dicts(tmp_path: Path) -> None:
    path = tmp_path / "p.p"
    part = {"tokens": ["a", "b"]}
    value = [part, part, OrderedDict(b=1, a=(2,)), frozenset({3}), set(), 2**70, -1.5]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps(value, protocol))
        assert load_plain(path) == [part, part, {"b": 1, "a": (2,)}, {3}, set(), 2**70, -1.5]
    # As Python 2 writes an OrderedDict: its pairs as a list of lists.
    path.write_bytes(b"ccollections\nOrderedDict\np0\n((lp1\n(lp2\nS'k'\np3\naI1\naatp4\nRp5\n.")
    assert load_plain(path) == {"k": 1}


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(0, 9), inner),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(value=values, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_survive(tmp_path_factory: pytest.TempPathFactory, value: Any, protocol: int) -> None:
    path = tmp_path_factory.getbasetemp() / "value.p"
    path.write_bytes(pickle.dumps(value, protocol))
    assert load_plain(path) == value


@settings(max_examples=100, deadline=None)
@given(raw=st.binary(max_size=60) | st.lists(st.sampled_from([bytes([c]) for c in range(256)])).map(b"".join))
def test_random_bytes_raise_nothing_else(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "raw.p"
    path.write_bytes(raw)
    with contextlib.suppress(CorruptFileError):
        load_plain(path)
