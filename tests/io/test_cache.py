"""The cache on disk: whole entries or none, whatever is damaged, full, read-only, killed or running beside it."""

from __future__ import annotations

import errno
import gzip
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.killing import kill
from zsris_viz.errors import InvalidInputError, InvalidTypeError, ZsrisWarning
from zsris_viz.io import cache
from zsris_viz.io.cache import DiskCache, cache_folder, image_fingerprint, key_of

VALUE = {"masks": [{"size": [4, 5], "counts": "abc"}], "scores": [0.1, 1 / 3], "name": "ü", "none": None}


def test_gives_back_what_was_put(tmp_path: Path) -> None:
    first = DiskCache(tmp_path / "new" / "folder")
    key = key_of(image="x", points=8)
    assert first.get(key) is None
    assert first.put(key, VALUE)
    assert DiskCache(tmp_path / "new" / "folder").get(key) == VALUE
    assert first.get(key) == VALUE
    assert (first.hits, first.misses) == (1, 1)
    first.put(key, {"other": 1})
    assert first.get(key) == {"other": 1}
    assert first.clear() == 1
    assert first.get(key) is None


def test_keys_change_with_every_part() -> None:
    keys = [
        key_of(a=1),
        key_of(a=2),
        key_of(b=1),
        key_of(a=1, b=None),
        key_of(a="1"),
        key_of(a=[1]),
        key_of(a={"b": 1}),
    ]
    assert len(set(keys)) == len(keys)
    assert key_of(a=1, b=2) == key_of(b=2, a=1)
    with pytest.raises(InvalidTypeError, match="hash"):
        key_of(a=object())


def test_image_fingerprints_change_with_size_and_pixels() -> None:
    image = Image.new("RGB", (4, 6), (1, 2, 3))
    other = image.copy()
    other.putpixel((3, 5), (1, 2, 4))
    turned = Image.new("RGB", (6, 4), (1, 2, 3))
    assert image_fingerprint(image) == image_fingerprint(image.copy())
    assert len({image_fingerprint(one) for one in (image, other, turned)}) == 3


def test_an_entry_under_another_key_is_refused(tmp_path: Path) -> None:
    store = DiskCache(tmp_path)
    store.put(key_of(a=1), VALUE)
    (path,) = store.entries()
    other = tmp_path / key_of(a=2)[:2] / f"{key_of(a=2)}.json.gz"
    other.parent.mkdir(exist_ok=True)
    path.rename(other)
    with pytest.warns(ZsrisWarning, match="damaged"):
        assert store.get(key_of(a=2)) is None
    assert not other.exists()


@pytest.mark.parametrize("damage", ["truncated", "flipped", "checksum", "format", "empty", "head only"])
def test_a_damaged_entry_is_worked_out_again(tmp_path: Path, damage: str) -> None:
    store = DiskCache(tmp_path)
    key = key_of(a=1)
    store.put(key, VALUE)
    (path,) = store.entries()
    packed = path.read_bytes()
    plain = gzip.decompress(packed)
    path.write_bytes(
        {
            "truncated": packed[:-9],
            "flipped": packed[:40] + bytes([packed[40] ^ 8]) + packed[41:],
            "checksum": gzip.compress(plain.replace(b"0.1", b"0.2")),
            "format": gzip.compress(plain.replace(b"cache 2", b"cache 3")),
            "empty": b"",
            "head only": gzip.compress(plain.splitlines()[0]),
        }[damage]
    )
    with pytest.warns(ZsrisWarning, match="damaged"):
        assert store.get(key) is None
    assert not path.exists()
    store.put(key, VALUE)
    assert store.get(key) == VALUE


def test_what_was_not_used_for_longest_goes(tmp_path: Path) -> None:
    filler = [str(number) * 50 for number in range(200)]
    size = len(cache._pack(key_of(number=0), {"number": 0, "text": filler}))
    store = DiskCache(tmp_path, max_bytes=10 * size)
    keys = [key_of(number=number) for number in range(14)]
    for number, key in enumerate(keys):
        store.put(key, {"number": number, "text": filler})
        os.utime(store._path(key), (number, number))
        if number == 8:  # used again: it is now the newest
            assert store.get(keys[0]) is not None
    left = [number for number, key in enumerate(keys) if store._path(key).exists()]
    assert 0 in left and 13 in left and 1 not in left
    assert sum(path.stat().st_size for path in store.entries()) <= store.max_bytes
    assert not store.put(key_of(large=1), {"text": [os.urandom(8).hex() for _ in range(size)]})  # larger than all room


