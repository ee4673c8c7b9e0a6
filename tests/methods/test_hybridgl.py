"""HybridGL against a short computation on open_clip's modules, one mask at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from PIL import Image
from scipy.ndimage import convolve1d
from torch import Tensor

from tests.benchmarks.authors_flow import MEAN, STD
from tests.methods import plain
from tests.methods.conftest import PHRASE, SENTENCE
from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.methods import SceneFeatures, get_method
from zsris_viz.methods.global_context import global_context_features
from zsris_viz.methods.guidance.coherence import coherence, heat_map, shaded
from zsris_viz.models.preprocessing import CLIP_MEAN, CLIP_STD

FIRST = 1  # of the tiny tower's four blocks, the last three are fused
GIVEN: dict[str, Any] = {"noun_phrase": PHRASE, "direction": None, "relation": "left", "relation_object": "the bus"}
TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}


def blurred(image: Image.Image) -> np.ndarray:
    """15 x 15 taps of a Gaussian of 0.3 * (7 - 1) + 0.8 pixels, mirrored at the borders, in 8 bits."""
    taps = np.exp(-(np.arange(-7, 8) ** 2) / (2 * 2.6**2))
    values = np.array(image).astype(np.float32)
    for axis in (0, 1):
        values = convolve1d(values, taps / taps.sum(), axis=axis, mode="mirror")
    return values.round().clip(0, 255).astype(np.uint8)


def official_images(image: Image.Image, mask: Tensor) -> tuple[Tensor, Tensor]:
    normalised = TF.normalize(TF.to_tensor(image), MEAN, STD)
    local = normalised * mask + ~mask * torch.tensor(CLIP_MEAN)[:, None, None]
    shown = np.where(mask.numpy()[:, :, None], np.array(image), blurred(image))
    resized = TF.resize(TF.to_tensor(shown), [64, 64], antialias=False)
    return TF.resize(local, [64, 64], antialias=False)[None], TF.normalize(resized, MEAN, STD)[None]


def default_images(image: Image.Image, mask: Tensor) -> tuple[Tensor, Tensor]:
    inside = mask.numpy()[:, :, None]
    colour = np.round(np.array(CLIP_MEAN) * 255).astype(np.uint8)
    found = []
    for background in (colour, blurred(image)):
        picture = torch.from_numpy(np.where(inside, np.array(image), background)).permute(2, 0, 1)[None]
        small = F.interpolate(picture, size=(64, 64), mode="bicubic", antialias=True)  # in 8 bits
        found.append(TF.normalize(small / 255, CLIP_MEAN, CLIP_STD))
    return found[0], found[1]


def block(module: Any, tokens: Tensor, seen: Tensor | None = None) -> Tensor:
    """A block; with `seen` (P,) bool CLS attends to itself and to those patches."""
    outputs = []
    for query, key, value in zip(*plain.heads(module, module.ln_1(tokens)), strict=True):
        logits = query @ key.T / query.shape[-1] ** 0.5
        if seen is not None:
            logits[0, 1:][~seen] = -torch.inf
        outputs.append(logits.softmax(dim=-1) @ value)
    tokens = tokens + module.attn.out_proj(torch.cat(outputs, dim=-1))
    return tokens + plain.mlp(module, tokens)


def feature(model: Any, images: tuple[Tensor, Tensor], weights: Tensor, fusion: str) -> Tensor:
    x, y = (plain.vit_layers(model, pixels)[FIRST] for pixels in images)
    local, context, seen = x, y, weights > 0
    for module in model.visual.transformer.resblocks[FIRST:]:
        masked = torch.cat([y[:1], y[1:] * weights[:, None]])
        local, context = block(module, local + 2 * masked), block(module, x + 2 * context, seen)
        x, y = block(module, x), block(module, y, seen)
    local, context = plain.head_of(model, local[0]), plain.head_of(model, context[0])
    return {"g2l": local, "l2g": context, "both": local + context}[fusion]


def grid_of(mask: Tensor) -> Tensor:
    return F.interpolate(mask[None, None].float(), size=(4, 4), mode="bilinear", align_corners=False).flatten()


@pytest.mark.parametrize("fusion", ["g2l", "l2g", "both"])
@pytest.mark.parametrize(("preset", "images"), [("default", default_images), ("official", official_images)])
def test_features(vit, image, masks, fusion, preset, images):
    rows = [0, 1, 5, 6]
    with torch.no_grad():
        expected = [feature(vit.model, images(image, masks[row]), grid_of(masks[row]), fusion) for row in rows]
    scene = SceneFeatures(image, masks, vit.clip, batch_size=3)
    found = get_method("hybridgl", preset, fusion=fusion).features(scene)
    torch.testing.assert_close(found[rows], torch.stack(expected), **TOLERANCE)


def test_features_of_one_image_for_the_ablation(vit, image, masks):
    scene = SceneFeatures(image, masks, vit.clip)
    tokens = get_method("hybridgl", fusion="token-masking").features(scene)
    assert torch.equal(tokens, global_context_features(scene, 3))
    crops = get_method("hybridgl", fusion="crop").features(scene)
    assert crops.shape == tokens.shape and not torch.allclose(crops, tokens)
    found = get_method("hybridgl", fusion="attention-masking").features(scene)
    with torch.no_grad():
        for row in (0, 1, 5):
            hidden = plain.vit_layers(vit.model, plain.clip_pixels(image, 64))[FIRST]
            for module in vit.model.visual.transformer.resblocks[FIRST:]:
                hidden = block(module, hidden, grid_of(masks[row]) > 0)
            torch.testing.assert_close(found[row], plain.head_of(vit.model, hidden[0]), **TOLERANCE)


def test_the_official_selection_by_hand(vit, image, masks):
    rows = [0, 1, 5, 6]
    scene = SceneFeatures(image, masks[rows], vit.clip)
    ranking = get_method("hybridgl", "official").predict(scene, SENTENCE, **GIVEN)
    with torch.no_grad():
        features = [feature(vit.model, official_images(image, mask), grid_of(mask), "g2l") for mask in masks[rows]]
        visual = plain.unit(torch.stack(features))

        def text(words: str) -> Tensor:
            return plain.text(vit.model, lambda string: vit.clip.tokenize(string, length=77).ids, words)

        cosines = visual @ plain.unit(0.5 * text(SENTENCE) + 0.5 * text(PHRASE))
        scale = vit.model.logit_scale.exp()
        probable = (scale * cosines).softmax(dim=0).double()
        other = (scale * visual @ plain.unit(text("a photo of the bus"))).softmax(dim=0).double()
    boxes = []
    for mask in masks[rows]:
        _, right = np.nonzero(mask.numpy())
        boxes.append((right.min(), right.max() - right.min()))
    centre = [x + w / 2 for x, w in boxes]
    candidates = cosines.argsort(descending=True)[:3].tolist()
    guided = [sum(probable[i] * other[j] * float(centre[i] < centre[j]) for j in range(4)) for i in candidates]
    fit = coherence(shaded(heat_map(scene, PHRASE), None), scene.masks, "left")  # tested elsewhere
    selection = 0.4 * torch.stack(guided).softmax(dim=0) + 0.6 * fit[candidates]
    assert ranking.evidence["candidates"] == candidates
    torch.testing.assert_close(ranking.evidence["selection"], selection, atol=1e-5, rtol=1e-4)
    assert ranking.chosen == candidates[int(selection.argmax())]


def test_what_it_cannot_use(vit, rn, image, masks):
    with pytest.raises(UnavailableError, match="HybridGL"):
        get_method("hybridgl").predict(SceneFeatures(image, masks, rn.clip), SENTENCE, **GIVEN)
    with pytest.raises(InvalidInputError, match="4 blocks"):
        get_method("hybridgl", fused_blocks=5).predict(SceneFeatures(image, masks, vit.clip), SENTENCE, **GIVEN)
    with pytest.raises(InvalidInputError, match="fusion"):
        get_method("hybridgl", fusion="sum")
    assert get_method("hybridgl").predict(SceneFeatures(image, [], vit.clip), SENTENCE, **GIVEN).chosen is None
