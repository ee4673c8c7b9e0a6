"""The notebooks on evaluation take any dataset by parameter: here drawn scenes in RefCOCO's own files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.export import export
from zsris_viz.reproduce import reproduce

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images as RefCOCO val: JPEG files, instances.json and a pickle of references."""
    folder = tmp_path_factory.mktemp("refer")
    scenes = load_dataset("scenes", "val", limit=2)
    export(scenes, folder, "refer", images="jpeg", progress=False)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_evaluation_on_a_benchmark(root: Path, tmp_path: Path) -> None:
    given = {
        "dataset": "refcoco", "data_root": str(root), "limit": 2, "real_limit": 1, "other_splits": [],
        "methods": ["cropping", "global-local"], "engine": "dask://local:2",
    }  # fmt: skip
    report = reproduce(["09"], notebooks=NOTEBOOKS, output=tmp_path, parameters=given, timeout=800)
    assert report.ok, report.results[0].failure
    page = (tmp_path / "notebooks/09_evaluation.html").read_text()
    assert "http://127.0.0.1:" in page and "made the same rows" in page
    table = pd.read_csv(tmp_path / "tables/evaluation-methods.csv")
    assert set(table["method"]) == {"Cropping", "Global-Local CLIP", "chance", "upper bound"}
    expected = sum(len(list(load_dataset("scenes", "val")[index].pairs())) for index in range(2))
    assert set(table["n"]) == {expected}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_table_of_a_paper_on_a_benchmark(root: Path, tmp_path: Path) -> None:
    given = {"dataset": "refcoco", "data_root": str(root), "limit": 2}
    report = reproduce(["gl-table2"], notebooks=NOTEBOOKS, output=tmp_path, parameters=given, timeout=800)
    assert report.ok, report.results[0].failure
    assert sorted(path.name for path in (tmp_path / "tables").glob("*.csv")) == ["gl-table2-wide.csv", "gl-table2.csv"]
    table = pd.read_csv(tmp_path / "tables/gl-table2.csv").set_index(["line", "dataset"])
    measured = table[table["measured"].notna()]
    assert set(measured.index.get_level_values("dataset")) == {"refcoco"} and len(measured) == 7
    row = table.loc[("Cropping", "refcoco")]
    assert row["published"] == 36.32 and row["difference"] == pytest.approx(row["measured"] - 36.32, abs=1e-3)
    baseline = table.index.get_level_values("line").isin(["chance", "upper bound"])  # in every table, never published
    assert table.loc[~baseline, "published"].notna().all() and (~baseline).sum() == 15
    assert table.loc[baseline, "published"].isna().all() and baseline.sum() == 6
