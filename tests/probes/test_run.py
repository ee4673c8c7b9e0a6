"""The driver: one pass, tidy tables, controls, and what it refuses."""

from __future__ import annotations

import pytest

from tests.factories import tiny_vit_clip
from zsris_viz.datasets.types import Sample
from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.probes import COLUMNS, PROBES, context_attention, localisation, position_decodability, run_probes

QUICK = {"parts": "gold", "resamples": 20}


@pytest.fixture(scope="module")
def table(clip, data):
    return run_probes(clip, data, untrained_limit=4, **QUICK)


def test_one_tidy_table(clip, data, table):
    assert tuple(table.columns) == COLUMNS
    assert set(table.probe) == set(PROBES)
    for probe, part in table.groupby("probe"):
        assert set(part.control) == {"model", "untrained", "shuffled"}, probe
    keys = ["probe", "kind", "variant", "layer", "head", "control"]
    assert not table.duplicated(keys).any()
    assert len(data) < 20 and table[["low", "high"]].isna().all(axis=None)  # too few images for an interval
    assert table.images.max() == len(data) and table[table.control == "untrained"].images.max() == 4
    image = table[table.probe == "localisation"]
    assert sorted(image.layer.unique()) == list(range(clip.num_layers + 1))


def test_the_same_seed_gives_the_same_table(clip, data, table):
    assert run_probes(clip, data, untrained_limit=4, **QUICK).equals(table)


def test_one_pass_of_the_tower(data):
    clip = tiny_vit_clip(layers=4, width=32, heads=2, text_layers=3, vocab_size=600)
    image_probes = [name for name in PROBES if name != "context-token attention"]
    run_probes(clip, data, image_probes, controls=("shuffled",), **QUICK)
    # the image, four changes of place, and as many of content, which are mostly the image before
    assert 6 * len(data) <= clip.calls.images <= 9 * len(data)
    before = clip.calls.images
    run_probes(clip, data, ["localisation", "minimal pairs"], controls=(), **QUICK)
    assert clip.calls.images - before == len(data)


def test_layers_can_be_chosen(clip, data):
    table = localisation(clip, data[:2], layers=[0, 3], controls=(), **QUICK)
    assert sorted(table.layer.unique()) == [0, 3] and set(table.control) == {"model"}
    for wrong in ([5], [-1]):
        with pytest.raises(InvalidInputError, match=r"layers are 0 .* to 4"):
            localisation(clip, data[:2], layers=wrong, controls=(), **QUICK)


def test_an_rn_has_only_its_text_probed(rn, data):
    with pytest.raises(UnavailableError, match="patch tokens"):
        localisation(rn, data, controls=(), **QUICK)
    with pytest.raises(UnavailableError, match="untrained"):
        context_attention(rn, data, **QUICK)
    assert not context_attention(rn, data, controls=("shuffled",), **QUICK).empty


def test_too_few_images_to_hold_any_out(clip, data):
    assert position_decodability(clip, data[:2], controls=(), **QUICK).empty


@pytest.mark.parametrize(
    ("probes", "options", "message"),
    [
        (["attention"], {}, "probe 'attention' is unknown"),
        ("localisation", {}, "give a list"),
        (["localisation"], {"controls": ["random"]}, "control 'random'"),
        (["localisation"], {"parts": "guess"}, "guess"),
    ],
)
def test_unknown_names(clip, data, probes, options, message):
    with pytest.raises(InvalidInputError, match=message):
        run_probes(clip, data, probes, **{**QUICK, **options})


def test_images_without_expressions(clip, data):
    bare = Sample("bare", [], data[0].image)
    with pytest.raises(InvalidInputError, match="no image with an expression"):
        localisation(clip, [bare], controls=(), **QUICK)
    assert localisation(clip, [bare, data[0]], controls=(), **QUICK).images.max() == 1


def test_a_dataset_without_instances_takes_its_references(clip, data):
    sample = data[0]
    alone = Sample(sample.image_id, sample.references, sample.image)
    table = run_probes(clip, [alone, data[1]], controls=(), **QUICK)
    assert set(table.probe) >= {"spatial sensitivity", "context masking"}


def test_expressions_without_context_tokens(clip, data):
    import dataclasses

    def bare(sample: Sample) -> Sample:
        references = [
            dataclasses.replace(
                one,
                expressions=tuple(dataclasses.replace(said, context_tokens=()) for said in one.expressions),
            )
            for one in sample.references
        ]
        return Sample(sample.image_id, references, sample.image, instances=sample.instances)

    table = run_probes(
        clip, [bare(sample) for sample in data[:2]], controls=("shuffled",), **{**QUICK, "parts": "gold"}
    )
    assert "context" not in set(table[table.probe == "context-token attention"].kind)
    assert "context masking" not in set(table[table.kind == "context"].probe)