def test_two_runs_that_see_each_other_late_keep_the_limit(tmp_path: Path) -> None:
    size = len(cache._pack(key_of(number=10), {"number": 10}))
    stores = [DiskCache(tmp_path, max_bytes=20 * size) for _ in range(2)]
    for number in range(100):
        stores[number % 2].put(key_of(number=number), {"number": number})
    assert sum(path.stat().st_size for path in stores[0].entries()) <= 24 * size


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT], ids=errno.errorcode.get)
def test_a_folder_that_cannot_be_written_costs_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    old = DiskCache(tmp_path)
    old.put(key_of(a=1), VALUE)
    store = DiskCache(tmp_path)

    def full(source: Any, target: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(ZsrisWarning, match=f"{os.strerror(number)}.*continues"):
        assert not store.put(key_of(a=2), VALUE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not store.put(key_of(a=3), VALUE)
        assert store.get(key_of(a=1)) == VALUE  # what is there can still be read
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match="is a file"):
        DiskCache(tmp_path / "file")
    store = DiskCache(tmp_path / "file" / "below")
    with pytest.warns(ZsrisWarning, match="continues"):
        assert store.get(key_of(a=1)) is None
        assert not store.put(key_of(a=1), VALUE)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_costs_one_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    store = DiskCache(tmp_path)
    with pytest.warns(ZsrisWarning, match="cannot be written"):
        assert not store.put(key_of(a=1), VALUE)
    tmp_path.chmod(0o700)


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="max_bytes"):
        DiskCache(tmp_path, max_bytes=0)
    store = DiskCache(tmp_path)
    with pytest.raises(InvalidTypeError, match="plain values"):
        store.put(key_of(a=1), {"a": object()})
    with pytest.raises(InvalidTypeError, match="dict"):
        store.put(key_of(a=1), [1])  # type: ignore[arg-type]
    for key in ("../../etc/passwd", "short", "", "A" * 64):
        with pytest.raises(InvalidInputError, match="key_of"):
            store.get(key)


def test_the_environment_names_the_folder_or_switches_it_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZSRIS_CACHE", str(tmp_path))
    assert cache_folder("proposals") == tmp_path / "proposals"
    for off in ("off", "0", "", "No"):
        monkeypatch.setenv("ZSRIS_CACHE", off)
        assert cache_folder() is None
    monkeypatch.delenv("ZSRIS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform == "linux":
        assert cache_folder("captions") == tmp_path / "xdg" / "zsris_viz" / "captions"


WRITER = """
import sys
from zsris_viz.io.cache import DiskCache, key_of
store = DiskCache(sys.argv[1], max_bytes=200_000)
number = 0
while True:
    number += 1
    key = key_of(number=number % 50)
    value = store.get(key)
    assert value is None or value == {"number": number % 50, "text": [str(number % 50) * 40] * 400}, value
    store.put(key, {"number": number % 50, "text": [str(number % 50) * 40] * 400})
    if number == 20:
        print("ready", flush=True)
"""


def test_runs_beside_each_other_and_killed_ones_leave_whole_entries(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"  # neither died of an error or a warning
    time.sleep(0.3)
    for writer in writers:
        assert writer.poll() is None
        kill(writer, "cache")
        writer.communicate()
    store = DiskCache(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [store.get(key_of(number=number)) for number in range(50)]
    assert sum(value is not None for value in found) >= 10
    for leftover in tmp_path.rglob("*.tmp"):
        os.utime(leftover, (0, 0))
    (tmp_path / "aa").mkdir(exist_ok=True)
    stale = tmp_path / "aa" / ".0123.tmp"
    stale.write_text("of a killed run")
    os.utime(stale, (0, 0))
    store.put(key_of(number=1), json.loads(json.dumps(VALUE)))
    assert not list(tmp_path.rglob("*.tmp"))
