"""A Voila server over one notebook on the loopback address, which ends with this process."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zsris_viz.errors import InvalidInputError, UnavailableError

PAGE = Path(__file__).with_name("explore.ipynb")
LAUNCHER = Path(__file__).with_name("voila_process.py")
KERNELS = "zsris_viz.explorers.early_kernel.EarlyKernelManager"
START = 180.0  # seconds for the server to answer: on a busy machine importing alone takes a minute
STOP = 15.0  # seconds for it to shut its kernels down


class VoilaServer:
    """Run Voila over a copy of a notebook, in its own process and temporary folder.

    Args:
        notebook: The notebook to show.
        parameters: Values for the names in its cell tagged `parameters`; other names are an error.
        port: Port number; 0 for a free one.

    Attributes:
        address: Address of the page with its token; known after `start`.

    Raises:
        UnavailableError: Voila is not installed.
        InvalidInputError: There is no such notebook, an unknown parameter, or a port outside 0-65535.
    """

    def __init__(self, notebook: Path = PAGE, parameters: Mapping[str, Any] | None = None, *, port: int = 0) -> None:
        if importlib.util.find_spec("voila") is None:
            raise UnavailableError("Voila shows the explorers, and it is not installed: pip install voila")
        if not notebook.is_file():
            raise InvalidInputError(f"The notebook {notebook} does not exist; give the path of an .ipynb file.")
        if not 0 <= port <= 65535:
            raise InvalidInputError(f"port {port} was given; 0 (a free one) to 65535 is accepted.")
        self.content = with_parameters(notebook, parameters or {})
        self.port = port
        self.address = ""
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start the server and return its address, once it answers.

        Raises:
            UnavailableError: The port is taken, or the server ends or does not answer.
        """
        self.port = _free_port(self.port)
        token = secrets.token_urlsafe(16)
        self._folder = Path(tempfile.mkdtemp(prefix="zsris-explore-"))
        page = self._folder / "explore.ipynb"
        page.write_text(self.content, encoding="utf-8")
        _write_settings(self._folder, token)
        log = self._folder / "voila.log"
        words = [sys.executable, "-P", str(LAUNCHER), str(page), "--no-browser"]
        words += ["--Voila.ip=127.0.0.1", f"--port={self.port}", "--Voila.port_retries=0", "--show_tracebacks=True"]
        words += ["--preheat_kernel=True", f"--VoilaConfiguration.multi_kernel_manager_class={KERNELS}"]
        with log.open("wb") as output:
            # In a session of its own: Ctrl-C reaches only the caller, which stops the server in order. Its standard
            # input is a pipe that nobody writes to: it closes when this process ends, however it ends.
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                env=_environment(self._folder),
                start_new_session=True,
            )
        end = time.monotonic() + START
        while not _listens(self.port):
            if self._process.poll() is not None or time.monotonic() > end:
                last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
                self.stop()
                raise UnavailableError(
                    f"Voila did not start on port {self.port}: {' | '.join(last) or 'it printed nothing'}"
                )
            time.sleep(0.2)
        self.address = f"http://127.0.0.1:{self.port}/?token={token}"
        return self.address

    def wait(self) -> int:
        """Wait until the server ends by itself, and return its exit code."""
        assert self._process is not None
        return self._process.wait()

    def stop(self) -> None:
        """End the server and its kernels and remove the folder; nothing happens if it does not run."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                _kill(process)
        if process is not None and process.stdin is not None:
            process.stdin.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> VoilaServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def with_parameters(notebook: Path, values: Mapping[str, Any]) -> str:
    """Return the notebook's JSON with a cell of values after the cell tagged `parameters`.

    Raises:
        InvalidInputError: No JSON of a notebook, no such cell, or a name that it does not have.
    """
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        cells = content["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"{notebook} cannot be read as a notebook: {error}") from error
    if not values:
        return json.dumps(content)
    places = [i for i, cell in enumerate(cells) if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if len(places) != 1:
        raise InvalidInputError(f"{notebook.name} has {len(places)} cells tagged `parameters`, not one.")
    source = "".join(cells[places[0]]["source"])
    known = [line.split("=")[0].strip() for line in source.splitlines() if "=" in line.split("#")[0]]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InvalidInputError(f"{notebook.name} has no parameter {', '.join(unknown)}; it has {', '.join(known)}.")
    lines = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    cell: dict[str, Any] = {"cell_type": "code", "execution_count": None, "id": "parameters", "metadata": {}}
    cell |= {"outputs": [], "source": lines}
    cells.insert(places[0] + 1, cell)
    return json.dumps(content)


def _free_port(port: int) -> int:
    """Return the port, or a free one for 0; UnavailableError if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UnavailableError(
                f"port {port} cannot be used ({error.strerror}); give another, or --port 0 for a free one."
            ) from error
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    """Return whether a process accepts connections; no request is sent, since Voila starts a kernel for every page."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _write_settings(folder: Path, token: str) -> None:
    """Write the token to the folder in which Voila is started, the first place where it looks for settings.

    Only this user can read the file, whereas the command line could be read by every user of the machine.
    """
    path = folder / "voila.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"Voila": {"token": token}}), encoding="utf-8")


def _environment(folder: Path) -> dict[str, str]:
    """Return this environment with a kernel "python3" that is this interpreter, whatever else is installed."""
    kernel = folder / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    words = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": words, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    paths = [str(folder / "jupyter"), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    return {**os.environ, "JUPYTER_PATH": os.pathsep.join(paths)}


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process that does not end when asked, and whatever it started in its session."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
