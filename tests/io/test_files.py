"""Atomic writes, hashes, JSON and printable text."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from zsris_viz.errors import CorruptFileError, UnavailableError
from zsris_viz.io.atomic import atomic_path, os_error_text, translate_os_errors, write_bytes
from zsris_viz.io.hashing import file_hash, weights_hash
from zsris_viz.io.json_files import plain, read_json, read_json_object, write_json
from zsris_viz.io.text import printable, shorten, storable
from zsris_viz.io.yaml_files import read_yaml


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_bytes(path, b"old")

    def fail_half_way() -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert path.read_bytes() == b"old" and list(path.parent.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match=str(path)), atomic_path(path):
        pass  # nothing was written
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full. Free some space"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "no permission"),
        (errno.ENAMETOOLONG, "shorter name"),
        (errno.EISDIR, "a folder and not a file"),
        (errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
def test_errors_of_the_file_system_are_explained(tmp_path: Path, number: int, words: str) -> None:
    assert words in os_error_text(OSError(number, os.strerror(number), "out"))
    with pytest.raises(UnavailableError, match=words), translate_os_errors("The result could not be written"):
        raise OSError(number, os.strerror(number))


def test_an_error_names_the_target_and_not_the_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "folder" / ("n" * 300)):
        with pytest.raises(OSError) as caught:
            write_bytes(path, b"x")
        assert os_error_text(caught.value).startswith(f"{path}: ")
        assert not list(tmp_path.rglob("*.tmp"))


def test_file_hash(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc" * 1000)
    assert file_hash(tmp_path / "f") == hashlib.sha256(b"abc" * 1000).hexdigest()
    assert file_hash(tmp_path / "f", "md5") == hashlib.md5(b"abc" * 1000).hexdigest()


def test_weights_hash_sees_every_weight() -> None:
    torch.manual_seed(0)
    first = torch.nn.Linear(3, 2)
    other = torch.nn.Linear(3, 2)
    other.load_state_dict(first.state_dict())
    assert weights_hash(first) == weights_hash(other)
    assert weights_hash(first, rounded=True) == weights_hash(other.bfloat16(), rounded=True) != weights_hash(first)
    assert weights_hash(first, samples=2) == weights_hash(first, samples=2) != weights_hash(first)
    other = torch.nn.Linear(3, 2)
    other.load_state_dict(first.state_dict())
    with torch.no_grad():
        other.weight[1, 2] += 1e-6
    assert weights_hash(first) != weights_hash(other)
    assert weights_hash(torch.nn.BatchNorm1d(2))  # a counter is a weight without dimensions


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b"", b"[" * 100_000], ids=["cut off", "not UTF-8", "empty", "nested too deeply"]
)
def test_damaged_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.json").write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"f\.json.*Do this"):
        read_json(tmp_path / "f.json", "Do this.")


def test_json(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "f.json", {"ü": {2, 1}, "x": np.float32(0.5), "d": torch.float16, "n": float("inf")})
    assert read_json_object(tmp_path / "new" / "f.json") == {"ü": [1, 2], "x": 0.5, "d": "torch.float16", "n": None}
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(CorruptFileError, match="list and not an object"):
        read_json_object(tmp_path / "list.json")
    with pytest.raises(UnavailableError, match="does not exist"):
        read_json(tmp_path / "none.json")
    assert json.dumps(plain({1: (np.arange(2), [torch.ones(1)])})) == '{"1": [[0, 1], [[1.0]]]}'


def test_text_that_is_safe_to_print() -> None:
    for harmless in ("größer Katze 猫 👩‍🚀 café", ""):
        assert printable(harmless) == harmless
    shown = printable("a\x1b[2Jb\ud800c\nd\u202ee\x9b")
    assert shown == r"a\x1b[2Jb\ud800c\nd\u202ee\x9b" and shown.encode()
    assert storable("cat \ud800 \ud83d\udc31 é") == "cat \ufffd 🐱 é"
    assert shorten("a" * 81) == "a" * 77 + "..." and shorten("a" * 80) == "a" * 80


MULTIPLYING = b"a0: &a0 [1, 1]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 40))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name: café".encode("latin-1"), "not UTF-8"),
        (b"a: &a [*a]", "contains itself"),
        (b"a: &a {b: *a}", "contains itself"),
        (b"[" * 3000, "nested too deeply"),
        (MULTIPLYING, "repeated"),
        (b"a: !!python/object/apply:os.system ['true']", "not valid YAML"),
        (b"a: [1", "not valid YAML"),
        (b"a: 2020-99-99", "not valid YAML"),
    ],
    ids=[
        "Latin-1",
        "list in itself",
        "mapping in itself",
        "nested too deeply",
        "multiplying aliases",
        "Python tag",
        "cut off",
        "month 99",
    ],
)
def test_odd_yaml(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "f.yaml").write_bytes(content)
    with pytest.raises(CorruptFileError, match=words):
        read_yaml(tmp_path / "f.yaml")


def test_yaml(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("a: &x {b: 1}\nc: *x\n---\n[2]\n")
    assert read_yaml(tmp_path / "f.yaml") == [{"a": {"b": 1}, "c": {"b": 1}}, [2]]
    with pytest.raises(UnavailableError, match="does not exist"):
        read_yaml(tmp_path / "none.yaml")
