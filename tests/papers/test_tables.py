"""The papers' tables as questions: every printed number has its row, and what is measured is what evaluate says."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.small_world import ByHash, NeedsMore, NoClip, SmallWorld
from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.export import export
from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.evaluation import evaluate
from zsris_viz.latex import latex_table
from zsris_viz.methods import get_method, method_names
from zsris_viz.methods.base import MethodInfo
from zsris_viz.papers.comparison import column_title, comparison_table, paired_table, wide_table
from zsris_viz.papers.experiment import Experiment
from zsris_viz.papers.inputs import short_reason
from zsris_viz.papers.published import published
from zsris_viz.papers.table_spec import with_baselines
from zsris_viz.papers.tables import BOUND, CHANCE, TABLES, Column, PaperTable, TableRow, find_table, table_ids
from zsris_viz.proposals import load_proposals

VAL: Column = ("refcoco", "val", "unc")


class Nowhere(Experiment):
    """Has no images."""

    def data(self, column: Column) -> None:
        return None


class ForRN(ByHash):
    info = MethodInfo("for-rn", "For RN", "none", ("rn",), "")


class Small(Experiment):
    """The small world for RefCOCO's val, with methods without sense."""

    evaluated = 0

    def data(self, column: Column) -> Any:
        return SmallWorld(20) if column == VAL else None

    def model(self, role: str) -> Any:
        if role != "vit":
            raise UnavailableError(f"no model was given for {role!r}. Give one")
        return NoClip()

    def source(self, role: str) -> Any:
        return super().source("ground-truth")

    def method(self, line: TableRow, dataset: str) -> Any:
        if line.title == "needs":
            return NeedsMore()
        if line.title == "for rn":
            return ForRN()
        return super().method(line, dataset) if line.method is None else ByHash(salt=len(line.title))

    def stand_ins(self, line: TableRow) -> str:
        return ""

    def _answers(self, *args: Any) -> Any:
        self.evaluated += 1
        return super()._answers(*args)


class Benchmark(Small):
    """The small world for a benchmark, with the stand-ins that it is given."""

    stand_ins = Experiment.stand_ins


@pytest.mark.parametrize("id", [id for id, table in TABLES.items() if table.paper])
def test_every_printed_number_has_one_row(id: str) -> None:
    table = find_table(id)
    printed = published(paper=table.paper, table=table.number)
    keys = ["dataset", "split", "split_by", "metric"]
    printed = printed.drop_duplicates([*keys, "method", "encoder", "proposals", "variant"])  # Table 3 of TAS: one twice
    found = unmeasured(id)
    assert found["measured"].isna().all() and (found["note"] != "").all()
    there = found[found["published"].notna()]
    assert sorted(there["published"]) == sorted(printed["value"])
    assert there.groupby(keys).size().to_dict() == printed.groupby(keys).size().to_dict()
    assert not there.duplicated([*keys, "line"]).any()


@functools.cache
def unmeasured(id: str) -> pd.DataFrame:
    return comparison_table(Nowhere(), find_table(id))


def test_cells_stand_in_their_rows() -> None:
    def cell(id: str, line: str, dataset: str, split: str, metric: str, split_by: str = "unc") -> float:
        found = unmeasured(id).set_index(["line", "dataset", "split", "split_by", "metric"])
        return found.loc[(line, dataset, split, split_by, metric), "published"]

    assert cell("gl-table1", "Cropping (RN50)", "refcoco+", "testA", "oIoU") == 22.03
    assert cell("gl-table1", "upper bound", "refcoco", "val", "mIoU") == 48.25
    assert cell("gl-table3", "Global-Local visual, Local textual", "refcocog", "val", "oIoU", "umd") == 27.94
    assert cell("tas-table1", "Global-Local CLIP (ViT-B/32)", "refcoco", "val", "mIoU") == 32.93
    assert cell("tas-table1", "Global-Local CLIP (ViT-B/32), FreeSOLO", "refcoco", "val", "mIoU") == 26.20
    assert cell("tas-table3", "alpha 0.1, lambda 0.5", "refcoco", "val", "mIoU") == 39.97
    assert cell("tas-table4", "V + P", "refcoco", "val", "mIoU") == 35.94
    assert cell("tas-table5", "captioner blur, CLIP crop", "refcoco", "val", "oIoU") == 29.53
    assert cell("tas-table6", "TAS, GIT-base (RN50)", "refcoco+", "testA", "mIoU") == 50.55
    assert cell("tas-table7", "BLIP-2-TAS", "refcocog", "val", "mIoU", "umd") == 50.07


