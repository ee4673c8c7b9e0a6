"""Panels of curves by layer."""

from __future__ import annotations

import pytest

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures import Curve, show_probe_curves, text_problems
from zsris_viz.probes.table import Tally


@pytest.fixture(scope="module")
def table():
    tally = Tally(25)
    for image in range(25):
        for layer in (2, 0, 1):
            tally.add(image, image % 3 + layer, probe="p", kind="k", variant="v", layer=layer)
            tally.add(image, 5.0, probe="p", kind="k", variant="v", layer=layer, head=0)
            tally.add(image, 1.0, probe="p", kind="k", variant="v", layer=layer, control="untrained")
    return tally.table(resamples=50)


def test_curves_show_the_rows_of_the_table(table):
    curves = [Curve("tower", "measured", "k", "v"), Curve("untrained tower", "untrained", "k", "v", "untrained")]
    panels = {"first": curves, "second": [Curve("tower", "measured", "other", "v")]}
    fig = show_probe_curves(table, "p", panels, title="A title", ylabel="number", reference={"chance": 0.5})
    first, second = fig.axes
    assert first.get_title(loc="left") == "first\nn = 25" and second.get_title(loc="left") == "second\nn = 0"
    x, y = first.lines[0].get_data()
    expected = table[(table.control == "model") & table["head"].isna()].sort_values("layer").value
    assert x.tolist() == [0, 1, 2] and y.tolist() == pytest.approx(expected.tolist())
    assert [text.get_text() for text in second.texts] == ["not measured"]
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["tower", "untrained tower", "chance"]
    assert not text_problems(fig)


def test_a_role_that_does_not_exist(table):
    with pytest.raises(InvalidInputError, match="role"):
        show_probe_curves(table, "p", {"a": [Curve("tower", "moon", "k", "v")]}, title="", ylabel="")
