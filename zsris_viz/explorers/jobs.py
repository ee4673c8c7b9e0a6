"""Jobs of an explorer that report their progress and can be cancelled."""

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
    """Run one job that reports its progress and can be cancelled.

    Args:
        text: Description of the computation.
        report: Function that takes the text, the number of finished parts, and the number of all parts (0 if unknown).
    """

    def __init__(self, text: str, report: Report) -> None:
        self.text = text
        self._report = report
        self._stop = threading.Event()

    def cancel(self) -> None:
        """Cancel the job; it ends at its next part."""
        self._stop.set()

    def advance(self, text: str, done: int, total: int) -> None:
        """Report a finished part of the job.

        Raises:
            Cancelled: The reader cancelled the job.
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
    """Run the work at once, or in a kernel in the worker's thread."""
    if in_kernel() and threading.current_thread() is threading.main_thread():
        _worker().submit(work, job)
    else:
        work(job)
