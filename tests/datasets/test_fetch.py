"""Downloads from a server on this machine: resumed, checked, moved when whole; and what to do without one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.killing import kill, wait_for
from zsris_viz.cli import app
from zsris_viz.datasets.fetch import fetch
from zsris_viz.datasets.manifests import Manifest
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError

CONTENT = bytes(range(256)) * 400


class Server(ThreadingHTTPServer):
    """Serves bytes by path, with ranges.

    Attributes:
        files: Content by path.
        redirections: Other addresses by path.
        ranges: The ranges that were requested.
        cut: Bytes after which answers break off.
        shift: By how many bytes an answer misses the range that was requested.
        announce: Whether the length of an answer is told.
        ignore_ranges: Whether the whole file is given for a range.
        pause: Seconds after each 1,000 bytes.
    """

    files: dict[str, bytes]
    ranges: list[str | None]
    redirections: dict[str, str]
    cut: int | None = None
    shift = 0
    announce = True
    ignore_ranges = False
    pause = 0.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.ranges, self.redirections = {}, [], {}

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        content = self.server.files.get(self.path.strip("/"))
        requested = self.headers.get("Range")
        self.server.ranges.append(requested)
        if (other := self.server.redirections.get(self.path.strip("/"))) is not None:
            self.send_response(302)
            self.send_header("Location", other)
            self.end_headers()
            return
        if content is None:
            self.send_error(404)
            return
        if requested and self.server.ignore_ranges:
            requested = None
        start = int(requested.removeprefix("bytes=").rstrip("-")) + self.server.shift if requested else 0
        if start > len(content):
            self.send_error(416)
            return
        self.send_response(206 if requested else 200)
        if self.server.announce:
            self.send_header("Content-Length", str(len(content) - start))
        if requested:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        sent = content[start : None if self.server.cut is None else start + self.server.cut]
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(sent), 1000) if self.server.pause else ():
                self.wfile.write(sent[at : at + 1000])
                time.sleep(self.server.pause)
            if not self.server.pause:
                self.wfile.write(sent)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def manifest(*sources: dict[str, str], content: bytes = CONTENT, **file: Any) -> Manifest:
    described = {
        "path": "sub/data.bin",
        "sources": sources,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **file,
    }
    return Manifest.model_validate(
        {
            "name": "toy",
            "kind": "checkpoint",
            "title": "Toy",
            "homepage": "https://x.org",
            "licence": "MIT",
            "files": [described],
        }
    )


def get(one: Manifest, root: Path) -> list[str]:
    lines: list[str] = []
    fetch(one, root, progress=False, report=lines.append)
    return lines


def test_a_mirror_is_tried_and_nothing_is_fetched_twice(tmp_path: Path, server: Server) -> None:
    server.files["data.bin"] = CONTENT
    dead = {"url": server.url("dead"), "state": "dead"}
    one = manifest(dead, {"url": server.url("gone")}, {"url": server.url("data.bin")})
    assert get(one, tmp_path) == ["sub/data.bin: fetched"]
    assert (tmp_path / "sub/data.bin").read_bytes() == CONTENT and len(server.ranges) == 2
    assert "as published" in get(one, tmp_path)[0] and len(server.ranges) == 2
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["data.bin"]


def test_an_interrupted_download_goes_on(tmp_path: Path, server: Server) -> None:
    server.files["data.bin"] = CONTENT
    server.cut = 70_000
    one = manifest({"url": server.url("data.bin")})
    with pytest.raises(UnavailableError, match="broke off after 70,000 of 102,400 bytes"):
        get(one, tmp_path)
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["data.bin.part"]  # not under its own name
    assert get(one, tmp_path) == ["sub/data.bin: fetched"]
    assert server.ranges == [None, "bytes=70000-"]
    assert (tmp_path / "sub/data.bin").read_bytes() == CONTENT


def test_the_old_file_stays_until_the_new_one_is_right(tmp_path: Path, server: Server) -> None:
    target = tmp_path / "sub/data.bin"
    target.parent.mkdir()
    target.write_bytes(b"an old file")
    one = manifest({"url": server.url("data.bin")})
    with pytest.raises(UnavailableError, match="404"):
        get(one, tmp_path)
    server.files["data.bin"] = CONTENT[::-1]
    with pytest.raises(CorruptFileError, match="nothing was replaced"):
        get(one, tmp_path)
    server.cut = 70_000
    with pytest.raises(UnavailableError, match="broke off"):
        get(one, tmp_path)
    assert target.read_bytes() == b"an old file"
    server.cut, server.files["data.bin"] = None, CONTENT
    assert get(one, tmp_path) == ["sub/data.bin: fetched"]  # the part of the wrong file was thrown away
    assert target.read_bytes() == CONTENT and [path.name for path in target.parent.iterdir()] == ["data.bin"]


def test_a_second_source_follows_a_wrong_hash(tmp_path: Path, server: Server) -> None:
    server.files |= {"wrong.bin": CONTENT[::-1], "data.bin": CONTENT}
    one = manifest({"url": server.url("wrong.bin")}, {"url": server.url("data.bin")})
    assert get(one, tmp_path) == ["sub/data.bin: fetched"]
    assert (tmp_path / "sub/data.bin").read_bytes() == CONTENT


def test_a_server_that_does_not_answer_costs_no_file(tmp_path: Path, server: Server) -> None:
    target = tmp_path / "sub/data.bin"
    target.parent.mkdir()
    target.write_bytes(b"an old file")
    with socket.socket() as closed:  # a port on which nobody listens
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/data.bin"
        with pytest.raises(UnavailableError, match="refused"):
            get(manifest({"url": url}), tmp_path)
    assert target.read_bytes() == b"an old file" and [path.name for path in target.parent.iterdir()] == ["data.bin"]


def test_a_redirection_to_a_local_file_is_not_followed(tmp_path: Path, server: Server) -> None:
    (tmp_path / "secret").write_bytes(CONTENT)
    server.redirections["data.bin"] = (tmp_path / "secret").as_uri()
    with pytest.raises(UnavailableError, match=r"Redirection to url .* is not allowed"):
        get(manifest({"url": server.url("data.bin")}), tmp_path / "in")
    assert not list((tmp_path / "in/sub").iterdir())
    server.redirections["data.bin"], server.files["there.bin"] = server.url("there.bin"), CONTENT
    assert get(manifest({"url": server.url("data.bin")}), tmp_path / "in") == ["sub/data.bin: fetched"]


@pytest.mark.parametrize("trouble", ["another range", "the whole", "beyond the end", "other content"])
def test_a_part_that_cannot_be_continued(tmp_path: Path, server: Server, trouble: str) -> None:
    server.files["data.bin"] = CONTENT
    server.shift = 5 if trouble == "another range" else 0
    server.ignore_ranges = trouble == "the whole"
    part = tmp_path / "sub/data.bin.part"
    part.parent.mkdir()
    part.write_bytes({"beyond the end": CONTENT * 2, "other content": b"x" * 70_000}.get(trouble, CONTENT[:70_000]))
    assert get(manifest({"url": server.url("data.bin")}), tmp_path) == ["sub/data.bin: fetched"]
    assert (tmp_path / "sub/data.bin").read_bytes() == CONTENT


def test_a_part_of_a_file_without_a_hash_is_not_continued(tmp_path: Path, server: Server) -> None:
    server.files["data.bin"] = CONTENT
    part = tmp_path / "sub/data.bin.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * 70_000)
    get(manifest({"url": server.url("data.bin")}, sha256=None), tmp_path)
    assert (tmp_path / "sub/data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("announce", [True, False])
def test_no_more_than_the_known_size_is_downloaded(tmp_path: Path, server: Server, announce: bool) -> None:
    server.files["data.bin"] = CONTENT * 100
    server.announce = announce
    with pytest.raises(CorruptFileError, match=r"bytes instead of 102,400|more than 102,400 bytes"):
        get(manifest({"url": server.url("data.bin")}), tmp_path)
    assert not list((tmp_path / "sub").iterdir())


FETCHER = """
import sys
from zsris_viz.datasets.fetch import fetch
from zsris_viz.datasets.manifests import Manifest
fetch(Manifest.model_validate_json(sys.argv[1]), sys.argv[2], progress=False)
"""


def start_fetch(one: Manifest, root: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", FETCHER, one.model_dump_json(), str(root)])


@pytest.mark.slow
def test_killed_downloads_lose_nothing(tmp_path: Path, server: Server) -> None:
    server.files["a.zip"] = packed = zipped(toy__refs=CONTENT, toy__more=CONTENT)
    server.pause = 0.03
    one = manifest({"url": server.url("a.zip")}, content=packed, path="a.zip", provides=["toy/refs", "toy/more"])
    target = tmp_path / "a.zip"
    target.write_bytes(b"an old file")
    part, arrived, rng = tmp_path / "a.zip.part", [0], random.Random(0)

    def bytes_there() -> int:
        return part.stat().st_size if part.exists() else 0

    for _ in range(5):
        process = start_fetch(one, tmp_path)
        wanted = arrived[-1] + rng.randrange(1, 30_000)
        wait_for(process, lambda wanted=wanted: bytes_there() >= wanted)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.1))
        assert kill(process, "fetch")
        assert target.read_bytes() == b"an old file"
        arrived.append(bytes_there())
    assert arrived == sorted(arrived) and arrived[-1] < len(packed)  # nothing that had arrived is lost
    server.pause = 0.0
    get(one, tmp_path)
    assert target.read_bytes() == packed and (tmp_path / "toy/refs").read_bytes() == CONTENT


@pytest.mark.slow
def test_killed_unpacking_starts_again(tmp_path: Path) -> None:
    members = {f"toy/{number:05d}.txt": bytes([number % 256]) * 200 for number in range(4000)}
    packed = zipped(**members)
    (tmp_path / "a.zip").write_bytes(packed)
    one = manifest(content=packed, path="a.zip", provides=["toy"])
    draft, rng = tmp_path / ".a.zip.unpacking", random.Random(0)
    for _ in range(5):
        process = start_fetch(one, tmp_path)
        wait_for(process, draft.exists)
        time.sleep(rng.uniform(0, 0.2))
        kill(process, "unpacking")
        if (tmp_path / "toy").exists():  # all of it or nothing
            assert len(list((tmp_path / "toy").iterdir())) == len(members)
            shutil.rmtree(tmp_path / "toy")
    get(one, tmp_path)
    assert not draft.exists()
    assert {f"toy/{path.name}": path.read_bytes() for path in (tmp_path / "toy").iterdir()} == members


def zipped(*, compression: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return packed.getvalue()


def test_archives_are_unpacked_where_they_lie(tmp_path: Path, server: Server) -> None:
    server.files["a.zip"] = packed = zipped(toy__refs=b"1", toy__more=b"2")
    one = manifest({"url": server.url("a.zip")}, content=packed, path="a.zip", provides=["toy/refs"])
    assert get(one, tmp_path) == ["a.zip: fetched", "a.zip: unpacked"]
    assert (tmp_path / "toy/refs").read_bytes() == b"1"
    (tmp_path / "a.zip").unlink()
    assert "unpacked" in get(one, tmp_path)[0] and len(server.ranges) == 1


def damaged_archive(kind: str) -> bytes:
    packed = bytearray(zipped(toy__refs=CONTENT))
    if kind == "encrypted":
        packed[6] |= 1  # the flag of the member, and of its entry in the directory at the end
        packed[packed.rindex(b"PK\x01\x02") + 8] |= 1
    elif kind == "compression":
        packed[8] = packed[packed.rindex(b"PK\x01\x02") + 10] = 97
    elif kind == "checksum":
        packed[len("toy/refs") + 30 + 1000] ^= 1
    elif kind == "cut":
        del packed[50_000:]
    elif kind == "no archive":
        packed = bytearray(b"<html>Not found</html>")
    elif kind == "size":
        at = packed.rindex(b"PK\x01\x02") + 24
        packed[at : at + 4] = (2**31).to_bytes(4, "little")
    return bytes(packed)


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (zipped(**{"..__evil": b"1"}), "outside"),
        (zipped(**{"__evil": b"1"}), "outside"),
        (zipped(**{"toy\\..\\..\\evil": b"1"}), "outside"),
        (damaged_archive("encrypted"), "encrypted"),
        (damaged_archive("compression"), "cannot be unpacked"),
        (damaged_archive("checksum"), "not a complete zip archive"),
        (damaged_archive("cut"), "not a complete zip archive"),
        (damaged_archive("no archive"), "not a complete zip archive"),
        (damaged_archive("size"), "would become"),
        (zipped(compression=zipfile.ZIP_DEFLATED, toy__refs=bytes(20_000_000)), "would become 20,000,000"),
    ],
    ids=["up", "absolute", "backslashes", "encrypted", "compression", "crc", "cut", "html", "size", "ratio"],
)
def test_odd_archives_leave_nothing(tmp_path: Path, archive: bytes, words: str) -> None:
    path = tmp_path / "in" / "a.zip"
    path.parent.mkdir()
    path.write_bytes(archive)
    with pytest.raises(CorruptFileError, match=words):
        get(manifest(content=archive, path="in/a.zip", provides=["in/toy"]), tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip", "in"]


def test_unpacking_joins_folders_and_finishes_what_was_broken_off(tmp_path: Path) -> None:
    packed = zipped(toy__refs=b"1", toy__more=b"2")
    (tmp_path / "a.zip").write_bytes(packed)
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/own").write_bytes(b"3")
    (tmp_path / "toy/refs").write_bytes(b"old")
    (tmp_path / ".a.zip.unpacking/toy").mkdir(parents=True)  # of a process that was killed
    get(manifest(content=packed, path="a.zip", provides=["toy/refs"]), tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "toy").iterdir()} == {
        "refs": b"1", "more": b"2", "own": b"3"
    }  # fmt: skip
    assert not (tmp_path / ".a.zip.unpacking").exists()


def test_without_a_network_it_says_what_to_place_where(tmp_path: Path, server: Server) -> None:
    url = server.url("gone")
    with pytest.raises(UnavailableError) as caught:
        get(manifest({"url": url}), tmp_path)
    for part in (url, str(tmp_path / "sub/data.bin"), "zsris data verify toy", "404"):
        assert part in str(caught.value)
    with pytest.raises(UnavailableError, match=r"by hand, from https://drive\.example\.org/x"):
        get(manifest({"url": "https://drive.example.org/x", "state": "manual"}), tmp_path)
    with pytest.raises(InvalidInputError, match="data"):
        fetch(manifest({"url": url}))


def test_fetch_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app, ["data", "fetch", "phrasecut", "--data-root", str(tmp_path)])
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
    assert "drive.google.com" in result.stderr and "refer_test.json" in result.stderr
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = CliRunner().invoke(app, ["data", "fetch", "git-base"])
    assert result.exit_code == 2 and "https://huggingface.co/microsoft/git-base" in result.stderr
    assert CliRunner().invoke(app, ["data", "fetch", "sam-vit-b"]).exit_code == 2  # no --data-root
