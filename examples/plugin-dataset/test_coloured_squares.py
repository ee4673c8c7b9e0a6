"""Test the dataset: conformance, and the pixels of one reference."""

import numpy as np
from coloured_squares import COLOURS, ColouredSquares

from zsris_viz.testing import check_dataset


def test_conformance() -> None:
    for split in ("val", "test"):
        check_dataset(ColouredSquares, split)


def test_a_reference_has_the_colour_of_its_expression() -> None:
    sample = ColouredSquares("val")[0]
    for reference in sample.references:
        colour = reference.expressions[0].text.split()[1]
        assert (np.asarray(sample.image)[reference.mask] == COLOURS[colour]).all()
