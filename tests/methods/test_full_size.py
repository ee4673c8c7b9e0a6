"""Published shapes, seeded random weights in OpenAI's layout: official presets against plain flows."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.benchmarks.authors_flow import rank_references
from tests.factories import FULL_SIZES, openai_model
from tests.methods import plain
from tests.methods.conftest import PHRASE, SENTENCE
from zsris_viz.methods import SceneFeatures, get_method
from zsris_viz.models import load_clip

TOLERANCE = {"atol": 1e-4, "rtol": 0}


def load(name):
    model = openai_model(11, **FULL_SIZES[name])
    return model, load_clip(model.state_dict(), kind="openai", device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ViT-B/32", "ViT-B/16"])
def test_official_vit(name, image, masks, present):
    model, clip = load(name)
    scene = SceneFeatures(image, masks, clip)
    with torch.no_grad():
        (expected,) = rank_references(
            model, lambda text: clip.tokenize(text, length=77).ids, image, masks[present], [[(SENTENCE, PHRASE)]]
        )
        layers = plain.vit_layers(model, plain.clip_pixels(image, 224))
        tokens = plain.surgery(model, layers, 6)
        tokens = plain.unit(tokens)
        texts = [
            plain.unit(plain.text(model, lambda one: clip.tokenize(one, length=77, allow_empty=True).ids, words))
            for words in (SENTENCE, "")
        ]
        side = clip.grid[0]
        surgery = plain.mean_inside((tokens @ (texts[0] - texts[1]))[1:].reshape(side, side), masks[present])
    scores = get_method("global-local", "official").predict(scene, SENTENCE, noun_phrase=PHRASE).scores[present]
    torch.testing.assert_close(scores, expected, **TOLERANCE)
    scores = get_method("clip-surgery", "official").predict(scene, SENTENCE).scores[present]
    torch.testing.assert_close(scores, surgery, **TOLERANCE)


@pytest.mark.slow
def test_official_rn50(image, masks, present):
    model, clip = load("RN50")
    with torch.no_grad():
        feature_map = plain.rn_map(model, plain.official_pixels(image, 224))
        feature_map = feature_map / feature_map.norm(dim=1, keepdim=True)
        sentence, phrase = (
            plain.unit(plain.text(model, lambda one: clip.tokenize(one, length=77).ids, text))
            for text in (SENTENCE, PHRASE)
        )
        expected = []
        for row in present:
            grid = F.interpolate(masks[row][None, None].float(), size=(7, 7), mode="bilinear", align_corners=False)
            masked = model.visual.attnpool(feature_map * grid)[0]
            crop = plain.unit(model.encode_image(plain.official_crop(image, masks[row], 224)[None])[0])
            expected.append((0.95 * masked + 0.05 * crop) @ (0.5 * sentence + 0.5 * phrase))
    scene = SceneFeatures(image, masks, clip)
    scores = get_method("global-local", "official").predict(scene, SENTENCE, noun_phrase=PHRASE).scores[present]
    torch.testing.assert_close(scores, torch.stack(expected), **TOLERANCE)
