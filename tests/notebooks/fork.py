"""A notebook in a fork of the test process, which has torch and the other libraries already."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from zsris_viz.reproduce.parameters import read_notebook


def execute(notebook: Path, parameters: Mapping[str, Any], folder: Path, seconds: float) -> str:
    """Run all cells of a notebook without a kernel; of each figure only a small PNG is written.

    Args:
        notebook: Path of the notebook.
        parameters: Values that replace those of the cell tagged `parameters`.
        folder: Working directory.
        seconds: Limit of the time.

    Returns:
        The traceback of the cell that failed, or an empty text.
    """
    import matplotlib.pyplot  # noqa: F401
    import nbformat  # noqa: F401
    import pandas  # noqa: F401
    import spacy  # noqa: F401
    import torch
    import transformers.models.clip.modeling_clip  # noqa: F401

    # CUDA does not survive a fork, and Windows has none: a new process then imports everything again.
    forked = "fork" in multiprocessing.get_all_start_methods() and not torch.cuda.is_available()
    context = multiprocessing.get_context("fork" if forked else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(notebook, dict(parameters), folder, sender), daemon=False)
    child.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(seconds) else f"{notebook.name} did not end within {seconds:g} s"
    except EOFError:
        child.join()
        return f"the process of {notebook.name} ended with code {child.exitcode}"
    finally:
        child.kill()
        child.join()


def _run(notebook: Path, parameters: dict[str, Any], folder: Path, sender: Connection) -> None:
    try:
        sender.send(_failure(notebook, parameters, folder))
    except BaseException:
        sender.send(traceback.format_exc())
    finally:
        os._exit(0)  # without the exit handlers of the tests


def _failure(notebook: Path, parameters: dict[str, Any], folder: Path) -> str:
    import matplotlib
    import torch
    from IPython.core.interactiveshell import InteractiveShell

    from zsris_viz import outputs

    torch.set_num_threads(1)  # threads of OpenMP that an earlier test has started do not survive the fork

    # A quarter of a notebook's time would go into the other formats, which the tests of Outputs write.
    outputs.PICTURES, outputs.DPI = {".png": outputs.PICTURES[".png"]}, 50
    os.chdir(folder)
    os.environ["IPYTHONDIR"] = str(folder / "ipython")
    matplotlib.use("module://matplotlib_inline.backend_inline", force=True)
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    for number, cell in enumerate(read_notebook(notebook).cells):
        if cell.cell_type != "code":
            continue
        result = shell.run_cell(cell.source)
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            trace = "".join(traceback.format_exception(error))
            return f"cell {number} of {notebook.name}:\n{cell.source}\n{trace}"
        if "parameters" in cell.metadata.get("tags", []):
            shell.user_ns.update(parameters)
    return ""
