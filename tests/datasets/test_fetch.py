"""Downloads from a server on this machine: resumed, checked, moved when whole; and what to do without one."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from zsris_viz.cli import app
from zsris_viz.datasets.fetch import fetch
from zsris_viz.datasets.manifests import Manifest
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError

CONTENT = bytes(range(256)) * 400


class Server(ThreadingHTTPServer):
    """Serves bytes by path, with ranges; `cut` breaks answers off after so many bytes."""

    files: dict[str, bytes]
    ranges: list[str | None]
    cut: int | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.ranges = {}, []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        content = self.server.files.get(self.path.strip("/"))
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if content is None:
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : None if self.server.cut is None else start + self.server.cut])

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
    fetch(one, root, progress=False, told=lines.append)
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


def test_a_wrong_file_is_not_kept(tmp_path: Path, server: Server) -> None:
    server.files["data.bin"] = CONTENT[::-1]
    with pytest.raises(CorruptFileError, match="published hash"):
        get(manifest({"url": server.url("data.bin")}), tmp_path)
    assert list((tmp_path / "sub").iterdir()) == []
    (tmp_path / "sub/data.bin").write_bytes(b"an old, broken file")
    server.files["data.bin"] = CONTENT
    assert get(manifest({"url": server.url("data.bin")}), tmp_path) == ["sub/data.bin: fetched"]


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
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


def test_archives_that_reach_out_are_refused(tmp_path: Path, server: Server) -> None:
    packed = zipped(**{"..__evil": b"1"})
    server.files["a.zip"] = packed
    one = manifest({"url": server.url("a.zip")}, content=packed, path="in/a.zip", provides=["in/toy"])
    with pytest.raises(CorruptFileError, match="outside"):
        get(one, tmp_path)
    assert not (tmp_path / "evil").exists()


def test_without_a_network_it_says_what_to_place_where(tmp_path: Path, server: Server) -> None:
    url = server.url("gone")
    with pytest.raises(UnavailableError) as caught:
        get(manifest({"url": url}), tmp_path)
    for said in (url, str(tmp_path / "sub/data.bin"), "zsris data verify toy", "404"):
        assert said in str(caught.value)
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
