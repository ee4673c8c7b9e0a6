"""What `zsris explore` refuses, what it hands to its notebook, and that nothing is left when it ends."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from typer.testing import CliRunner, Result

from tests.killing import kill, wait_for
from zsris_viz.cli import app
from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.explorers import server
from zsris_viz.explorers.server import PAGE, VoilaServer, with_parameters
from zsris_viz.reproduce.parameters import read_notebook

STAND_IN = """
import http.server, json, os, pathlib, sys
port = int(next(word for word in sys.argv if word.startswith("--port=")).split("=")[1])
config = pathlib.Path("voila.json")  # in the folder that it is started in
received = {"token": json.loads(config.read_text())["Voila"]["token"], "mode": oct(config.stat().st_mode)[-3:]}
received["page"] = pathlib.Path(sys.argv[1]).read_text()
received["kernels"] = os.environ["JUPYTER_PATH"]
pathlib.Path(os.environ["TOLD"]).write_text(json.dumps(received))
http.server.HTTPServer(("127.0.0.1", port), http.server.BaseHTTPRequestHandler).serve_forever()
"""


def zsris(*words: object) -> Result:
    return CliRunner().invoke(app, ["explore", "--no-browser", *map(str, words)])


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A server in place of Voila, which answers at once and writes down how it was called; the file."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "voila.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    monkeypatch.setenv("TOLD", str(tmp_path / "received.json"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(server.tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "received.json"


def test_the_page_is_a_clean_notebook() -> None:
    book = read_notebook(PAGE)
    nbformat.validate(book)
    assert book.cells[0].source.startswith("# ") and book.metadata.kernelspec.name == "python3"
    assert all(not cell.outputs and cell.execution_count is None for cell in book.cells if cell.cell_type == "code")


def test_parameters_get_a_cell_of_their_own() -> None:
    given = {"image": "a'b.png", "expression": 'the "left" cat'}
    book = nbformat.reads(with_parameters(PAGE, given), as_version=4)
    nbformat.validate(book)
    place = next(i for i, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", []))
    names: dict[str, Any] = {}
    exec(book.cells[place].source + "\n" + book.cells[place + 1].source, names)
    assert {name: names[name] for name in given} == given and names["clip"] == "miniature" and names["proposals"] == ""
    assert json.loads(with_parameters(PAGE, {})) == json.loads(PAGE.read_text(encoding="utf-8"))


def test_what_cannot_be_served(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no parameter colour; it has image, expression, clip, proposals"):
        VoilaServer(parameters={"colour": "red"})
    with pytest.raises(InvalidInputError, match="does not exist"):
        VoilaServer(tmp_path / "none.ipynb")
    (tmp_path / "broken.ipynb").write_text("{")
    with pytest.raises(InvalidInputError, match="cannot be read as a notebook"):
        VoilaServer(tmp_path / "broken.ipynb")
    with pytest.raises(InvalidInputError, match="port 70000"):
        VoilaServer(port=70000)


def test_without_voila(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "voila" else found(name))
    with pytest.raises(UnavailableError, match="pip install voila"):
        VoilaServer()
    result = zsris()
    assert result.exit_code == 2 and "not installed: pip install voila" in result.stderr


def test_a_taken_port_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"port {port} cannot be used.*--port 0"):
            VoilaServer(port=port).start()


def test_the_server_gets_page_token_and_kernel_and_leaves_nothing(stand_in: Path, tmp_path: Path) -> None:
    with VoilaServer(parameters={"expression": "the cat"}) as running:
        received = json.loads(stand_in.read_text())
        assert running.address == f"http://127.0.0.1:{running.port}/?token={received['token']}"
        assert received["mode"] == "600" and len(received["token"]) > 15
        assert "expression = 'the cat'" in received["page"]
        kernel = Path(received["kernels"].split(":")[0]) / "kernels" / "python3" / "kernel.json"
        assert json.loads(kernel.read_text())["argv"][0] == sys.executable
        process = running._process
        assert process is not None and process.poll() is None
    assert process.poll() is not None and not list((tmp_path / "tmp").iterdir())
    running.stop()  # twice does no harm


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by signals")
def test_a_killed_parent_takes_the_server_with_it(stand_in: Path, tmp_path: Path) -> None:
    program = (
        "import sys, time; from zsris_viz.explorers.server import VoilaServer; "
        "server = VoilaServer(); server.start(); print(server._process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert running(child)
        assert kill(parent, "explore")
    end = time.monotonic() + 60
    while running(child) and time.monotonic() < end:
        time.sleep(0.1)
    assert not running(child)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by signals")
def test_a_killed_parent_takes_the_kernel_with_it(tmp_path: Path) -> None:
    """The real server with a page that is open, whose notebook goes on for ten minutes."""
    mark = tmp_path / "pid"
    cell = f"import os, pathlib, time; pathlib.Path({str(mark)!r}).write_text(str(os.getpid())); time.sleep(600)"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, tmp_path / "long.ipynb")
    words = [
        sys.executable,
        "-m",
        "zsris_viz.cli",
        "explore",
        "--no-browser",
        "--notebook",
        str(tmp_path / "long.ipynb"),
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        address = parent.stdout.readline().strip()
        threading.Thread(target=open_page, args=(address,), daemon=True).start()
        wait_for(parent, lambda: mark.exists() and bool(mark.read_text()))
        kernel = int(mark.read_text())
        server = next(child.pid for child in psutil.Process(parent.pid).children())
        assert running(kernel) and running(server)
        assert kill(parent, "explore")
    end = time.monotonic() + 60
    while (running(kernel) or running(server)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not running(kernel) and not running(server)


def open_page(address: str) -> None:
    """Read a page until it is whole, when its notebook has run, or the server ends."""
    with contextlib.suppress(OSError, http.client.HTTPException), urllib.request.urlopen(address, timeout=300) as page:
        page.read()


def running(process: int) -> bool:
    """Whether a process exists and is no zombie."""
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_server_that_ends_at_once(stand_in: Path, tmp_path: Path) -> None:
    (tmp_path / "lib" / "voila.py").write_text("raise SystemExit('no such kernel')")
    with pytest.raises(UnavailableError, match=r"did not start on port .*no such kernel"):
        VoilaServer().start()
    assert not list((tmp_path / "tmp").iterdir())


def test_ctrl_c_ends_the_command_in_order(stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def interrupted(self: VoilaServer) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(VoilaServer, "wait", interrupted)
    result = zsris("--expression", "the cat")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("http://127.0.0.1:") and "stopping" in result.stderr
    assert not list((tmp_path / "tmp").iterdir())
    assert handlers == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))


def test_a_server_that_ends_by_itself_is_an_error(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VoilaServer, "wait", lambda self: 7)
    result = zsris()
    assert result.exit_code == 2 and "ended by itself with 7" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--image", "none.jpg"], "no such file"),
        (["--expression", " "], "--expression is empty"),
        (["--proposals", "guess"], "'guess' is unknown"),
        (["--proposals", "ground-truth"], "leave --proposals out"),
        (["--notebook", "a.ipynb", "--expression", "x"], "--notebook shows a notebook as it is"),
        (["--port", "-1"], "port -1"),
    ],
)
def test_wrong_options(words: list[str], message: str) -> None:
    result = zsris(*words)
    assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1
