"""Outputs of a notebook: figures (PNG, SVG, PDF) and tables (CSV, LaTeX), each with a JSON file on its provenance."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.figures.checks import alt_text
from zsris_viz.figures.layout import note_source
from zsris_viz.io.atomic import atomic_path, write_text
from zsris_viz.io.json_files import write_json
from zsris_viz.latex import latex_table
from zsris_viz.notebook_display import numbered, readable_table, show_picture
from zsris_viz.provenance import Named, commit, describe, versions

DPI = 150
PADDING = 0.1  # inches around a figure
# Without dates and the like, the same figure gives the same bytes.
PICTURES: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
TABLES = (".csv", ".tex")


class Outputs:
    """Writes the figures and tables of one notebook, with their provenance.

    A file appears under its final name only when it is whole. Writing the same name again replaces it.

    Example::

        out = Outputs(output_dir, notebook="03_global_local", model=clip, data=dataset, parameters={"limit": limit})
        out.show(fig, "masked-blocks", title="How many of the last blocks are masked")
        out.show(frame, "global-local-k", title="The k study")
    """

    def __init__(
        self,
        output_dir: str | Path,
        notebook: str,
        *,
        model: Named | str | None = None,
        data: Named | str | None = None,
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

    def show(
        self,
        output: Any,
        name: str,
        *,
        title: str | None = None,
        alt: str | None = None,
        model: Named | str | None = None,
        data: Named | str | None = None,
        digits: int = 2,
        rows: int | None = None,
        **extra: Any,
    ) -> None:
        """Write a figure or a table, and display it in the notebook.

        A line below a figure names its model and its data, and its picture has a description for readers who cannot
        see it. A table is displayed with rounded numbers; a value and its interval share a column.

        Args:
            output: A matplotlib Figure, or anything that has one (Axes, a seaborn grid), or a pandas DataFrame.
            name: File name without suffix; letters, digits, `-`, `_` and `.`.
            title: One line for the index page; it is also the caption of a table.
            alt: Description of a figure; None describes its titles, axes and legends.
            model: Model of this output in place of the notebook's; "" where no model is behind it, as in a diagram.
            data: Data of this output in place of the notebook's; "" where there are none.
            digits: Number of decimals of a table in the notebook; its file has six significant digits.
            rows: Number of rows of a table that the notebook shows; None for all, 0 to write the files alone. The files
                have all.
            **extra: Further plain values for the provenance.

        Raises:
            InvalidInputError: If `name` cannot be a file name.
            InvalidTypeError: If `output` is neither a figure nor a table.
        """
        from IPython.display import display

        if hasattr(output, "to_frame") or hasattr(output, "to_csv"):
            self.table(output, name, title=title, model=model, data=data, **extra)
            if rows == 0:
                return
            shown = output if rows is None else output.head(rows)
            part = f"{title or name} (the first {rows} of {len(output)} rows)"
            caption = title if len(shown) == len(output) else part
            display(readable_table(shown, digits=digits, caption=caption))
            return
        figure = getattr(output, "figure", output)
        if hasattr(figure, "savefig"):
            if not figure.get_supxlabel():
                note_source(figure, self.model if model is None else model, self.data if data is None else data)
            alt = describe_figure(figure, title, alt)
        path = self.figure(figure, name, title=title, alt=alt, model=model, data=data, **extra)
        show_picture(path, alt or "", DPI)

    def figure(
        self,
        fig: Any,
        name: str,
        *,
        title: str | None = None,
        alt: str | None = None,
        model: Named | str | None = None,
        data: Named | str | None = None,
        **extra: Any,
    ) -> Path:
        """Write `figures/NAME.png` (150 dots per inch), `.svg`, `.pdf` (vectors, fonts embedded) and `.json`.

        Args:
            fig: A matplotlib Figure, or anything that has one (Axes, a seaborn grid).
            name: File name without suffix; letters, digits, `-`, `_` and `.`.
            title: One line for the index page.
            alt: Description for readers who cannot see the figure; None describes its titles, axes and legends.
            model: Model of this output in place of the notebook's.
            data: Data of this output in place of the notebook's.
            **extra: Further plain values for the provenance.

        Returns:
            The path of the PNG.

        Raises:
            InvalidInputError: If `name` cannot be a file name.
            InvalidTypeError: If `fig` is not a matplotlib figure.
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
        extra = {"alt": describe_figure(figure, title, alt), **extra}
        self._sidecar(stem, "figure", list(PICTURES), title, model, data, extra)
        return _with(stem, ".png")

    def table(
        self,
        frame: Any,
        name: str,
        *,
        title: str | None = None,
        model: Named | str | None = None,
        data: Named | str | None = None,
        **extra: Any,
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
        plain = numbered(frame)
        with atomic_path(_with(stem, ".csv")) as part:
            frame.to_csv(part, index=not plain, float_format="%.6g")
        sources = {"model": self.model if model is None else model, "data": self.data if data is None else data}
        notes = [
            title or name,
            *(f"{kind}: {describe(output)}" for kind, output in sources.items() if output is not None),
        ]
        write_text(_with(stem, ".tex"), latex_table(frame if plain else frame.reset_index(), notes=notes))
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
        model: Named | str | None,
        data: Named | str | None,
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


def describe_figure(figure: Any, title: str | None, alt: str | None) -> str:
    """Return the description of a figure: `alt`, or its title followed by what the figure itself says."""
    if alt is not None:
        return alt
    found = alt_text(figure)
    return found if title is None or found.startswith(title) else f"{title}. {found}"


def _with(stem: Path, suffix: str) -> Path:
    """Append a suffix; Path.with_suffix would cut a name such as "alpha-0.95"."""
    return stem.with_name(stem.name + suffix)
