"""Single numbers of a table."""

from __future__ import annotations

import numpy as np

from zsris_viz.probes import find_curve, find_number
from zsris_viz.probes.table import Tally


def test_numbers_of_a_table():
    tally = Tally(30)
    for image in range(30):
        for layer in (1, 0):
            tally.add(image, image % 2 + layer, probe="p", kind="k", variant="v", layer=layer, paired=True)
            tally.add(image, 9.0, probe="p", kind="k", variant="v", layer=layer, head=1)
    table = tally.table(resamples=200)
    assert find_curve(table, "p", "k", "v")["layer"].tolist() == [0, 1]
    number = find_number(table, "p", "k", "v", layer=1)
    assert number.value == 1.5 and number.n == 30 and number.images == 30 and number.p_holm < 0.01
    assert number.above(1) and not number.below(1) and number.below(2) and not number.above(1.5)
    assert number.text("{:.0f}", 100).startswith("150 [1")


def test_a_number_that_is_missing_or_of_few_images():
    tally = Tally(3)
    tally.add(0, 0.25, probe="p", kind="k", variant="v", layer=0)
    table = tally.table(resamples=20)
    few, none = (find_number(table, "p", "k", "v", layer=layer) for layer in (0, 1))
    assert few.text() == "0.25" and not few.above(0) and not few.below(1), "three images give no interval"
    assert np.isnan(none.value) and none.n == 0 and none.text() == "not measured"
