"""Default presets against the papers' formulas, written down plainly on open_clip's modules."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from tests.methods import plain
from tests.methods.conftest import EMPTY, PHRASE, SENTENCE, SPECK
from zsris_viz.methods import SceneFeatures, get_method
from zsris_viz.models import load_clip

TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}
METHODS = ["grad-cam", "score-map", "clip-surgery", "region-token", "cropping", "global-local"]
RN_METHODS = ["grad-cam", "score-map", "clip-surgery", "cropping", "global-local"]


def text(tower, words):
    return plain.unit(
        plain.text(tower.model, lambda one: tower.clip.tokenize(one, length=77, allow_empty=True).ids, words)
    )


def grid_weights(mask, side):
    """Fractions on the grid; what vanishes keeps its fullest cell."""
    shares = F.interpolate(mask[None, None].float(), size=(side, side), mode="bilinear", align_corners=False)[0, 0]
    if not shares.any():
        cell = F.adaptive_avg_pool2d(mask[None].float(), side)[0].argmax()
        shares.view(-1)[cell] = 1.0
    return shares


@pytest.fixture(scope="module")
def rows():
    return [0, 1, 2, SPECK, 5, 6]


@pytest.mark.parametrize(("visual", "textual"), itertools.product(["global-local", "global", "local"], repeat=2))
def test_global_local_grid_of_variants(vit, image, masks, rows, visual, textual):
    scene = SceneFeatures(image, masks, vit.clip)
    alpha, beta = (
        {"global-local": 0.7, "global": 1.0, "local": 0.0}[visual],
        {"global-local": 0.4, "global": 1, "local": 0}[textual],
    )
    pixels = plain.clip_pixels(image, 64)
    crops = scene.crops()  # tested elsewhere
    with torch.no_grad():
        mixed_text = beta * text(vit, SENTENCE) + (1 - beta) * text(vit, PHRASE)
        expected = []
        for row in rows:
            whole = plain.unit(plain.masked_token(vit.model, pixels, grid_weights(masks[row], 4).flatten(), first=2))
            crop = plain.unit(vit.model.encode_image(crops[row][None])[0])
            expected.append(plain.unit(alpha * whole + (1 - alpha) * crop) @ plain.unit(mixed_text))
    method = get_method("global-local", alpha=0.7, beta=0.4, masked_blocks=2, visual=visual, textual=textual)
    ranking = method.predict(scene, SENTENCE, noun_phrase=PHRASE)
    torch.testing.assert_close(ranking.scores[rows], torch.stack(expected), **TOLERANCE)
    assert ("global_scores" in ranking.evidence, "local_scores" in ranking.evidence) == (
        visual != "local",
        visual != "global",
    )
    assert set(ranking.evidence["by_text"]) == {"sentence": {"sentence"}, "noun_phrase": {"noun_phrase"}}.get(
        {"global": "sentence", "local": "noun_phrase"}.get(textual, ""), {"sentence", "noun_phrase"}
    )


def test_global_local_on_rn(rn, image, masks, rows):
    scene = SceneFeatures(image, masks, rn.clip)
    with torch.no_grad():
        feature_map = plain.rn_map(rn.model, plain.clip_pixels(image, 96))
        mixed_text = plain.unit(0.5 * text(rn, SENTENCE) + 0.5 * text(rn, PHRASE))
        expected = []
        for row in rows:
            whole = plain.unit(rn.model.visual.attnpool(feature_map * grid_weights(masks[row], 3))[0])
            crop = plain.unit(rn.model.encode_image(scene.crops()[row][None])[0])
            expected.append(plain.unit(0.95 * whole + 0.05 * crop) @ mixed_text)
    ranking = get_method("global-local").predict(scene, SENTENCE, noun_phrase=PHRASE)
    torch.testing.assert_close(ranking.scores[rows], torch.stack(expected), **TOLERANCE)


@pytest.mark.parametrize(
    "config", [{}, {"square": "pad"}, {"fill": "mean"}, {"fill": "blur", "sigma": 3.0}, {"fill": "none"}]
)
def test_cropping(vit, image, masks, rows, config):
    scene = SceneFeatures(image, masks, vit.clip)
    method = get_method("cropping", crop=config)
    with torch.no_grad():
        expected = plain.unit(vit.model.encode_image(scene.crops(method.config.crop)[rows])) @ text(vit, SENTENCE)
    torch.testing.assert_close(method.predict(scene, SENTENCE).scores[rows], expected, **TOLERANCE)


@pytest.mark.parametrize("config", [{}, {"residual": True, "mlp": True}])
def test_score_map_on_vit(vit, image, masks, rows, config):
    with torch.no_grad():
        layers = plain.vit_layers(vit.model, plain.clip_pixels(image, 64))
        values = plain.value_path(vit.model, layers, residual=bool(config), feed_forward=bool(config))
        grid_map = (plain.unit(values) @ text(vit, SENTENCE)).reshape(4, 4)
    ranking = get_method("score-map", **config).predict(SceneFeatures(image, masks, vit.clip), SENTENCE)
    torch.testing.assert_close(ranking.scores[rows], plain.mean_inside(grid_map, masks[rows]), **TOLERANCE)
    torch.testing.assert_close(ranking.evidence["map"], grid_map, **TOLERANCE)


@pytest.mark.parametrize("others", [(), ("a bus", "the road")])
def test_clip_surgery(vit, image, masks, rows, others):
    with torch.no_grad():
        layers = plain.vit_layers(vit.model, plain.clip_pixels(image, 64))
        patches = plain.unit(plain.surgery(vit.model, layers, 4)[1:])
        cosines = torch.stack(
            [patches @ text(vit, words) for words in ((SENTENCE, *others) if others else (SENTENCE, ""))]
        )
        values = cosines[0] - (cosines.mean(dim=0) if others else cosines[1])
    ranking = get_method("clip-surgery", others=others).predict(SceneFeatures(image, masks, vit.clip), SENTENCE)
    torch.testing.assert_close(ranking.scores[rows], plain.mean_inside(values.reshape(4, 4), masks[rows]), **TOLERANCE)


def test_clip_surgery_averages_prompts(vit, image, masks):
    templates = ("a {}.", "one {} here")
    method = get_method("clip-surgery", templates=templates)
    evidence = method.predict(SceneFeatures(image, masks, vit.clip), "cat").evidence
    with torch.no_grad():
        expected = plain.unit((text(vit, "a cat.") + text(vit, "one cat here")) / 2)
    torch.testing.assert_close(evidence["text_feature"], expected, **TOLERANCE)


def test_region_token(vit, image, masks, rows):
    with torch.no_grad():
        layers = plain.vit_layers(vit.model, plain.clip_pixels(image, 64))
        expected = []
        for row in rows:
            shares = grid_weights(masks[row], 4)
            inside = shares >= min(0.5, float(shares.max()))
            expected.append(plain.unit(plain.region_token(vit.model, layers, inside.flatten())) @ text(vit, SENTENCE))
    ranking = get_method("region-token").predict(SceneFeatures(image, masks, vit.clip), SENTENCE)
    torch.testing.assert_close(ranking.scores[rows], torch.stack(expected), **TOLERANCE)


def test_region_token_of_the_full_image_is_not_disturbed_by_other_masks(vit, image, masks):
    method = get_method("region-token")
    alone = method.predict(SceneFeatures(image, masks[2:3], vit.clip), SENTENCE).scores
    among = method.predict(SceneFeatures(image, masks, vit.clip), SENTENCE).scores[2:3]
    torch.testing.assert_close(alone, among, **TOLERANCE)


def test_grad_cam_on_rn(rn, image, masks, rows):
    feature_map = plain.rn_map(rn.model, plain.clip_pixels(image, 96)).detach().requires_grad_()
    logit = (
        rn.model.logit_scale.exp() * plain.unit(rn.model.visual.attnpool(feature_map)[0]) @ text(rn, SENTENCE).detach()
    )
    (gradient,) = torch.autograd.grad(logit, feature_map)
    grid_map = (gradient.mean(dim=(2, 3), keepdim=True) * feature_map.detach()).sum(dim=(0, 1)).relu()
    ranking = get_method("grad-cam").predict(SceneFeatures(image, masks, rn.clip), SENTENCE)
    torch.testing.assert_close(ranking.scores[rows], plain.mean_inside(grid_map, masks[rows]), **TOLERANCE)


@pytest.mark.parametrize("block", [-1, 1])
def test_grad_cam_on_vit(vit, image, masks, rows, block):
    visual = vit.model.visual
    blocks = list(visual.transformer.resblocks)[block:]
    state = plain.vit_layers(vit.model, plain.clip_pixels(image, 64))[4 - len(blocks)].detach()
    normed = blocks[0].ln_1(state).detach().requires_grad_()
    for number, one in enumerate(blocks):
        read = normed if number == 0 else one.ln_1(state)
        outputs = [
            (query @ key.T / query.shape[-1] ** 0.5).softmax(dim=-1) @ value
            for query, key, value in zip(*plain.heads(one, read), strict=True)
        ]
        state = state + one.attn.out_proj(torch.cat(outputs, dim=-1))
        state = state + plain.mlp(one, state)
    logit = vit.model.logit_scale.exp() * plain.unit(plain.head_of(vit.model, state[0])) @ text(vit, SENTENCE).detach()
    (gradient,) = torch.autograd.grad(logit, normed)
    grid_map = (normed[1:] @ gradient[1:].mean(dim=0)).detach().reshape(4, 4)
    for relu in (True, False):
        method = get_method("grad-cam", block=block, relu=relu)
        ranking = method.predict(SceneFeatures(image, masks, vit.clip), SENTENCE)
        expected = grid_map.relu() if relu else grid_map
        torch.testing.assert_close(ranking.evidence["map"], expected, **TOLERANCE)
        torch.testing.assert_close(ranking.scores[rows], plain.mean_inside(expected, masks[rows]), **TOLERANCE)


# -- what holds for every method


@pytest.mark.parametrize("preset", ["default", "official"])
@pytest.mark.parametrize("name", METHODS)
def test_proposals_in_another_order_get_the_same_scores(vit, rn, image, masks, name, preset):
    order = torch.tensor([4, 2, 0, 6, 3, 5, 1])
    for tower in (vit, rn) if name in RN_METHODS else (vit,):
        predict = get_method(name, preset).predict
        scores = predict(SceneFeatures(image, masks, tower.clip), SENTENCE, noun_phrase=PHRASE).scores
        shuffled = predict(SceneFeatures(image, masks[order], tower.clip), SENTENCE, noun_phrase=PHRASE).scores
        torch.testing.assert_close(shuffled, scores[order], **TOLERANCE)


@pytest.mark.parametrize("name", METHODS)
def test_empty_full_and_overlapping_proposals(vit, rn, image, masks, name):
    for tower in (vit, rn) if name in RN_METHODS else (vit,):
        for preset in get_method(name).presets:
            ranking = get_method(name, preset).predict(
                SceneFeatures(image, masks, tower.clip), SENTENCE, noun_phrase=PHRASE
            )
            assert ranking.scores[EMPTY] == -torch.inf and ranking.chosen != EMPTY
            others = [row for row in range(len(masks)) if row != EMPTY]
            assert torch.isfinite(ranking.scores[others]).all()
            assert ranking.chosen == int(ranking.scores.argmax())


@pytest.mark.parametrize("name", METHODS)
def test_no_proposal_and_only_empty_ones(vit, image, masks, name):
    none = get_method(name).predict(SceneFeatures(image, [], vit.clip), SENTENCE, noun_phrase=PHRASE)
    assert none.chosen is None and len(none.scores) == 0
    empty = get_method(name).predict(
        SceneFeatures(image, masks[[EMPTY, EMPTY]], vit.clip), SENTENCE, noun_phrase=PHRASE
    )
    assert empty.chosen is None and torch.equal(empty.scores, torch.full((2,), -torch.inf))


@pytest.mark.parametrize("name", METHODS)
def test_evidence_is_ready_for_drawing(vit, image, masks, name):
    evidence = get_method(name).predict(SceneFeatures(image, masks, vit.clip), SENTENCE, noun_phrase=PHRASE).evidence
    for key, value in evidence.items():
        if isinstance(value, torch.Tensor):
            assert value.device.type == "cpu" and not value.requires_grad and not value.is_inference(), key
    if name in ("grad-cam", "score-map", "clip-surgery"):
        assert evidence["map"].shape == (4, 4)


def test_an_absent_object_does_not_light_up(vit, image, masks):
    """Maps keep their scale: a text that fits nowhere has a lower maximum than one that fits somewhere."""
    scene = SceneFeatures(image, masks, vit.clip)
    for name in ("score-map", "clip-surgery"):
        maxima = {
            round(float(get_method(name).predict(scene, words).evidence["map"].max()), 3)
            for words in ("a cat", "a bus", "7")
        }
        assert len(maxima) == 3
        stretched = get_method(name, stretch=True).predict(scene, SENTENCE)
        assert stretched.chosen == get_method(name).predict(scene, SENTENCE).chosen
        assert stretched.scores.nan_to_num(neginf=0).min() >= 0 and stretched.scores.max() <= 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("preset", ["default", "official"])
@pytest.mark.parametrize("name", METHODS)
def test_cuda_agrees_with_cpu(vit, rn, image, masks, rows, name, preset):
    for tower in (vit, rn) if name in RN_METHODS else (vit,):
        scores = []
        for device in ("cpu", "cuda"):
            scene = SceneFeatures(image, masks, load_clip(tower.model.state_dict(), kind="openai", device=device))
            scores.append(get_method(name, preset).predict(scene, SENTENCE, noun_phrase=PHRASE).scores[rows])
        torch.testing.assert_close(scores[1], scores[0], atol=1e-3, rtol=1e-2)
