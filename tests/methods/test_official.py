"""Official presets against the authors' computations, written down plainly on open_clip's modules."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.benchmarks.authors_flow import rank_references
from tests.methods import plain
from tests.methods.conftest import PHRASE, SENTENCE
from zsris_viz.methods import SceneFeatures, get_method
from zsris_viz.methods.gem import gem_map

TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}


def tokenize(clip):
    return lambda text: clip.tokenize(text, length=77).ids


def predict(tower, image, masks, name, **config):
    return get_method(name, "official", **config).predict(
        SceneFeatures(image, masks, tower.clip), SENTENCE, noun_phrase=PHRASE
    )


@pytest.mark.parametrize("alpha", [0.95, 0.85])
def test_global_local_on_vit(vit, image, masks, present, alpha):
    with torch.no_grad():
        (expected,) = rank_references(
            vit.model, tokenize(vit.clip), image, masks[present], [[(SENTENCE, PHRASE)]], alpha=alpha, first=1
        )
    scores = predict(vit, image, masks, "global-local", alpha=alpha).scores[present]
    torch.testing.assert_close(scores, expected, **TOLERANCE)


def test_global_local_on_rn(rn, image, masks, present):
    with torch.no_grad():
        feature_map = plain.rn_map(rn.model, plain.official_pixels(image, 96))
        feature_map = feature_map / feature_map.norm(dim=1, keepdim=True)
        sentence, phrase = (plain.unit(plain.text(rn.model, tokenize(rn.clip), text)) for text in (SENTENCE, PHRASE))
        expected = []
        for row in present:
            grid = F.interpolate(masks[row][None, None].float(), size=(3, 3), mode="bilinear", align_corners=False)
            masked = rn.model.visual.attnpool(feature_map * grid)[0]
            crop = plain.unit(rn.model.encode_image(plain.official_crop(image, masks[row], 96)[None])[0])
            expected.append((0.95 * masked + 0.05 * crop) @ (0.5 * sentence + 0.5 * phrase))
    scores = predict(rn, image, masks, "global-local").scores[present]
    torch.testing.assert_close(scores, torch.stack(expected), **TOLERANCE)


@pytest.mark.parametrize(("preset", "crop"), [("official", plain.official_crop), ("tas", plain.tas_crop)])
def test_cropping(vit, rn, image, masks, present, preset, crop):
    for tower, size in ((vit, 64), (rn, 96)):
        with torch.no_grad():
            features = tower.model.encode_image(torch.stack([crop(image, masks[row], size) for row in present]))
            expected = plain.unit(features) @ plain.unit(plain.text(tower.model, tokenize(tower.clip), SENTENCE))
        scene = SceneFeatures(image, masks, tower.clip)
        scores = get_method("cropping", preset).predict(scene, SENTENCE).scores[present]
        torch.testing.assert_close(scores, expected, **TOLERANCE)


def test_grad_cam_on_rn(rn, image, masks, present):
    feature_map = plain.rn_map(rn.model, plain.official_pixels(image, 96)).detach().requires_grad_()
    pooled = rn.model.visual.attnpool(feature_map)[0]
    text = plain.unit(plain.text(rn.model, tokenize(rn.clip), SENTENCE)).detach()
    logit = -rn.model.logit_scale.exp() * plain.unit(pooled) @ text
    logit.backward()
    weights = feature_map.grad.mean(dim=(2, 3))[0]
    activations = feature_map.detach()[0] / feature_map.detach()[0].norm(dim=0, keepdim=True)
    expected = plain.mean_inside((weights[:, None, None] * activations).sum(dim=0), masks[present])
    ranking = predict(rn, image, masks, "grad-cam")
    torch.testing.assert_close(ranking.scores[present], expected, **TOLERANCE)
    assert ranking.evidence["logit"] == pytest.approx(-float(logit.detach()), abs=1e-4)


def test_score_map_on_rn(rn, image, masks, present):
    pool = rn.model.visual.attnpool
    with torch.no_grad():
        dense = F.conv2d(
            plain.rn_map(rn.model, plain.official_pixels(image, 96)),
            pool.v_proj.weight[:, :, None, None],
            pool.v_proj.bias,
        )
        dense = F.conv2d(dense, pool.c_proj.weight[:, :, None, None], pool.c_proj.bias)[0]
        text = plain.unit(plain.text(rn.model, tokenize(rn.clip), SENTENCE))
        grid_map = torch.einsum("chw,c->hw", dense / dense.norm(dim=0, keepdim=True), text)
    ranking = predict(rn, image, masks, "score-map")
    torch.testing.assert_close(ranking.scores[present], plain.mean_inside(grid_map, masks[present]), **TOLERANCE)
    torch.testing.assert_close(ranking.evidence["map"], grid_map, **TOLERANCE)


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("others", [(), ("a bus", "the road")])
@pytest.mark.parametrize("normalise", ["features", "tokens"])
def test_clip_surgery(vit, image, masks, present, size, others, normalise):
    side = size // 16
    with torch.no_grad():
        table = vit.model.visual.positional_embedding
        square = table[1:].T.reshape(1, -1, 4, 4)
        resized = F.interpolate(square, size=(side, side), mode="bilinear")[0].flatten(1).T
        layers = plain.vit_layers(vit.model, plain.clip_pixels(image, size), positions=torch.cat([table[:1], resized]))
        tokens = plain.surgery(vit.model, layers, 4)
        tokens = tokens / tokens.norm(dim=0 if normalise == "tokens" else 1, keepdim=True)
        texts = torch.stack(
            [
                plain.unit(plain.text(vit.model, tokenize_any(vit.clip), text))
                for text in ([SENTENCE, *others] if others else [SENTENCE, ""])
            ]
        )
        if others:
            shares = (tokens[:1] @ texts.T * 2).softmax(dim=-1)  # of CLS alone, one for each text
            products = tokens[:, None] * texts[None] * (shares / shares.mean(dim=-1, keepdim=True))[:, :, None]
            values = (products - products.mean(dim=1, keepdim=True)).sum(dim=-1)[:, 0]
        else:
            values = tokens @ (texts[0] - texts[1])
        expected = plain.mean_inside(values[1:].reshape(side, side), masks[present])
    changes = {} if normalise == "features" else {"normalise": "tokens"}
    ranking = predict(vit, image, masks, "clip-surgery", size=None if size == 64 else size, others=others, **changes)
    torch.testing.assert_close(ranking.scores[present], expected, **TOLERANCE)
    assert torch.equal(vit.clip.model.vision_model.embeddings.position_embedding.weight, table)


@pytest.mark.parametrize("others", [(), ("a bus", "the road")])
@pytest.mark.parametrize("preset", ["default", "official"])
def test_clip_surgery_on_rn(rn, image, masks, present, others, preset):
    """Loops over heads and positions: value-value attention in the pooling, values normalised, scale times 8."""
    pool = rn.model.visual.attnpool
    with torch.no_grad():
        feature_map = plain.rn_map(rn.model, plain.clip_pixels(image, 96))
        positions = feature_map[0].flatten(1).T
        positions = torch.cat([positions.mean(dim=0, keepdim=True), positions]) + pool.positional_embedding
        values = pool.v_proj(positions)
        depth = values.shape[1] // pool.num_heads
        mixed, raw = [], []
        for value in values.split(depth, dim=1):
            unit = value / (value.norm(dim=1, keepdim=True) + 1e-6)
            mixed.append((unit @ unit.T * 8 / depth**0.5).softmax(dim=1) @ value)
            raw.append((value[:1] @ value.T / depth**0.5).softmax(dim=1) @ value)
        tokens = pool.c_proj(torch.cat(mixed, dim=1))
        cls = pool.c_proj(torch.cat(raw, dim=1)) if preset == "official" else pool(feature_map)
        tokens = plain.unit(torch.cat([cls, tokens[1:]]))
        strings = [SENTENCE, *others] if others else [SENTENCE, ""]
        texts = torch.stack([plain.unit(plain.text(rn.model, tokenize_any(rn.clip), string)) for string in strings])
        cosines = tokens @ texts.T
        if not others:
            values = cosines[:, 0] - cosines[:, 1]
        elif preset == "default":
            values = cosines[:, 0] - cosines.mean(dim=1)
        else:
            weights = (2 * cosines[0]).softmax(dim=0)
            weighted = cosines * (weights / weights.mean())
            values = weighted[:, 0] - weighted.mean(dim=1)
        expected = plain.mean_inside(values[1:].reshape(3, 3), masks[present])
    method = get_method("clip-surgery", preset, others=others)
    ranking = method.predict(SceneFeatures(image, masks, rn.clip), SENTENCE)
    torch.testing.assert_close(ranking.scores[present], expected, **TOLERANCE)


def test_score_map_on_vit(vit, image, masks, present):
    with torch.no_grad():
        layers = plain.vit_layers(vit.model, plain.official_pixels(image, 64))
        text = plain.unit(plain.text(vit.model, tokenize(vit.clip), SENTENCE))
        grid_map = (plain.unit(plain.value_path(vit.model, layers)) @ text).reshape(4, 4)
    ranking = predict(vit, image, masks, "score-map")
    torch.testing.assert_close(ranking.scores[present], plain.mean_inside(grid_map, masks[present]), **TOLERANCE)


def tokenize_any(clip):
    return lambda text: clip.tokenize(text, length=77, allow_empty=True).ids


def test_region_token(vit, image, masks, present):
    with torch.no_grad():
        table = vit.model.visual.positional_embedding.half().float()
        layers = plain.vit_layers(vit.model, plain.official_pixels(image, 64), padding=7, positions=table)
        text = plain.unit(plain.text(vit.model, tokenize(vit.clip), SENTENCE))
        expected = []
        for row in present:
            outside = F.interpolate(1 - masks[row][None, None].float(), size=(4, 4), mode="nearest")[0, 0].bool()
            expected.append(plain.unit(plain.region_token(vit.model, layers, ~outside.flatten())) @ text)
    torch.testing.assert_close(
        predict(vit, image, masks, "region-token").scores[present], torch.stack(expected), **TOLERANCE
    )


@pytest.mark.parametrize("iterations", [1, 2])
def test_gem(vit, image, iterations):
    with torch.no_grad():
        table = vit.model.visual.positional_embedding
        square = table[1:].T.reshape(1, -1, 4, 4)
        resized = F.interpolate(square, size=(8, 8), mode="bicubic", antialias=True)[0].flatten(1).T
        layers = plain.vit_layers(vit.model, plain.clip_pixels(image, 128), positions=torch.cat([table[:1], resized]))
        texts = torch.stack(
            [plain.text(vit.model, tokenize(vit.clip), f"a photo of a {word}.") for word in ("cat", "bus")]
        )
        expected = (plain.unit(plain.gem(vit.model, layers, 4, iterations)) @ plain.unit(texts).T).T.reshape(2, 8, 8)
    maps = gem_map(vit.clip, SceneFeatures(image, [], vit.clip).pixels(size=128), texts, iterations=iterations)
    torch.testing.assert_close(maps, expected, **TOLERANCE)
