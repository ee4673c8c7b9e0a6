"""CoPatch as a whole: the authors' flow written down plainly, its switches, its evidence, other towers, bad input."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF

from tests.benchmarks.authors_flow import MEAN, STD
from tests.factories import tiny_vit_clip
from tests.methods import plain
from tests.methods.conftest import EMPTY, PHRASE, SENTENCE
from tests.methods.test_copatch_clusters import authors
from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.methods import CoPatch, SceneFeatures, get_method
from zsris_viz.methods.guidance.coherence import coherence, heat_map, shaded

GIVEN: dict[str, Any] = {
    "noun_phrase": PHRASE,
    "context_tokens": ("left", "of", "bus"),
    "direction": None,
    "relation": "left",
    "relation_object": "the bus",
}
USABLE = [0, 1, 5, 6]  # the authors' code divides by the area of what lies outside a mask and by its width


def official_flow(vit: Any, image: Any, masks: torch.Tensor) -> dict[str, Any]:
    """One expression, as the authors' script goes, on open_clip's modules."""
    model = vit.model

    def text(words: str) -> torch.Tensor:
        return plain.text(model, lambda one: vit.clip.tokenize(one, length=77).ids, words)

    normalised = TF.normalize(TF.to_tensor(image), MEAN, STD)
    pixels = TF.resize(normalised, [64, 64], antialias=True)[None]
    corners, features = [], []
    for mask in masks:
        down, right = np.nonzero(mask.numpy())
        x1, y1, x2, y2 = right.min(), down.min(), right.max(), down.max()
        corners.append((x1, y1, x2, y2))
        grid = TF.resize(mask[None].float(), [4, 4], antialias=True)[0]
        whole = plain.masked_token(model, pixels, grid.flatten(), first=1)
        filled = normalised * mask + ~mask * torch.tensor(MEAN)[:, None, None]
        crop = TF.resized_crop(filled, y1, x1, y2 - y1, x2 - x1, [64, 64], antialias=True)
        features.append(0.95 * whole + 0.05 * model.encode_image(crop[None])[0])
    visual = plain.unit(torch.stack(features))
    mixed = plain.unit(0.5 * text(SENTENCE) + 0.5 * text(PHRASE))
    scale = model.logit_scale.exp()
    scores = scale * visual @ mixed
    patches = plain.head_of(model, -plain.vit_layers(model, pixels)[3])[1:]
    similarity = (patches / patches.norm(dim=0, keepdim=True) @ mixed).reshape(4, 4)
    clusters, delta = authors(similarity)
    candidates = [int(scores.argmax())]
    for number in sorted(set(clusters.values()))[:3]:
        small = torch.zeros(16)
        small[[place for place, name in clusters.items() if name == number]] = 1
        large = F.interpolate(small.reshape(1, 1, 4, 4), size=(90, 120), mode="bilinear", align_corners=True)[0, 0] > 0
        overlaps = [float((large & mask).sum() / (large | mask).sum()) for mask in masks]
        candidates.append(int(np.argmax(overlaps)))
    candidates = candidates[:3]
    probable, other = scores.softmax(0), (scale * visual @ plain.unit(text("a photo of the bus"))).softmax(0)
    centre = [box[0] + box[2] / 2 for box in corners]
    rest = other.topk(min(6, len(masks))).indices.tolist()
    guided = torch.stack(
        [sum(probable[i] * other[j] * float(centre[i] < centre[j]) for j in rest) for i in candidates]  # type: ignore[misc]
    )
    scene = SceneFeatures(image, masks, vit.clip)
    fit = coherence(shaded(heat_map(scene, PHRASE), "left"), scene.masks, "left")  # tested elsewhere
    return {
        "map": similarity,
        "delta": delta,
        "base_scores": scores / scale,
        "candidates": candidates,
        "guided": guided.double(),
        "selection": 0.3 * guided.softmax(0).double() + 0.7 * fit[candidates],
    }


def test_official_preset_is_the_authors_flow(vit, image, masks):
    with torch.no_grad():
        expected = official_flow(vit, image, masks[USABLE])
    ranking = get_method("copatch", "official").predict(
        SceneFeatures(image, masks[USABLE], vit.clip), SENTENCE, **GIVEN
    )
    for name, value in expected.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(ranking.evidence[name], value, atol=3e-5, rtol=1e-4)
        else:
            assert ranking.evidence[name] == pytest.approx(value, abs=1e-6)
    assert ranking.chosen == expected["candidates"][int(expected["selection"].argmax())]


def predict(vit: Any, image: Any, masks: Any, expression: str = SENTENCE, given: Any = None, **config: Any) -> Any:
    scene = SceneFeatures(image, masks, vit.clip)
    return get_method("copatch", **config).predict(scene, expression, **(GIVEN if given is None else given))


def test_default_scores_are_global_local_s(vit, image, masks):
    """Under one text, CoPatch starts from what Global-Local CLIP computes."""
    ranking = predict(vit, image, masks, text={"kind": "ensemble"}, base={"alpha": 0.8})
    expected = get_method("global-local", alpha=0.8).predict(SceneFeatures(image, masks, vit.clip), SENTENCE, **GIVEN)
    present = [row for row in range(7) if row != EMPTY]
    torch.testing.assert_close(ranking.evidence["base_scores"][present], expected.scores[present])
    assert ranking.evidence["candidates"][0] == expected.chosen


def test_the_default_selection_by_hand(vit, image, masks):
    ranking = predict(vit, image, masks, text={"kind": "ensemble"})
    found = ranking.evidence
    cosines, candidates = found["base_scores"].double(), found["candidates"]
    base = (cosines * vit.clip.logit_scale).softmax(dim=0)
    torch.testing.assert_close(found["base"], base)
    bus = vit.clip.embed_texts(["a photo of the bus"])
    other = F.cosine_similarity(found["visual"], bus).double()
    other[EMPTY] = -torch.inf
    other = (other * vit.clip.logit_scale).softmax(dim=0)
    torch.testing.assert_close(found["other_scores"], other, atol=1e-6, rtol=1e-4)
    assert found["others"] == other.topk(6).indices.tolist()
    x = [float(np.argwhere(mask.numpy())[:, 1].mean()) if mask.any() else np.nan for mask in masks]
    guided = [sum(float(base[i] * other[j]) * (x[i] < x[j]) for j in found["others"]) for i in candidates]
    np.testing.assert_allclose(found["guided"], guided, rtol=1e-4)
    share = torch.tensor(guided).double() / sum(guided)
    torch.testing.assert_close(found["guided_share"], share, atol=1e-6, rtol=1e-5)
    selection = 0.3 * found["guided_share"] + 0.7 * found["coherence"][candidates]
    torch.testing.assert_close(found["selection"], selection)
    torch.testing.assert_close(ranking.scores[candidates], selection.float())
    assert ranking.chosen == candidates[int(selection.argmax())]


def test_other_proposals_come_below_the_candidates(vit, image, masks):
    ranking = predict(vit, image, masks, candidates={"top_k": 1})
    candidates = ranking.evidence["candidates"]
    order = [index for index in ranking.order if index not in candidates and index != EMPTY]
    assert set(ranking.order[: len(candidates)]) == set(candidates)
    assert order == sorted(order, key=lambda index: -float(ranking.evidence["base_scores"][index]))
    assert ranking.scores[EMPTY] == -torch.inf and ranking.order[-1] == EMPTY


EVIDENCE = {
    "layer_maps", "map", "layer", "delta", "clusters", "cluster_masks", "overlaps", "candidates", "sources", "base",
    "base_scores", "relation", "direction", "other_phrases", "others", "other_scores", "relation_matrix", "guided",
    "guided_share", "heat", "side", "coherence", "selection", "text_feature", "sentence", "phrase", "hybrid", "visual",
}  # fmt: skip


def test_evidence(vit, image, masks):
    found = predict(vit, image, masks).evidence
    assert set(found) == EVIDENCE
    assert found["layer_maps"].shape == (5, 4, 4) and found["layer"] == 3
    assert torch.equal(found["layer_maps"][3], found["map"])
    count = int(found["clusters"].max())
    assert found["cluster_masks"].shape == (min(3, count), 90, 120)
    assert found["overlaps"].shape == (min(3, count), 7)
    assert found["relation_matrix"].shape == (len(found["candidates"]), 6)
    assert found["heat"].shape == (90, 120) and found["coherence"].shape == (7,)


def test_every_term_can_be_switched_off(vit, image, masks):
    everything = {"use_base": False, "use_relation": False, "use_coherence": False}
    for off in ({"use_base": False}, {"use_relation": False}, {"use_coherence": False}, everything):
        found = predict(vit, image, masks, guidance=off).evidence
        assert ("base" in found) == ("use_base" not in off)
        assert ("relation_matrix" in found) == ("use_relation" not in off)
        assert ("heat" in found) == ("use_coherence" not in off)
    nothing = predict(vit, image, masks, guidance=everything)
    assert nothing.chosen == nothing.evidence["candidates"][0], "with every term off, the Global-Local choice stands"
    alone = predict(vit, image, masks, guidance={"use_relation": False, "use_coherence": False})
    base = alone.evidence["base"][alone.evidence["candidates"]]
    torch.testing.assert_close(alone.evidence["selection"], base / base.sum())
    plain_base = {"use_coherence": False, "use_relation": False, "authors": {"sharing": "softmax"}}
    twice = predict(vit, image, masks, guidance=plain_base).evidence
    torch.testing.assert_close(twice["selection"], base.softmax(dim=0))
    assert (
        predict(vit, image, masks, candidates={"top_k": 0}).evidence["candidates"] == alone.evidence["candidates"][:1]
    )


def test_a_place_is_checked_against_the_other_candidates(vit, image, masks):
    given = {**GIVEN, "direction": "left", "relation": None, "relation_object": None}
    found = predict(vit, image, masks, "the left cat", {**given, "noun_phrase": "the left cat"}).evidence
    assert found["relation"] == "left" and found["others"] == found["candidates"] and found["other_scores"] is None
    assert found["side"] == "left"
    assert found["relation_matrix"].diagonal().sum() == 0
    related = {**GIVEN, "relation": "left", "relation_object": None}
    found = predict(vit, image, masks, "the cat to the left", related).evidence
    assert found["relation"] == "left" and found["others"] == found["candidates"], "no other noun phrase is named"
    assert found["relation_matrix"] is not None
    given["direction"] = "top"
    assert predict(vit, image, masks, given=given).evidence["side"] == "top"
    assert predict(vit, image, masks, given=given, guidance={"vertical_ramp": False}).evidence["side"] is None


def test_ramp_towards_another_thing_is_the_authors(vit, image, masks):
    assert predict(vit, image, masks).evidence["side"] is None
    assert predict(vit, image, masks, guidance={"authors": {"relation_ramp": True}}).evidence["side"] == "left"


@pytest.mark.parametrize("text", ["ensemble", "context", "fusion", "context-fusion"])
@pytest.mark.parametrize("layer", [None, 0, 4, "avg"])
def test_texts_and_layers(vit, image, masks, text, layer):
    ranking = predict(vit, image, masks, text={"kind": text}, patches={"layer": layer})
    assert ranking.chosen in ranking.evidence["candidates"] and ranking.evidence["hybrid"] == text
    assert ranking.evidence["layer"] == (3 if layer is None else layer)


def test_many_expressions_pass_the_towers_once(vit, image, masks):
    scene = SceneFeatures(image, masks, vit.clip)
    method = get_method("copatch", guidance={"heat_size": 64})
    vit.clip.calls.reset()
    for relation in ("left", "right", "above"):
        method.predict(scene, SENTENCE, **{**GIVEN, "relation": relation})
    assert vit.clip.calls.images == 2, "one pass for all layers, one for GEM"
    assert vit.clip.calls.crops == 6 and vit.clip.calls.texts == 4


# -- towers of the published shapes, narrow


@pytest.mark.parametrize(
    ("layers", "patch_size", "size", "exit_layer"),
    [(12, 32, 224, 9), (12, 16, 224, 9), (24, 14, 224, 18), (6, 8, 112, 4)],
    ids=["ViT-B/32", "ViT-B/16", "ViT-L/14", "miniature"],
)
def test_published_grids_and_depths(image, masks, layers, patch_size, size, exit_layer):
    grid = size // patch_size
    clip = tiny_vit_clip(
        layers=layers, patch_size=patch_size, image_size=size, width=32, heads=2, text_layers=4, vocab_size=600
    )
    scene = SceneFeatures(image, masks, clip)
    for preset in ("default", "official"):
        found = get_method("copatch", preset, guidance={"heat_size": size}).predict(scene, SENTENCE, **GIVEN).evidence
        assert found["layer"] == exit_layer and found["layer_maps"].shape == (layers + 1, grid, grid)
        assert found["clusters"].shape == (grid, grid)


# -- bad input


def test_an_rn_has_no_patch_tokens(rn, image, masks):
    with pytest.raises(UnavailableError, match="vit"):
        get_method("copatch").predict(SceneFeatures(image, masks, rn.clip), SENTENCE, **GIVEN)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"patches": {"layer": 5}}, r"layers 0 .* to 4"),
        ({"patches": {"layer": -1}}, r"layers 0 .* to 4"),
        ({"text": {"kind": "fusion", "fusion_block": 9}}, "blocks 0 to 1"),
        ({"guidance": {"heat_size": 70}}, "heat_size=70"),
    ],
)
def test_what_a_tower_does_not_have(vit, image, masks, setting, message):
    with pytest.raises(InvalidInputError, match=message):
        predict(vit, image, masks, **setting)


@pytest.mark.parametrize(
    "setting",
    [
        ("text", "kind", "both"), ("guidance", "weight", 1.5), ("text", "beta", -1), ("clusters", "step", 0),
        ("clusters", "step", float("nan")), ("clusters", "delta", float("inf")), ("candidates", "top_k", -1),
        ("candidates", "top_k", True), ("guidance", "others", 0), ("patches", "normalise", "rows"),
        ("candidates", "most", 0),
    ],
)  # fmt: skip
def test_settings_out_of_range(setting):
    group, name, value = setting
    with pytest.raises(InvalidInputError, match=name):
        CoPatch(**{group: {name: value}})


def test_layers_of_another_type():
    for layer in ("last", 2.5, True):
        with pytest.raises(InvalidInputError, match="layer"):
            CoPatch(patches={"layer": layer})
    with pytest.raises(InvalidTypeError, match=r"copatch.patches.*no setting depth"):
        CoPatch(patches={"depth": 2})


def test_a_single_proposal_is_chosen(vit, image, masks):
    for preset in ("default", "official"):
        ranking = get_method("copatch", preset).predict(SceneFeatures(image, masks[:1], vit.clip), SENTENCE, **GIVEN)
        assert ranking.chosen == 0 and torch.isfinite(ranking.scores).all()


def test_no_proposal_and_only_empty_ones(vit, image, masks):
    assert predict(vit, image, []).chosen is None
    assert predict(vit, image, masks[[EMPTY, EMPTY]]).chosen is None


def test_a_constant_map(vit, image, masks, monkeypatch):
    """Nothing stands out: one cluster of the whole image, and a heat map that says nothing."""
    scene = SceneFeatures(image, masks, vit.clip)
    monkeypatch.setattr(vit.clip, "project", lambda hidden, **_: torch.ones(*hidden.shape[:-1], 32))
    found = get_method("copatch").predict(scene, SENTENCE, **GIVEN).evidence
    assert found["clusters"].unique().tolist() == [1] and not found["coherence"].any()
    assert 2 in found["candidates"], "the proposal that fills the image fits best"


def test_without_a_cluster_the_global_local_choice_stands(vit, image, masks):
    ranking = predict(vit, image, masks, clusters={"delta": 2.0, "lowest": 1.9})
    assert ranking.evidence["candidates"] == [ranking.chosen]
    assert ranking.chosen == int(ranking.evidence["base_scores"].argmax())
    assert len(ranking.evidence["cluster_masks"]) == 0 and not ranking.evidence["clusters"].any()


def test_an_expression_without_context_tokens(vit, image, masks):
    given = {"noun_phrase": "cat", "context_tokens": (), "direction": None, "relation": None}
    ranking = predict(vit, image, masks, "cat", given)
    assert ranking.chosen is not None and ranking.evidence["relation"] is None


def test_parts_come_from_the_parser_when_they_are_not_given(vit, image, masks):
    scene = SceneFeatures(image, masks, vit.clip)
    found = get_method("copatch", guidance={"heat_size": 64}).predict(scene, SENTENCE).evidence
    assert found["relation"] == "left" and found["other_phrases"] == ["the bus"]
    assert found["hybrid"] == "context-fusion" and found["phrase"].startswith("the small cat left")


def test_for_dataset():
    assert CoPatch.for_dataset("refcocog").config.base.alpha == 0.85
    changed = CoPatch.for_dataset("scenes", base={"alpha": 0.1}).config
    assert changed.base.alpha == 0.1 and changed.clusters.delta == 0.0
    assert CoPatch.for_dataset("refcoco").config.clusters.delta == 0.3
    plainly = CoPatch("official").config
    official = CoPatch.for_dataset("scenes", "official").config
    assert official == dataclasses.replace(plainly, base=dataclasses.replace(plainly.base, alpha=0.5))
