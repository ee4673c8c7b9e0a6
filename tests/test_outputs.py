"""Figures and tables with their provenance."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from zsris_viz.errors import InvalidInputError, InvalidTypeError, ZsrisError
from zsris_viz.io.json_files import plain, write_json
from zsris_viz.outputs import Outputs
from zsris_viz.provenance import describe


def drawing() -> Figure:
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([1, 2])
    return figure


def test_figure_has_its_files_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    out = Outputs(tmp_path, "00_a", model="miniature", data="scenes val", parameters={"limit": 3})
    path = out.figure(drawing(), "alpha-0.95", title="Alpha", note=np.float32(0.5))
    assert path == tmp_path / "figures/alpha-0.95.png"
    assert sorted(p.name for p in path.parent.iterdir()) == [
        f"alpha-0.95.{end}" for end in ("json", "pdf", "png", "svg")
    ]
    first = {p.name: p.read_bytes() for p in path.parent.iterdir() if p.suffix != ".json"}
    assert first["alpha-0.95.png"][:4] == b"\x89PNG" and first["alpha-0.95.pdf"][:5] == b"%PDF-"
    assert b"/Type0" in first["alpha-0.95.pdf"] and b"/Type3" not in first["alpha-0.95.pdf"]  # TrueType, no bitmaps
    Outputs(tmp_path, "00_a").figure(drawing().axes[0], "alpha-0.95")
    assert first == {p.name: p.read_bytes() for p in path.parent.iterdir() if p.suffix != ".json"}


def test_the_layout_of_a_figure_is_as_before(tmp_path: Path) -> None:
    figure = Figure(figsize=(2, 1), layout="constrained")
    figure.subplots().set_title("A title")
    engine = figure.get_layout_engine()
    Outputs(tmp_path, "00_a").figure(figure, "f")
    assert figure.get_layout_engine() is engine is not None


def test_provenance(tmp_path: Path) -> None:
    model = SimpleNamespace(name="RN50")
    out = Outputs(tmp_path, "00_a", model="miniature", data="scenes val", parameters={"limit": 3})
    out.table(pd.DataFrame({"a": [1]}), "one", model=model, title="One")
    provenance = json.loads((tmp_path / "tables/one.json").read_text())
    assert (provenance["model"], provenance["data"], provenance["notebook"], provenance["kind"]) == (
        "RN50",
        "scenes val",
        "00_a",
        "table",
    )
    assert (
        provenance["parameters"] == {"limit": 3}
        and provenance["rows"] == 1
        and provenance["files"] == ["one.csv", "one.tex"]
    )
    tex = (tmp_path / "tables/one.tex").read_text()
    assert tex.startswith("% One\n% model: RN50\n% data: scenes val\n\\begin{tabular}{r}\n")
    assert 0 <= provenance["seconds"] < 60
    assert set(provenance) >= {"commit", "versions", "made"}


def test_a_table_without_shown_rows_is_written_and_not_displayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Outputs(tmp_path, "00_a").show(pd.DataFrame({"a": [1, 2]}), "one", rows=0)
    assert (tmp_path / "tables/one.csv").read_text().split() == ["a", "1", "2"] and not capsys.readouterr().out


def test_table_keeps_an_index_that_means_something(tmp_path: Path) -> None:
    out = Outputs(tmp_path, "00_a")
    frame = pd.DataFrame({"method": ["a", "b"], "miou": [1 / 3, 2]})
    assert out.table(frame, "t").read_text() == "method,miou\na,0.333333\nb,2\n"
    assert out.table(frame.set_index("method"), "t").read_text() == "method,miou\na,0.333333\nb,2\n"
    assert out.table(frame.set_index("method")["miou"], "t").read_text() == "method,miou\na,0.333333\nb,2\n"


def test_failed_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Outputs(tmp_path, "00_a")
    out.figure(drawing(), "f")
    before = (tmp_path / "figures/f.png").read_bytes()

    def breaks(self: Figure, path: Path, **kwargs: object) -> None:
        Path(path).write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", breaks)
    with pytest.raises(OSError, match="disk full"):
        out.figure(drawing(), "f")
    assert (tmp_path / "figures/f.png").read_bytes() == before


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".a", "a b"])
def test_names_must_be_file_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="output name"):
        Outputs(tmp_path, "00_a").table(pd.DataFrame(), name)


def test_other_things_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTypeError, match="matplotlib"):
        Outputs(tmp_path, "00_a").figure("a.png", "f")
    with pytest.raises(ZsrisError, match="DataFrame"):
        Outputs(tmp_path, "00_a").table([1], "t")


def test_describe() -> None:
    class Set(list[int]):
        name, split = "scenes", "val"

    assert describe(None) is None
    assert describe("x") == "x"
    assert describe(SimpleNamespace(name="RN50")) == "RN50"
    assert describe(Set([1, 2])) == "scenes val (2 images)"


def test_json_has_no_nan(tmp_path: Path) -> None:
    value = {"a": float("nan"), "b": np.array([1, np.inf]), "c": (np.int64(3), True), "d": Path("x")}
    assert plain(value)["b"] == [1.0, None]
    write_json(tmp_path / "v.json", value)
    assert json.loads((tmp_path / "v.json").read_text()) == {"a": None, "b": [1.0, None], "c": [3, True], "d": "x"}
