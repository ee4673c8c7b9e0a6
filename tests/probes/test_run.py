"""The driver: one pass, tidy tables, controls, and what it refuses."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from tests.factories import tiny_vit_clip
from zsris_viz.datasets.types import Sample
from zsris_viz.errors import InvalidInputError, UnavailableError, ZsrisWarning
from zsris_viz.probes import COLUMNS, PROBES, Probe, probe_names, register_probe, run_probes
from zsris_viz.testing import check_probe

QUICK = {"parts": "gold", "resamples": 20}


@pytest.fixture(scope="module")
def table(clip, data):
    return run_probes(clip, data, untrained_limit=4, **QUICK)


def test_one_tidy_table(clip, data, table):
    assert tuple(table.columns) == COLUMNS
    assert set(table.probe) == set(probe_names())
    for probe, part in table.groupby("probe"):
        declared = set(PROBES.load(str(probe)).controls)
        assert set(part.control) == {"model", *declared}, probe
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
    image_probes = [name for name in probe_names() if name != "context-token attention"]
    run_probes(clip, data, image_probes, controls=("shuffled",), **QUICK)
    # the image, four changes of place, as many of content, mostly the image before, and of colour, mostly shared
    assert 6 * len(data) <= clip.calls.images <= 12 * len(data)
    before = clip.calls.images
    run_probes(clip, data, ["localisation", "minimal pairs"], controls=(), **QUICK)
    assert clip.calls.images - before == len(data)


def test_layers_can_be_chosen(clip, data):
    table = run_probes(clip, data[:2], ["localisation"], layers=[0, 3], controls=(), **QUICK)
    assert sorted(table.layer.unique()) == [0, 3] and set(table.control) == {"model"}
    for wrong in ([5], [-1]):
        with pytest.raises(InvalidInputError, match=r"layers are 0 .* to 4"):
            run_probes(clip, data[:2], ["localisation"], layers=wrong, controls=(), **QUICK)


def test_an_rn_has_only_its_text_probed(rn, data):
    with pytest.raises(UnavailableError, match="patch tokens"):
        run_probes(rn, data, ["localisation"], controls=(), **QUICK)
    with pytest.raises(UnavailableError, match="untrained"):
        run_probes(rn, data, ["context-token attention"], **QUICK)
    assert not run_probes(rn, data, ["context-token attention"], controls=("shuffled",), **QUICK).empty


def test_too_few_images_to_hold_any_out(clip, data):
    assert run_probes(clip, data[:2], ["position decodability"], controls=(), **QUICK).empty


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
        run_probes(clip, [bare], ["localisation"], controls=(), **QUICK)
    assert run_probes(clip, [bare, data[0]], ["localisation"], controls=(), **QUICK).images.max() == 1


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
                expressions=tuple(dataclasses.replace(expression, context_tokens=()) for expression in one.expressions),
            )
            for one in sample.references
        ]
        return Sample(sample.image_id, references, sample.image, instances=sample.instances)

    table = run_probes(
        clip, [bare(sample) for sample in data[:2]], controls=("shuffled",), **{**QUICK, "parts": "gold"}
    )
    assert "context" not in set(table[table.probe == "context-token attention"].kind)
    assert "context masking" not in set(table[table.kind == "context"].probe)


class Brightness(Probe):
    """The mean of all hidden states, by layer."""

    name = "brightness"
    controls = ("untrained",)

    def update(self, image):
        """Take in one image."""
        values = image.tokens.mean(dim=(1, 2)).tolist()
        self.tally.add_layers(
            image.number, values, image.layers, probe=self.name, kind="all", variant="mean", control=self.control
        )


def test_a_probe_of_ones_own(clip, data):
    register_probe("brightness")(Brightness)
    try:
        table = run_probes(clip, data[:2], ["brightness"], **QUICK)
    finally:
        PROBES._loaded.pop("brightness")
    assert set(table.control) == {"model", "untrained"}
    row = table[(table.control == "model") & (table.layer == 2)].iloc[0]
    traces = [clip.trace_image(clip.preprocess.image(sample.image)[None]).layers[2][0] for sample in data[:2]]
    assert row["value"] == pytest.approx(float(sum(trace.mean() for trace in traces) / 2), abs=1e-5)
    check_probe(Brightness, clip=clip)


def test_every_probe_keeps_the_contract(clip):
    for name in probe_names():
        check_probe(PROBES.load(name), clip=clip)


def test_identical_pictures(clip, data):
    table = run_probes(clip, [data[0], data[0], data[0]], ["spatial sensitivity"], controls=("shuffled",), **QUICK)
    relative = table[(table.kind == "flip") & (table.variant == "CLS, relative")]
    assert relative["value"].isna().all() or len(relative) == 0  # another image is the same image: nothing to compare
    rest = table[(table.kind == "flip, recoloured") & (table.variant == "CLS")]
    assert rest["value"].notna().all()


def test_a_plug_in_that_cannot_be_imported_does_not_stop_the_others(clip, data, monkeypatch):
    broken = EntryPoint("dents", "broken_probes_test:Dents", PROBES.group)
    monkeypatch.setitem(PROBES._plugins, "dents", broken)
    with pytest.warns(ZsrisWarning, match="'dents'.*cannot be imported"):
        table = run_probes(clip, data[:2], ["localisation"], controls=(), **QUICK)
    assert set(table.probe) == {"localisation"}
    with pytest.raises(UnavailableError, match="'dents'"):
        run_probes(clip, data[:2], ["dents"], controls=(), **QUICK)
