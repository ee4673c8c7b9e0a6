"""Work of an explorer that reports how far it is and can be cancelled."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

Report = Callable[[str, int, int], None]


class Cancelled(Exception):
    """The exception that ends a job which the reader cancelled."""


class Job:
    """One piece of work.

    Args:
        text: What is computed.
        report: Called with the text, how many parts are done, and how many there are (0 for unknown).
    """

    def __init__(self, text: str, report: Report) -> None:
        self.text = text
        self._report = report
        self._stop = threading.Event()

    def cancel(self) -> None:
        """Let the work end at its next part."""
        self._stop.set()

    def advance(self, text: str, done: int, total: int) -> None:
        """Report a part of the work.

        Raises:
            Cancelled: The reader cancelled it.
        """
        if self._stop.is_set():
            raise Cancelled
        self._report(text, done, total)

    @contextmanager
    def counting(self, state: Any) -> Iterator[None]:
        """Let a state's computations report to this job."""
        if self.text:
            self.advance(self.text, 0, 0)
        state.report_to(self.advance)
        try:
            yield
        finally:
            state.report_to(None)


@cache
def _worker() -> ThreadPoolExecutor:
    """Return the only worker thread, so that models and caches are used by one job at a time."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="zsris-explorer")


def in_kernel() -> bool:
    """Return whether this process is a Jupyter kernel, whose main thread must stay free for messages."""
    kernel = sys.modules.get("ipykernel.kernelapp")
    return kernel is not None and kernel.IPKernelApp.initialized()


def run_job(job: Job, work: Callable[[Job], None]) -> None:
    """Do the work: at once, or in a kernel in the worker's thread."""
    if in_kernel() and threading.current_thread() is threading.main_thread():
        _worker().submit(work, job)
    else:
        work(job)
