"""Execution of one notebook in a separate process: `python -m zsris_viz.reproduce.worker REQUEST.json`.

The request has `notebook`, `executed`, `page` (HTML), `result`, `parameters`, `scratch` and `shown`, the text that
replaces the scratch folder in the executed notebook. The outcome is written to `result`; the process itself ends with 0
unless it is killed.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from zsris_viz.reproduce.pages import write_page

KERNEL = "python3"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def main(request_file: str) -> None:
    """Run the notebook that the request names and write the outcome."""
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    _end_with_parent()
    started = time.perf_counter()
    try:
        error = _execute(request)
        if error is None:
            write_page(Path(request["executed"]), Path(request["page"]))
    except Exception as failure:
        error = {"message": f"{type(failure).__name__}: {failure}", "traceback": traceback.format_exc()}
    outcome = {"error": error, "seconds": round(time.perf_counter() - started, 2)}
    Path(request["result"]).write_text(json.dumps(outcome), encoding="utf-8")


def _execute(request: dict[str, Any]) -> dict[str, Any] | None:
    """Run with papermill; return None, or the error and its cell in the original notebook (counted from 1)."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    _use_this_python(Path(request["scratch"]))
    executed = Path(request["executed"])
    failure: Exception | None = None
    try:
        papermill.execute_notebook(
            request["notebook"],
            str(executed),
            parameters=request["parameters"],
            kernel_name=KERNEL,
            language="python",
            progress_bar=False,
        )
    except Exception as caught:
        failure = caught
    if executed.is_file():
        _scrub(executed, str(request["parameters"]["output_dir"]), request["shown"])
    if failure is None:
        return None
    report: dict[str, Any] = {
        "message": f"{type(failure).__name__}: {failure}",
        "traceback": "",
        **stopped_at(executed),
    }
    if isinstance(failure, PapermillExecutionError):
        report["message"] = f"{failure.ename}: {failure.evalue}"
        report["traceback"] = _ANSI.sub("", "\n".join(failure.traceback))
        report["source"] = failure.source
    return report


def stopped_at(executed: Path) -> dict[str, Any]:
    """Return the number and source of the cell in which the run ended; empty if none had begun.

    Cells are numbered as in the original notebook.
    """
    try:
        cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError):  # nothing was saved yet, or the process was killed while it saved
        return {}
    number = 0
    for cell in cells:
        tags = cell["metadata"].get("tags", [])
        if "injected-parameters" in tags or "papermill-error-cell-tag" in tags:
            continue
        number += 1
        report = cell["metadata"].get("papermill", {})
        if report.get("exception") or report.get("status") in ("failed", "running"):
            source = "".join(cell["source"])
            return {"cell": number, "count": cell.get("execution_count"), "source": source}
    return {}


def _use_this_python(scratch: Path) -> None:
    """Make the kernel `python3` this interpreter, whatever kernels are installed for the user or the machine."""
    from ipykernel.kernelspec import write_kernel_spec

    jupyter = scratch / "jupyter"
    write_kernel_spec(str(jupyter / "kernels" / KERNEL))
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(jupyter), os.environ.get("JUPYTER_PATH")]))
    os.environ["IPYTHONDIR"] = str(scratch / "ipython")


def _scrub(executed: Path, inner: str, shown: str) -> None:
    """Replace the scratch folder's path in the executed notebook by the folder that the results are moved to."""
    text = executed.read_text(encoding="utf-8")
    book = json.loads(text.replace(json.dumps(inner)[1:-1], json.dumps(shown)[1:-1]))
    book["metadata"].get("papermill", {}).pop("output_path", None)
    executed.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _end_with_parent() -> None:
    """End this process when the one that started it is gone; the kernel ends with us."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
