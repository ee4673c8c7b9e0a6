"""Kill processes with SIGKILL and count how often; the summary of a test run says it, by what the processes did."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

KILLS: Counter[str] = Counter()
Process = subprocess.Popen[Any] | BaseProcess


def runs(process: Process) -> bool:
    """Whether a process has not ended yet."""
    return process.is_alive() if isinstance(process, BaseProcess) else process.poll() is None


def kill(process: Process, work: str, *, group: bool = False) -> bool:
    """Kill a process and wait for its end; return whether it still ran.

    Args:
        process: The process.
        work: What it did; kills are counted by it.
        group: Whether everything in its process group is killed with it.
    """
    running = runs(process)
    if running:
        assert process.pid is not None
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
        KILLS[work] += 1
    process.join() if isinstance(process, BaseProcess) else process.wait()
    return running


def wait_for(process: Process, condition: Callable[[], bool], seconds: float = 300) -> None:
    """Wait until a condition holds or the process ends."""
    end = time.monotonic() + seconds
    while runs(process) and not condition() and time.monotonic() < end:
        time.sleep(0.01)


def summary() -> str:
    """Return the number of kills, in all and by work; empty without any."""
    parts = ", ".join(f"{work} {count}" for work, count in KILLS.items())
    return f"{KILLS.total()} processes were killed with SIGKILL: {parts}" if KILLS else ""
