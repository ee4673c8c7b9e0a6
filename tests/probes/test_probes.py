"""Every number of the probes against a computation of a few lines on a tiny tower."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from zsris_viz.masks import Masks
from zsris_viz.probes import run_probes
from zsris_viz.probes.caption_pairs import swap_side, swap_word
from zsris_viz.probes.decoding import ridge_errors
from zsris_viz.probes.localising import area_under_curve, overlap, pointing
from zsris_viz.probes.masking import masked_texts
from zsris_viz.probes.perturbations import changed_copies, content_copy


def _one(name: str) -> Any:
    def run(clip: Any, dataset: Any, **options: Any) -> Any:
        return run_probes(clip, dataset, [name], **options)

    return run


spatial_sensitivity, localisation = _one("spatial sensitivity"), _one("localisation")
minimal_pairs, position_decodability = _one("minimal pairs"), _one("position decodability")
context_attention, context_masking = _one("context-token attention"), _one("context masking")

OPTIONS: dict[str, Any] = {"parts": "gold", "resamples": 20, "controls": ("shuffled",)}


def value(table: Any, kind: str, variant: str, layer: int, control: str = "model", head: int | None = None) -> float:
    rows = table[
        (table.kind == kind) & (table.variant == variant) & (table.layer == layer) & (table.control == control)
    ]
    rows = rows[rows["head"].isna()] if head is None else rows[rows["head"] == head]
    assert len(rows) == 1
    return float(rows["value"].iloc[0])


def unit(features: torch.Tensor) -> torch.Tensor:
    return features / features.norm(dim=-1, keepdim=True)


def test_spatial_sensitivity(clip, data):
    table = spatial_sensitivity(clip, data[:2], seed=4, **OPTIONS)
    pixels = torch.stack([clip.preprocess.image(sample.image) for sample in data[:2]])

    def features(picture: torch.Tensor, layer: int) -> dict[str, torch.Tensor]:
        tokens = clip.project(clip.trace_image(picture[None]).layers[layer])[0]
        return {"CLS": unit(tokens[0]), "mean patch": unit(tokens[1:].mean(dim=0)), "patch by patch": unit(tokens[1:])}

    moved, replaced, shuffled = [], [], []
    for number in (0, 1):
        mask = torch.as_tensor(data[number].references[0].mask)
        avoid = data[number].instances.data.any(dim=0)
        copies = changed_copies(pixels[number], patch=8, mask=mask, avoid=avoid, seed=4 + number)
        other = pixels[1 - number]
        content = {name: content_copy(pixels[number], copy, other) for name, copy in copies.items()}
        own, new, old = (
            features(picture, 3) for picture in (pixels[number], copies["object moved"], content["object moved"])
        )
        moved.append({name: float((own[name] * new[name]).sum(dim=-1).mean()) for name in own})
        replaced.append({name: float((own[name] * old[name]).sum(dim=-1).mean()) for name in own})
        if number:
            mask0 = torch.as_tensor(data[0].references[0].mask)
            before = changed_copies(pixels[0], patch=8, mask=mask0, avoid=data[0].instances.data.any(dim=0), seed=4)[
                "object moved"
            ]
            shuffled.append(float((own["CLS"] * features(before, 3)["CLS"]).sum()))
    for name in ("CLS", "mean patch", "patch by patch"):
        spatial, other_content = np.array([one[name] for one in moved]), np.array([one[name] for one in replaced])
        assert value(table, "object moved", name, 3) == pytest.approx(spatial.mean(), abs=1e-5)
        assert value(table, "object moved, content", name, 3) == pytest.approx(other_content.mean(), abs=1e-5)
        relative = (1 - spatial).sum() / (1 - other_content).sum()
        assert value(table, "object moved", f"{name}, relative", 3) == pytest.approx(relative, rel=1e-3)
    assert value(table, "object moved", "CLS", 3, "shuffled") == pytest.approx(shuffled[0], abs=1e-5)
    assert value(table, "flip", "CLS", 0) == 1.0, "CLS has seen no image at layer 0"


def test_localisation_of_one_expression(clip, data):
    table = localisation(clip, data[:1], options={"localisation": {"threshold": 0.7}}, **OPTIONS)
    sample = data[0]
    truth = {variant: [] for variant in ("pointing game", "IoU", "AUC")}
    tokens = clip.trace_image(clip.preprocess.image(sample.image)[None]).layers[2][0, 1:]
    for reference, expression in sample.pairs():
        similarity = unit(clip.project(-tokens)) @ unit(clip.embed_texts([expression.text])[0])
        weights = Masks.from_arrays([reference.mask]).to_grid(7, 7)[0].flatten()
        best = int(similarity.argmax())
        truth["pointing game"].append(bool(reference.mask[int((best // 7 + 0.5) * 8), int((best % 7 + 0.5) * 8)]))
        region = similarity >= similarity.min() + 0.7 * (similarity.max() - similarity.min())
        shared = float(weights[region].sum())
        truth["IoU"].append(shared / (float(region.sum() + weights.sum()) - shared))
        truth["AUC"].append(brute_force_auc(similarity, weights))
    for measure, values in truth.items():
        assert value(table, measure, "negated", 2) == pytest.approx(np.mean(values), abs=1e-5)
    own = table[~table.variant.str.contains("minus")]
    assert set(own.control) == {"model", "shuffled"} and set(own.variant) == {"as it is", "negated"}
    gaps = table[table.variant == "negated, minus another text"]
    expected = value(table, "AUC", "negated", 2) - value(table, "AUC", "negated", 2, "shuffled")
    assert value(gaps, "AUC", "negated, minus another text", 2) == pytest.approx(expected, abs=1e-6)
    assert gaps.p.notna().all() and own.p.isna().all()


def brute_force_auc(similarity: torch.Tensor, weights: torch.Tensor) -> float:
    won = total = 0.0
    for one, inside in zip(similarity.tolist(), weights.tolist(), strict=True):
        for other, within in zip(similarity.tolist(), weights.tolist(), strict=True):
            total += inside * (1 - within)
            won += inside * (1 - within) * ((one > other) + 0.5 * (one == other))
    return won / total


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0.0, 0.25, 1.0])), min_size=2, max_size=12))
def test_area_under_curve_with_ties_and_fractions(cells):
    similarity = torch.tensor([float(level) for level, _ in cells])
    weights = torch.tensor([weight for _, weight in cells])
    found = float(area_under_curve(similarity[None, None], weights[None]))
    if not 0 < float(weights.sum()) < len(weights):
        assert np.isnan(found)
    else:
        assert found == pytest.approx(brute_force_auc(similarity, weights))


def test_measures_of_plain_maps():
    maps = torch.tensor([[[0.0, 1.0, 0.4]]])
    inside = torch.tensor([[False, True, True]])
    assert pointing(maps, inside).tolist() == [[1.0]] and pointing(-maps, inside).tolist() == [[0.0]]
    assert float(overlap(maps, inside.float(), 0.5)) == pytest.approx(1 / 2)
    assert float(overlap(torch.zeros(1, 1, 3), inside.float(), 0.5)) == pytest.approx(2 / 3)
    assert float(area_under_curve(torch.zeros(1, 1, 3), inside.float())) == 0.5


def test_ridge_reads_what_is_there_and_nothing_else():
    rng = np.random.default_rng(0)
    inputs, images = rng.standard_normal((300, 8)), np.repeat(np.arange(30), 10)
    target = inputs[:, :2] * 0.3 + 0.5
    errors, spreads = ridge_errors(inputs, target, images)
    assert 1 - errors.sum() / spreads.sum() > 0.99
    errors, spreads = ridge_errors(inputs, rng.standard_normal((300, 2)), images)
    assert abs(1 - errors.sum() / spreads.sum()) < 0.1
    assert np.isnan(ridge_errors(inputs[:20], target[:20], images[:20])[0]).all(), "two images are too few"


def test_ridge_solution_is_the_textbook_s():
    from zsris_viz.probes.decoding import STRENGTHS, _ridge

    rng = np.random.default_rng(1)
    x, y, new = rng.standard_normal((40, 5)), rng.standard_normal((40, 2)), rng.standard_normal((7, 5))
    mean, scale = x.mean(axis=0), x.std(axis=0)
    z = (x - mean) / scale
    penalty = STRENGTHS[4] * np.trace(z.T @ z) / 5
    weights = np.linalg.solve(z.T @ z + penalty * np.eye(5), z.T @ (y - y.mean(axis=0)))
    np.testing.assert_allclose(_ridge(x, y, new)[4], (new - mean) / scale @ weights + y.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the left cat", "the right cat"),
        ("the cat right of the left dog", "the cat left of the left dog"),
        ("leftmost cat", "rightmost cat"),
        ("the upright cat", None),
    ],
)
def test_swap_side(text, expected):
    assert swap_side(text) == expected


def test_swap_word():
    assert swap_word("the cat on the cat", "cat", "dog") == "the dog on the cat"
    assert swap_word("the cat", "dog", "cup") is None


def test_minimal_pairs(clip, data):
    table = minimal_pairs(clip, data, **OPTIONS)
    gaps, distances = [], []
    for sample in data:
        for reference, expression in sample.pairs():
            swapped = swap_side(expression.text)
            if swapped is None:
                continue
            tokens = clip.trace_image(clip.preprocess.image(sample.image)[None]).layers[1][0, 1:]
            weights = Masks.from_arrays([reference.mask]).to_grid(7, 7)[0].flatten()
            feature = unit((unit(clip.project(tokens)) * weights[:, None]).sum(dim=0))
            true, false = unit(clip.embed_texts([expression.text, swapped]))
            gaps.append(float(feature @ (true - false)))
            trace = clip.trace_texts([expression.text, swapped])
            ends = trace.layers[2][[0, 1], trace.tokens.end]
            distances.append(1 - float(F.cosine_similarity(ends[0], ends[1], dim=0)))
    assert gaps, "the scenes of this test name sides"
    assert value(table, "left/right", "image layer, object", 1) == pytest.approx(np.mean([gap > 0 for gap in gaps]))
    assert value(table, "left/right", "text distance", 2) == pytest.approx(np.mean(distances), abs=1e-5)
    ratios = table[table.kind == "noun over left/right"]
    assert sorted(ratios.layer) == [1, 2, 3] and (ratios.value > 0).all()
    assert int(ratios.n.max()) <= min(int(table[table.kind == kind].n.max()) for kind in ("left/right", "noun"))


def test_noun_over_left_right_is_a_ratio_over_the_same_expressions(clip, data):
    from zsris_viz.probes.caption_pairs import MinimalPairs

    probe = MinimalPairs()
    probe.prepare(type("Inputs", (), {"samples": data})())
    apart = {(0, "left/right"): torch.tensor([0.0, 2.0]), (0, "noun"): torch.tensor([0.0, 6.0])}
    view = type("View", (), {"number": 0})()
    probe._add_ratio(view, apart | {(1, "noun"): torch.tensor([0.0, 50.0])})
    assert probe.result().value.tolist() == [3.0]


def test_context_attention(clip, data):
    table = run_probes(clip, data, ["context-token attention"], **OPTIONS)
    shares, per_token = [], []
    for sample in data:
        for _, expression in sample.pairs():
            tokens = clip.tokenize([expression.text])
            weights = clip.trace_texts([expression.text]).attentions[2][0, 1, int(tokens.end[0])]
            words = expression.text.split()
            positions = [tokens.tokens_of(*span) for _, span, _ in tokens.words()]
            place, context = 0, []
            for word in expression.context_tokens:
                place = words.index(word, place) + 1
                context += positions[place - 1]
            if context:
                to_words = float(weights[1:-1].sum())
                shares.append(float(weights[context].sum()))
                per_token.append((shares[-1], to_words * len(context) / (len(weights) - 2)))
    assert value(table, "context", "share", 2, head=1) == pytest.approx(np.mean(shares), abs=1e-5)
    gaps = table[table.kind == "context minus noun phrase"]
    assert sorted(gaps.layer) == [1, 2, 3] and gaps.p_holm.between(0, 1).all()
    tops, bottoms = np.array(per_token).sum(axis=0)
    assert value(table, "context", "per token", 2, head=1) == pytest.approx(tops / bottoms, rel=1e-4)
    heads = [value(table, "context", "share", 2, head=head) for head in range(4)]
    assert value(table, "context", "share", 2) == pytest.approx(np.mean(heads), abs=1e-6)
    everything = sum(
        value(table, kind, "share", 3) * int(table[table.kind == kind].n.max())
        for kind in set(table.kind) - {"context minus noun phrase"}
    )
    assert everything == pytest.approx(int(table.n.max()), rel=1e-4), "all attention goes somewhere"


def test_difference_of_attention_is_that_of_one_token_of_each_group(data):
    from zsris_viz.probes.attention import ContextAttention

    probe = ContextAttention()
    probe.prepare(type("Inputs", (), {"samples": data})())
    weights = np.array([[0.3, 0.1, 0.2, 0.4, 0.0]])
    probe._add_difference(0, weights, np.array(["start", "noun phrase", "noun phrase", "context", "end"]))
    assert probe.result().value.tolist() == pytest.approx([(0.4 - 0.15) / (0.7 / 3)])


def test_masked_texts(clip):
    trace = clip.trace_texts(["the left cat", "a cat on the sofa"])
    features = masked_texts(clip, trace, [0, 1, 1], [[2], [3, 4], []])
    assert features.shape == (3, 4, 32)
    whole = unit(clip.embed_texts(["the left cat", "a cat on the sofa"]))
    torch.testing.assert_close(features[:, -1], whole[[0, 1, 1]], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(features[2], whole[1].expand(4, -1), atol=1e-5, rtol=1e-4)
    length = trace.layers[0].shape[1]
    mask = torch.zeros(1, 1, length, length)
    mask[..., 2] = -torch.inf
    expected = clip.resume_text(trace.layers[1][:1], 1, trace.tokens.end[:1], attention_mask=mask)
    torch.testing.assert_close(features[0, 1], unit(expected)[0], atol=1e-5, rtol=1e-4)


def test_context_masking(clip, data):
    table = run_probes(clip, data, ["context masking"], **OPTIONS)
    last = table.layer.max()
    assert last == clip.text_layers
    for kind in ("context", "noun phrase"):
        assert value(table, kind, "score", last) == pytest.approx(0, abs=1e-6)
        assert value(table, kind, "chosen", last) == 0
        change = value(table, kind, "right", 0) - value(table, kind, "right", last)
        assert value(table, kind, "right, change", 0) == pytest.approx(change, abs=1e-6)
    assert value(table, "context", "chosen", 0) <= 1 and "shuffled" in set(table.control)


def test_equivariance_follows_the_content(clip, data):
    table = spatial_sensitivity(clip, data[:1], **OPTIONS)
    pixels = clip.preprocess.image(data[0].image)
    own, mirrored = (clip.project(clip.trace_image(part[None]).layers[3])[0, 1:] for part in (pixels, pixels.flip(-1)))
    expected = (unit(own).reshape(7, 7, -1) * unit(mirrored).reshape(7, 7, -1).flip(1)).sum(-1).mean()
    assert value(table, "flip", "equivariance", 3) == pytest.approx(float(expected), abs=1e-5)
    stayed = (unit(own) * unit(mirrored)).sum(-1).mean()
    assert value(table, "flip", "same place", 3) == pytest.approx(float(stayed), abs=1e-5)
    assert value(table, "flip", "content minus place", 3) == pytest.approx(float(expected - stayed), abs=1e-5)
    assert table[table.variant == "content minus place"].p.notna().all()
    gap = expected - value(table, "flip", "equivariance", 3, "shuffled")
    assert value(table, "flip", "content minus random place", 3) == pytest.approx(float(gap), abs=1e-5)
    # pixels alone: at layer 0 a shuffled patch differs from itself by the position embedding only
    assert value(table, "patch shuffle", "equivariance", 0) > value(
        table, "patch shuffle", "equivariance", 0, "shuffled"
    )


def test_the_positive_control_can_be_decoded(clip):
    from zsris_viz.datasets import load_dataset

    scenes = load_dataset("scenes", "val", size=56)
    options = OPTIONS | {"controls": ("positive",)}
    table = run_probes(clip, [scenes[index] for index in range(60)], ["position decodability"], layers=[0], **options)
    assert value(table, "place of the largest object", "object's mask", 0, "positive") > 0.95


def test_masking_controls_spare_the_head_noun_and_are_paired(clip, data):
    from zsris_viz.probes.masking import ContextMasking

    probe = ContextMasking()
    probe.prepare(type("Inputs", (), {"samples": data})())
    groups = ["start", "noun phrase", "context", "noun phrase", "other", "end"]
    drawn = {
        tuple(hidden)
        for _ in range(50)
        for kind, control, hidden in probe._hidden(groups, [3])
        if control == "shuffled"
    }
    assert drawn == {(1,), (4,)}
    assert not [
        1 for _, control, _ in probe._hidden(["start", "context", "noun phrase", "end"], [2]) if control == "shuffled"
    ]

    table = run_probes(clip, data, ["context masking"], **OPTIONS)
    paired = table[table.kind == "context minus other words"]
    assert len(paired) and paired.p.between(0, 1).all() and (paired.p_holm >= paired.p - 1e-12).all()
    own = table[table.kind == "context"]
    assert own.p.notna().equals(own.variant == "right, change")
