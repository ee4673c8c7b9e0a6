"""Outputs of a notebook: figures (PNG, SVG, PDF) and tables (CSV, LaTeX), each with a JSON file on its provenance."""

from __future__ import annotations

import functools
import os
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.io.atomic import atomic_path, write_text
from zsris_viz.io.json_files import write_json
from zsris_viz.latex import latex_table

DPI = 150
PADDING = 0.1  # inches around a figure
# Without dates and the like, the same figure gives the same bytes.
PICTURES: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
TABLES = (".csv", ".tex")
VERSIONS_TOLD = ("zsris-viz", "torch", "transformers")


class Outputs:
    """Writes the figures and tables of one notebook, with their provenance.

    A file appears under its final name only when it is whole. Writing the same name again replaces it.

    Example::

        out = Outputs(output_dir, notebook="03_global_local", model=clip, data=dataset, parameters={"limit": limit})
        out.figure(fig, "masked-blocks")
        out.table(frame, "table-3")
    """

    def __init__(
        self,
        output_dir: str | Path,
        notebook: str,
        *,
        model: Any = None,
        data: Any = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Start the clock of the first output.

        Args:
            output_dir: Folder that gets `figures/` and `tables/`; made when needed.
            notebook: Name of the notebook, without `.ipynb`.
            model: The model behind the numbers: a text, or an object with `name` (what `load_clip` gives).
            data: The data behind them: a text, or an object with `name` and `split` (what `load_dataset` gives).
            parameters: Parameters of the notebook; plain values only.
        """
        self.output_dir = Path(output_dir)
        self.notebook = notebook
        self.model = model
        self.data = data
        self.parameters = dict(parameters or {})
        self._since = time.perf_counter()

    def figure(
        self, fig: Any, name: str, *, title: str | None = None, model: Any = None, data: Any = None, **extra: Any
    ) -> Path:
        """Write `figures/NAME.png` (150 dots per inch), `.svg`, `.pdf` (vectors, fonts embedded) and `.json`.

        Args:
            fig: A matplotlib Figure, or anything that has one (Axes, a seaborn grid).
            name: File name without suffix; letters, digits, `-`, `_` and `.`.
            title: One line for the index page.
            model: Stands in for the notebook's model, for this output; `data` likewise.
            data: See `model`.
            **extra: Further plain values for the provenance.

        Returns:
            The path of the PNG.

        Raises:
            InvalidInputError: `name` cannot be a file name.
            InvalidTypeError: `fig` is no matplotlib figure.
        """
        figure = getattr(fig, "figure", fig)
        if not hasattr(figure, "savefig"):
            raise InvalidTypeError(
                f"figure {name!r} is a {type(fig).__name__}; give a matplotlib Figure, Axes or seaborn grid "
                "(a plotly figure is drawn in the notebook; save its matplotlib twin)"
            )
        import matplotlib

        stem = self._stem("figures", name)
        figure.draw_without_rendering()
        layout, box = figure.get_layout_engine(), figure.get_tightbbox().padded(PADDING)
        # A fixed salt for the same bytes, and TrueType fonts, which publishers ask for.
        with matplotlib.rc_context({"svg.hashsalt": name, "pdf.fonttype": 42}):
            try:
                figure.set_layout_engine("none")  # laid out and measured once: each file would do both again
                for suffix, metadata in PICTURES.items():
                    with atomic_path(_with(stem, suffix)) as part:
                        figure.savefig(
                            part, format=suffix[1:], dpi=DPI, bbox_inches=box, facecolor="white", metadata=metadata
                        )
            finally:
                figure.set_layout_engine(layout)
        self._sidecar(stem, "figure", list(PICTURES), title, model, data, extra)
        return _with(stem, ".png")

    def table(
        self, frame: Any, name: str, *, title: str | None = None, model: Any = None, data: Any = None, **extra: Any
    ) -> Path:
        """Write `tables/NAME.csv` (six significant digits), `.tex` (booktabs) and `.json`; arguments as of `figure`.

        A numbered index (pandas' default) is left out, any other becomes the first columns.

        Returns:
            The path of the CSV.

        Raises:
            InvalidInputError: `name` cannot be a file name.
            InvalidTypeError: `frame` is no pandas DataFrame or Series.
        """
        if hasattr(frame, "to_frame"):  # a Series
            frame = frame.to_frame()
        if not hasattr(frame, "to_csv"):
            raise InvalidTypeError(f"table {name!r} is a {type(frame).__name__}; give a pandas DataFrame")
        stem = self._stem("tables", name)
        numbered = frame.index.name is None and type(frame.index).__name__ == "RangeIndex"
        with atomic_path(_with(stem, ".csv")) as part:
            frame.to_csv(part, index=not numbered, float_format="%.6g")
        sources = {"model": self.model if model is None else model, "data": self.data if data is None else data}
        notes = [
            title or name,
            *(f"{kind}: {describe(thing)}" for kind, thing in sources.items() if thing is not None),
        ]
        write_text(_with(stem, ".tex"), latex_table(frame if numbered else frame.reset_index(), notes=notes))
        self._sidecar(stem, "table", list(TABLES), title, model, data, {"rows": len(frame), **extra})
        return _with(stem, ".csv")

    def _stem(self, folder: str, name: str) -> Path:
        if not name or name.startswith(".") or not all(c.isalnum() or c in "-_." for c in name):
            raise InvalidInputError(f"output name {name!r}: use letters, digits, '-', '_' and '.', as in 'table-3'")
        stem = self.output_dir / folder / name
        stem.parent.mkdir(parents=True, exist_ok=True)
        return stem

    def _sidecar(
        self,
        stem: Path,
        kind: str,
        suffixes: list[str],
        title: str | None,
        model: Any,
        data: Any,
        extra: Mapping[str, Any],
    ) -> None:
        now = time.perf_counter()
        provenance = {
            "name": stem.name,
            "kind": kind,
            "title": title,
            "notebook": self.notebook,
            "files": [stem.name + suffix for suffix in suffixes],
            "model": describe(self.model if model is None else model),
            "data": describe(self.data if data is None else data),
            "parameters": self.parameters,
            "seconds": round(now - self._since, 2),
            "commit": commit(),
            "versions": versions(),
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            **extra,
        }
        self._since = now
        write_json(_with(stem, ".json"), provenance)


def describe(thing: Any) -> str | None:
    """Name a model or a data set in one line: a text as it is, else its `name`, `split` and number of items."""
    if thing is None or isinstance(thing, str):
        return thing
    name = str(getattr(thing, "name", type(thing).__name__))
    split = getattr(thing, "split", None)
    words = [name] if not isinstance(split, str) else [name, split]
    if split is not None and hasattr(thing, "__len__"):
        words.append(f"({len(thing)} images)")
    return " ".join(words)


@functools.lru_cache(maxsize=1)
def commit() -> str | None:
    """Return the package's git commit, with "+" if its files have changed since; None without a clone or git."""
    home = Path(__file__).resolve().parent
    # A status that wants to refresh the index would get in the way of another git command.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(home), *words], capture_output=True, text=True, check=True, timeout=20, env=environment
        ).stdout.strip()

    try:
        if not git("ls-files", "--", "__init__.py"):  # installed into somebody else's repository
            return None
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None


@functools.lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Return the versions of this package and of the libraries whose versions it reports."""
    found = {}
    for name in VERSIONS_TOLD:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _with(stem: Path, suffix: str) -> Path:
    """Append a suffix; Path.with_suffix would cut a name such as "alpha-0.95"."""
    return stem.with_name(stem.name + suffix)
