"""What all tests share: few threads, no network, no files in the repository."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

# Read when numpy, torch and matplotlib are imported, so set before any test module is.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"
os.environ["ZSRIS_CACHE"] = "off"  # no file outside tmp_path, and nothing from an earlier run

import hypothesis
import pytest

from tests.killing import summary
from tests.tiers import TIERS, tier_of

# Shared machines stall: no deadline. No database: it would be written beside the tests.
hypothesis.settings.register_profile("house", deadline=None, database=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Declare a marker for each tier."""
    for tier, meaning in TIERS.items():
        config.addinivalue_line("markers", f"{tier}: {meaning}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with its tier."""
    for item in items:
        if item.path.is_relative_to(item.config.rootpath / "tests"):
            item.add_marker(tier_of(item.path))


LOCAL = ("127.", "localhost", "::1", "0.0.0.0")


class NetworkUsedError(RuntimeError):
    """A test wanted to talk to another machine."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many processes the tests have killed."""
    if text := summary():
        terminalreporter.write_line(text)


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Let sockets reach this machine only."""
    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def local_connect(self: socket.socket, address: Any) -> None:
        if self.family != getattr(socket, "AF_UNIX", None) and not str(address[0]).startswith(LOCAL):
            raise NetworkUsedError(f"tests must not use the network: {address}")
        connect(self, address)

    def local_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host and not str(host).startswith(LOCAL) and host != socket.gethostname():
            raise NetworkUsedError(f"tests must not use the network: {host}")
        return lookup(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", local_connect)
        patch.setattr(socket, "getaddrinfo", local_lookup)
        yield
