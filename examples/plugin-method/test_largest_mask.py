"""Test the method: conformance, and one answer that can be computed by hand."""

import numpy as np
from largest_mask import LargestMask

from zsris_viz import SceneFeatures, load_clip
from zsris_viz.testing import check_method


def test_conformance() -> None:
    check_method(LargestMask)


def test_the_largest_proposal_is_chosen() -> None:
    masks = np.zeros((2, 20, 20), bool)
    masks[0, :5, :5] = True
    masks[1, :9, :9] = True
    scene = SceneFeatures(np.zeros((20, 20, 3), np.uint8), masks, load_clip("miniature"))
    ranking = LargestMask().predict(scene, "anything")
    assert ranking.chosen == 1
    assert ranking.scores.tolist() == [np.float32(25 / 400), np.float32(81 / 400)]
