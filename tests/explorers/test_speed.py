"""A moved slider is followed at once: nothing expensive is computed twice."""

from __future__ import annotations

import statistics
import time

import pytest

from zsris_viz import load_clip, load_dataset
from zsris_viz.explorers import LayerExplorer


def test_a_slider_move_takes_less_than_a_tenth_of_a_second() -> None:
    """On the miniature, after the first trace; CPU time, so that a busy machine does not count."""
    clip, sample = load_clip("miniature", device="cpu"), load_dataset("scenes", "val", limit=1)[0]
    reference, spoken = next(sample.pairs())
    explorer = LayerExplorer(sample.image, spoken.text, clip, truth=reference.mask)
    clip.calls.reset()
    taken = []
    for layer in [*range(7), *range(5, -1, -1)]:
        if layer == explorer.layer.value:
            continue
        before = explorer.map.markup
        started = time.process_time()
        explorer.layer.value = layer
        taken.append(time.process_time() - started)
        assert explorer.map.markup != before and explorer.message.value == ""
    assert statistics.median(taken) < 0.1
    assert vars(clip.calls) == dict.fromkeys(vars(clip.calls), 0)
    assert explorer.layer.value == pytest.approx(0)