def holds(config: dict[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether a configuration has the settings, nested ones included."""
    return all(
        holds(config[name], value) if isinstance(value, Mapping) else config[name] == value
        for name, value in settings.items()
    )


@pytest.mark.parametrize("id", table_ids())
def test_settings_are_those_of_the_methods(id: str) -> None:
    table = find_table(id, layers=6)
    assert len({line.title for line in table.lines}) == len(table.lines)
    for line in table.lines:
        if line.method is None:
            assert line.reason
        elif not line.is_baseline:
            if line.method not in method_names():  # a method that this version does not have is said to be missing
                assert "no method" in str(Experiment(limit=1).rows(line, VAL))
                continue
            config = dataclasses.asdict(get_method(line.method, **line.settings).config)
            assert holds(config, line.settings)


def test_every_setting_of_an_ablation_is_another_question() -> None:
    for id in table_ids():
        table = find_table(id, layers=12)
        evaluated = {(line.method, str(sorted(line.settings.items())), line.tower, line.captioner, line.proposals)
                 for line in table.lines if line.method}  # fmt: skip
        assert len(evaluated) == sum(line.method is not None for line in table.lines), id
    exits = [line for line in find_table("copatch-exit", 12).lines if not line.is_baseline]
    assert {line.settings["patches"]["layer"] for line in exits} == {*range(1, 13), "avg"}
    with pytest.raises(InvalidInputError, match="gl-table1"):
        find_table("gl-table9")


LINES = (
    TableRow("one", "x", {"method": "Cropping", "encoder": "ViT-B/32"}),
    TableRow("another", "x"),
    TableRow("best", BOUND),
    TableRow("needs", "x"),
    TableRow("for rn", "x"),
    TableRow("elsewhere", "x", tower="rn"),
    TableRow("trained", None, {"method": "LAVT"}, reason="trained with supervision"),
)


def test_measured_values_are_those_of_evaluate() -> None:
    place = Small(seed=3)
    table = PaperTable("t", "T", LINES, "global-local", "1", columns=(VAL, ("refcoco", "testA", "unc")))
    found = comparison_table(place, table, resamples=100).set_index(["line", "split", "metric"])
    methods = {"one": ByHash(salt=3), "another": ByHash(salt=7)}
    plain = evaluate(SmallWorld(20), methods, clip=NoClip(), parts="gold", progress=False)
    expected = plain.table(metrics=["miou", "oiou", "upper_bound_oiou"], resamples=100, seed=3).set_index("method")
    for line in methods:
        for metric, name in (("mIoU", "miou"), ("oIoU", "oiou")):
            row = found.loc[(line, "val", metric)]
            assert row["measured"] == expected.loc[line, name] and row["low"] == expected.loc[line, f"{name}_low"]
            assert row["n"] == expected.loc[line, "n"] and row["measured_on"] == "small val"
    row = found.loc[("one", "val", "oIoU")]
    assert row["published"] == 22.73 and row["difference"] == pytest.approx(row["measured"] - 22.73)
    assert found.loc[("best", "val", "oIoU"), "measured"] == expected.loc["one", "upper_bound_oiou"]
    assert np.isnan(found.loc[("one", "testA", "oIoU"), "measured"])
    notes = {line: found.loc[(line, "val", "mIoU"), "note"] for line in ("needs", "for rn", "elsewhere")}
    assert notes == {
        "needs": "no captioner; get one",
        "for rn": "For RN needs a tower of kind rn, not vit",
        "elsewhere": "no model was given for 'rn'",
    }
    assert found.loc[("trained", "val", "oIoU"), "note"] == "trained with supervision"
    assert found.loc[("one", "testA", "oIoU"), "note"] == "not measured in this run"
    evaluated = place.evaluated
    comparison_table(place, table, resamples=100)
    assert place.evaluated == evaluated  # nothing is asked twice


def test_chance_and_bound_are_in_every_table() -> None:
    for id in table_ids():
        lines = find_table(id).lines
        sources = {line.proposals for line in lines if line.method and line.proposals != "none"}
        assert sources == {line.proposals for line in lines if line.method == CHANCE}, id
        assert sources == {line.proposals for line in lines if line.method == BOUND}, id
    place = Small()
    table = with_baselines(PaperTable("t", "T", LINES[:1], columns=(VAL,)))
    found = comparison_table(place, table, resamples=10).set_index(["line", "metric"])
    plain = evaluate(SmallWorld(20), ByHash(), clip=NoClip(), parts="gold", progress=False).chance()
    assert found.loc[("chance", "mIoU"), "measured"] == pytest.approx(plain["miou"].item())
    assert found.loc[("chance", "oIoU"), "measured"] == pytest.approx(plain["oiou"].item())


def test_stand_ins_are_named_and_refused_on_benchmarks() -> None:
    parts: dict[str, Any] = {
        "models": {"vit": "miniature", "rn": "RN50"},
        "proposals": {"freesolo": "felzenszwalb", "sam": "sam-vit-h"},
    }
    named = Experiment(**parts)
    rows = {line.title: named.stand_ins(line) for id in ("gl-table1", "tas-table1") for line in find_table(id).lines}
    assert rows["Cropping (ViT-B/32)"] == "felzenszwalb for FreeSOLO; miniature for ViT-B/32"
    assert rows["Cropping (RN50)"] == "felzenszwalb for FreeSOLO" and rows["CLIP-only (RN50)"] == ""
    itc = Experiment(models={"albef": "Salesforce/blip-itm-base-coco"}, proposals={"sam": "sam-vit-h"})
    albef = {line.title: itc.stand_ins(line) for line in find_table("tas-table7").lines}
    assert albef["Albef-ITC"] == "Salesforce/blip-itm-base-coco for ALBEF"
    assert rows["TAS (RN50)"] == "miniature for BLIP-2 OPT-2.7b" and rows["LAVT, supervised"] == ""
    table = PaperTable("t", "T", (TableRow("one", "x", proposals="freesolo"),), columns=(VAL,))
    with pytest.raises(InvalidInputError, match=r"felzenszwalb for FreeSOLO.*precomputed:FILE.*allow_stand_ins=true"):
        comparison_table(Benchmark(**parts), table)
    found = comparison_table(Benchmark(**parts, allow_stand_ins=True), table, resamples=10)
    assert set(found["stand_ins"]) == {"felzenszwalb for FreeSOLO; miniature for ViT-B/32"}
    assert set(wide_table(found)["stand_ins"]) == set(found["stand_ins"]) and found["measured"].notna().all()
    two = replace(table, lines=(*table.lines, TableRow("two", "x", proposals="freesolo", base="one")))
    paired = paired_table(Benchmark(**parts, allow_stand_ins=True), two, resamples=10)
    for frame in (found, wide_table(found), paired):
        printed = [line for line in latex_table(frame).splitlines() if line.startswith(("one", "two", "mIoU", "oIoU"))]
        assert printed and all("felzenszwalb for FreeSOLO" in line and line.endswith(r"\\") for line in printed)


def test_rows_of_another_tower_take_their_own_model_or_name_the_stand_in() -> None:
    (row,) = (line for line in find_table("hybridgl-table-main").lines if line.title == "HybridGL")
    alone = {"vit": "openai/clip-vit-base-patch32"}
    assert Experiment(models=alone).stand_ins(row) == "openai/clip-vit-base-patch32 for ViT-B/16"
    both = alone | {"vit-b16": "openai/clip-vit-base-patch16"}
    assert Experiment(models=both).stand_ins(row) == ""
    place = Experiment(models={"vit": "miniature"})
    assert place.model("vit-b16") is place.model("vit")


def test_a_table_without_published_numbers_says_so() -> None:
    table = replace(find_table("hybridgl-table-guidance"), columns=(VAL,))
    lines = tuple(replace(line, proposals="ground-truth", tower="vit") for line in table.lines)
    found = comparison_table(Small(), replace(table, lines=lines), resamples=10)
    cells = found[~found["line"].isin([CHANCE, BOUND])]
    assert cells["published"].isna().all() and cells["measured"].notna().all() and len(cells) == 2 * 4
    assert set(cells["note"]) == {"the paper's printed number is not available here"}


def test_presets_and_filters_follow_the_dataset() -> None:
    crop = TableRow("x", "global-local")
    assert Experiment().method(crop, "scenes").preset == "default"
    assert Experiment().method(crop, "refcoco").preset == "official"
    assert Experiment(preset="default").method(crop, "refcoco").preset == "default"
    found = {name: Experiment().method(crop, name).config.alpha for name in ("phrasecut", "refcocog", "scenes")}
    assert found == {"phrasecut": 0.95, "refcocog": 0.85, "scenes": 0.5}
    patches = Experiment().method(TableRow("y", "copatch"), "scenes").config  # a gain is measured from the same base
    assert patches.base.alpha == found["scenes"]
    given = {"sam": load_proposals("felzenszwalb")}
    assert Experiment(dataset="refcoco", proposals=given).source("sam+filter").name == "felzenszwalb+filter"
    assert Experiment(proposals=given).source("sam+filter").name == "felzenszwalb"
    assert Experiment(dataset="refcoco", proposals=given).source("sam").name == "felzenszwalb"


def test_families_are_corrected() -> None:
    lines = (*LINES[:2], TableRow("third", "x"))
    found = paired_table(Small(), PaperTable("t", "T", lines, columns=(VAL,)), "one", resamples=10)
    assert len(found) == 2 and found["p_holm"].min() == pytest.approx(min(1, 2 * found["p"].min()))
    assert (found["p"] >= 2 / 2**20).all() and (found["p_holm"] >= found["p"]).all()


def test_reasons_are_short_and_name_no_folder() -> None:
    error = UnavailableError("The weights are missing (/home/x/model.pt). Train them (again): zsris train")
    assert short_reason(error) == "The weights are missing"
    assert short_reason(UnavailableError("no model (of that kind). Give one")) == "no model (of that kind)"


def test_rows_can_be_kept(tmp_path: Path) -> None:
    table = PaperTable("t", "T", LINES[:2], columns=(VAL,))
    first = comparison_table(Small(rows_dir=tmp_path), table, resamples=10)
    (folder,) = tmp_path.iterdir()
    assert (folder / "rows.parquet").is_file() and folder.name.startswith("refcoco-val-unc-")
    pd.testing.assert_frame_equal(comparison_table(Small(rows_dir=tmp_path), table, resamples=10), first)


def test_as_it_is_printed() -> None:
    table = PaperTable("t", "T", LINES[:1], "global-local", "1", columns=(VAL, ("refcocog", "val", "umd")))
    wide = wide_table(comparison_table(Small(), table, resamples=10), ("mIoU", "oIoU"))
    assert list(wide) == ["metric", "line", "RefCOCO val", "RefCOCOg val(U)", "n"] and set(wide["n"]) == {"78"}
    assert wide["metric"].tolist() == ["mIoU", "oIoU"] and wide.loc[1, "RefCOCO val"].endswith(" (22.73)")
    assert wide.loc[0, "RefCOCOg val(U)"] == "– (31.88)"
    short = wide_table(comparison_table(Small(), table, resamples=10), ("mIoU",), measured_only=True)
    assert list(short) == ["metric", "line", "RefCOCO val", "n"] and short["RefCOCO val"].equals(
        wide["RefCOCO val"][:1]
    )
    assert column_title("phrasecut", "test", "") == "PhraseCut test"


def test_drawn_twins_and_real_columns(tmp_path: Path) -> None:
    place = Experiment(limit=2)
    data = place.data(("refcoco+", "testB", "unc"))
    assert data is not None and (data.name, data.split, data.style) == ("scenes", "testB", "refcoco+")
    assert place.measured_on(("refcoco+", "testB", "unc")) == "scenes testB like RefCOCO+"
    assert place.data(("refcocog", "val", "google")) is None and place.measured_on(("refcocog", "val", "google")) == ""
    twin = place.data(("refcoco", "", ""))
    assert twin is not None and twin.split == "val"  # Table 2 of Global-Local does not say
    export(load_dataset("scenes", "val", limit=2, size=64), tmp_path, "refer", progress=False)
    real = Experiment(dataset="refcoco", data_root=tmp_path)
    assert len(real.data(VAL) or []) == 2 and real.data(("refcoco+", "val", "unc")) is None
    assert Experiment(dataset="all", data_root=tmp_path).data(("refcocog", "test", "google")) is None  # not public


def test_who_is_missing_is_said() -> None:
    place = Experiment(limit=1, models={"vit": "miniature"}, captioners={})
    with pytest.raises(UnavailableError, match="no model was given for 'rn'"):
        place.model("rn")
    with pytest.raises(UnavailableError, match="no proposals given for 'sam'"):
        place.source("sam")
    with pytest.raises(UnavailableError, match="no method 'nonsense'"):
        place.method(TableRow("x", "nonsense"), "scenes")
    broken = Experiment(models={"vit": "nobody/nothing"})
    for _ in range(2):
        with pytest.raises(UnavailableError):
            broken.model("vit")
