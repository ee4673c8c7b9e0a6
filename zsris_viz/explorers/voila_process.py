"""Voila as a process that ends with the one that started it: python -P voila_process.py PAGE ...

The parent holds the other end of this process' standard input. When the parent ends, even by a signal that it cannot
answer, the input closes; Voila is then asked to end, and it shuts its kernels down.
"""

from __future__ import annotations

import os
import runpy
import signal
import threading
import time

GRACE = 10.0  # seconds for Voila to shut its kernels down


def wait_for_parent() -> None:
    """Wait until standard input is closed, then end this process."""
    while os.read(0, 1024):  # not through sys.stdin, whose lock would be held when the interpreter ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


def main() -> None:
    """Run Voila with this process' arguments."""
    threading.Thread(target=wait_for_parent, daemon=True, name="parent").start()
    runpy.run_module("voila", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
