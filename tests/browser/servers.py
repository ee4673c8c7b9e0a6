"""JupyterLab and `zsris explore` as processes on free loopback ports, and a headless Chromium to look at them with."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
#: JupyterLab asks nothing, and keeps cells in the page that are scrolled out of it.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
RUN = 1200  # seconds for a whole notebook, on a busy machine
START = 180  # seconds that a server may take to answer, on a busy machine


def environment(folder: Path) -> dict[str, str]:
    """The tests' environment with Jupyter's settings, runtime files and IPython's history in `folder`."""
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}
    own = {name: str(folder / place) for name, place in places.items()}
    for name, values in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    own |= {"JUPYTER_DATA_DIR": str(folder / "data"), "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings")}
    return {**os.environ, **own, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1", "JUPYTER_PLATFORM_DIRS": "1"}


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[Any], log: Path) -> None:
    """Return when `url` answers; fail with the log when the server ends or takes too long."""
    end = time.monotonic() + START
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"no answer from {url} in {START} s:\n{log.read_text()[-3000:]}")


@contextmanager
def lab(root: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """JupyterLab over the notebooks in `root`: its address and token. Its kernels end with it."""
    port, token, log = free_port(), secrets.token_hex(16), folder / "lab.log"
    words = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    words += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"]
    words += [f"--IdentityProvider.token={token}", "--LabApp.news_url=None", "--LabApp.extension_manager=readonly"]
    words += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with log.open("w") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, env=environment(folder), start_new_session=True)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/api/status?token={token}", process, log)
            yield address, token
        finally:
            stop(process)


def stop(process: subprocess.Popen[Any], sent: int = signal.SIGTERM) -> int:
    """Ask a process to end, wait, and kill it if it does not; its exit code."""
    if process.poll() is None:
        process.send_signal(sent)
    try:
        return process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait(timeout=10)


@contextmanager
def explore(folder: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[Any], Path]]:
    """`zsris explore --port 0 --no-browser`: the address that it prints, its process and its log."""
    log = folder / "explore.log"
    command = [sys.executable, "-m", "zsris_viz.cli", "explore", "--port", "0", "--no-browser", *words]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment(folder), start_new_session=True
        )
        try:
            end = time.monotonic() + START
            while not (found := re.search(r"http://\S+", log.read_text())):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"zsris explore printed no address:\n{log.read_text()[-3000:]}")
                time.sleep(0.3)
            yield found.group(), process, log
        finally:
            stop(process, signal.SIGINT)


def shut_down_kernels(address: str, token: str) -> int:
    """End every kernel of a server; how many there were."""
    head = {"Authorization": f"token {token}"}
    with urllib.request.urlopen(urllib.request.Request(f"{address}/api/kernels", headers=head), timeout=30) as answer:
        kernels = json.load(answer)
    for kernel in kernels:
        request = urllib.request.Request(f"{address}/api/kernels/{kernel['id']}", headers=head, method="DELETE")
        urllib.request.urlopen(request, timeout=60).close()
    return len(kernels)


LOCAL = ("http://127.0.0.1:", "data:", "blob:", "file://")


@contextmanager
def browser_page(failed: Path, width: int = 1500, height: int = 1300) -> Iterator[Any]:
    """A page of a fresh headless Chromium that reaches this machine only.

    Args:
        failed: where a screenshot goes when something is not as it should be.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        # Chromium's sandbox needs rights that containers do not give; the only pages shown are ours.
        browser = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.route(lambda url: not url.startswith(LOCAL), lambda route: route.abort())
            page.set_default_timeout(1000 * START)
            try:
                yield page
            except Exception:
                page.screenshot(path=failed)
                raise
        finally:
            browser.close()
