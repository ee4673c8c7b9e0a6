"""Test the probe: conformance, and one number that is computed directly."""

import pytest
from token_norm import TokenNorm

from zsris_viz import load_clip, load_dataset
from zsris_viz.probes import run_probes
from zsris_viz.testing import check_probe


def test_conformance() -> None:
    check_probe(TokenNorm)


def test_the_norm_of_one_layer() -> None:
    clip, data = load_clip("miniature"), load_dataset("scenes", "val", limit=1)
    table = run_probes(clip, data, ["token norm"], controls=(), parts="gold", resamples=10)
    row = table[(table["variant"] == "CLS") & (table["layer"] == 2)].iloc[0]
    hidden = clip.trace_image([data[0].image]).layers[2][0]
    assert row["value"] == pytest.approx(float(hidden[0].norm()), rel=1e-4)
