"""What a notebook displays: pictures with descriptions, rounded tables, remarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from IPython.utils.capture import capture_output
from matplotlib.figure import Figure

from zsris_viz.errors import InvalidTypeError
from zsris_viz.notebook_display import merge_intervals, readable_table, what_we_see, with_titles
from zsris_viz.outputs import Outputs


@pytest.fixture(autouse=True)
def shell() -> Any:
    from IPython.core.interactiveshell import InteractiveShell

    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def drawing() -> Figure:
    figure = Figure(figsize=(2, 1), layout="constrained")
    figure.subplots().set(xlabel="x", ylabel="y", title="A line")
    return figure


def test_show_writes_a_figure_and_displays_it_with_a_description(tmp_path: Path) -> None:
    out = Outputs(tmp_path, "00_a", model="miniature", data="scenes val")
    figure = drawing()
    with capture_output() as captured:
        out.show(figure, "f", title="A drawn line")
    (shown,) = captured.outputs
    assert (tmp_path / "figures/f.svg").is_file()
    assert shown.metadata["image/png"]["alt"].startswith("A drawn line. ")
    assert "y against x" in shown.metadata["image/png"]["alt"] and 100 < shown.metadata["image/png"]["width"] < 300
    assert figure.get_supxlabel().replace("\n", " ") == "model: built-in miniature · data: built-in drawn scenes val"


def test_show_keeps_a_given_source_and_a_given_description(tmp_path: Path) -> None:
    figure = drawing()
    figure.supxlabel("by hand")
    with capture_output() as captured:
        Outputs(tmp_path, "00_a", model="miniature").show(figure, "f", alt="One line rises.")
    assert captured.outputs[0].metadata["image/png"]["alt"] == "One line rises."
    assert figure.get_supxlabel() == "by hand"


def test_show_writes_and_displays_a_table(tmp_path: Path) -> None:
    frame = pd.DataFrame({"method": ["a<b"], "miou": [46.912345], "miou_low": [42.1], "miou_high": [51.8]})
    with capture_output() as captured:
        Outputs(tmp_path, "00_a").show(frame, "t", title="A table", digits=1)
    html = captured.outputs[0].data["text/html"]
    assert "46.9 [42.1, 51.8]" in html and "A table" in html and "a&lt;b" in html and "miou_low" not in html
    assert "mIoU, %" in html and (tmp_path / "tables/t.csv").read_text().startswith("method,miou,")
    assert "46.9123" in (tmp_path / "tables/t.csv").read_text()


def test_show_displays_the_first_rows_of_a_long_table(tmp_path: Path) -> None:
    with capture_output() as shown:
        Outputs(tmp_path, "00_a").show(pd.DataFrame({"value": range(50)}), "t", title="Values", rows=3)
    html = shown.outputs[0].data["text/html"]
    assert html.count("<tr") == 4 and "Values (the first 3 of 50 rows)" in html
    assert len(pd.read_csv(tmp_path / "tables/t.csv")) == 50


def test_show_refuses_other_things(tmp_path: Path) -> None:
    with pytest.raises(InvalidTypeError, match="matplotlib"):
        Outputs(tmp_path, "00_a").show(object(), "f")


def test_values_without_an_interval_stand_alone_and_unknown_ones_are_dashes() -> None:
    frame = pd.DataFrame({"v": [1.0, np.nan, 2.0], "v_low": [np.nan, np.nan, 1.5], "v_high": [np.nan, np.nan, 2.5]})
    assert merge_intervals(frame, 1)["v"].tolist() == ["1.0", "–", "2.0 [1.5, 2.5]"]
    assert "–" in readable_table(pd.Series([np.nan, 1.0], name="x")).to_html()


def test_low_and_high_belong_to_the_value_of_the_table() -> None:
    frame = pd.DataFrame({"method": ["a"], "difference": [-0.04], "low": [-1.0], "high": [2.0]})
    assert merge_intervals(frame, 1).to_dict("records") == [{"method": "a", "difference": "0.0 [-1.0, 2.0]"}]
    other = frame.rename(columns={"difference": "distance"})  # no known value: the columns stay
    assert list(merge_intervals(other)) == list(other)


def test_a_sample_that_all_rows_share_is_named_in_the_caption() -> None:
    frame = pd.DataFrame({"method": ["a", "b"], "miou": [1.0, 2.0], "n": [70.0, 70.0], "images": [20, 20]})
    html = readable_table(frame, caption="Scores").to_html()
    assert "Scores (70 expressions on 20 images)" in html and html.count('class="col_heading') == 2
    html = readable_table(frame.assign(n=[70.0, 80.0]), caption="Scores").to_html()
    assert "Scores<" in html and "expressions" in html and ">70<" in html and ">80<" in html
    html = readable_table(frame.drop(columns=["miou", "images"])).to_html()
    assert "n = 70" in html and "expressions" not in html


@pytest.mark.parametrize(
    ("columns", "sample"),
    [(["n"], "n = 30"), (["images"], "30 images"), (["n", "images"], "30 expressions on 30 images"), ([], "")],
)
def test_the_sample_is_named_from_the_columns_that_there_are(columns: list[str], sample: str) -> None:
    frame = pd.DataFrame({"p_holm": [0.1, 0.2], **{key: [30, 30] for key in columns}})
    assert with_titles(frame)[1] == sample


def test_p_values_and_names_with_underscores_are_written_for_readers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"chosen_mask": [1, 2], "p_holm": [0.0001, 0.034], "p (all)": ["–", "0.5"]})
    html = readable_table(frame, digits=1).to_html()
    assert "chosen mask" in html and "&lt; 0.001" in html and "0.034" in html and "_holm" not in html


def test_an_index_that_numbers_the_rows_is_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"value": [1, 2, 3]})[1:][::-1].sort_values("value", ascending=False)
    frame = frame.loc[[2, 1]]  # no RangeIndex any more
    assert "level0_row" not in readable_table(frame).to_html()
    Outputs(tmp_path, "00_a").table(frame, "t")
    assert (tmp_path / "tables/t.csv").read_text().splitlines() == ["value", "3", "2"]


def test_sentences_in_a_table_start_at_the_left() -> None:
    frame = pd.DataFrame({"statement": ["A sentence that is long enough to be read as text."], "verdict": ["holds"]})
    html = readable_table(frame).to_html()
    assert html.count("text-align: left") == 1 and "row0_col0 {" in html
    assert "text-align" not in readable_table(frame[["verdict"]]).to_html()
    assert "text-align" not in readable_table(frame[:0]).to_html()


def test_remarks_leave_out_what_is_empty() -> None:
    with capture_output() as captured:
        what_we_see("The map is sharp.", "", " It fits. ")
    assert captured.outputs[0].data["text/markdown"] == "**What we see.** The map is sharp. It fits."


def test_an_index_with_repetitions_is_shown_as_a_column() -> None:
    frame = pd.DataFrame({"verdict": ["a sentence " * 9, "b"]}, index=pd.Index(["left", "left"], name="side"))
    html = readable_table(frame).to_html()
    assert "side" in html and html.count("left") >= 2


def test_lists_of_images_are_no_sample() -> None:
    html = readable_table(pd.DataFrame({"images": ["1, 3", "1, 3"], "method": ["a", "b"]})).to_html()
    assert html.count("1, 3") == 2
