"""SceneFeatures: each thing once, checked proposals, and features that do not depend on how they are batched."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.methods.conftest import EMPTY, SPECK
from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.images import gaussian_blur
from zsris_viz.masks import Masks
from zsris_viz.methods import CropVariant, SceneFeatures, TextCache, get_method
from zsris_viz.methods.global_context import global_context_features
from zsris_viz.methods.token_masking import masked_features


def random_masks(count: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:90, :120]
    return torch.from_numpy(
        np.stack(
            [
                ((columns - rng.uniform(0, 120)) / rng.uniform(5, 50)) ** 2 + ((rows - rng.uniform(0, 90)) / 20) ** 2
                < 1
                for _ in range(count)
            ]
        )
    )


def test_everything_passes_the_towers_once(vit, image):
    vit.clip.calls.reset()
    scene = SceneFeatures(image, random_masks(50), vit.clip, batch_size=16)
    methods = [
        get_method(name)
        for name in ("global-local", "cropping", "score-map", "clip-surgery", "region-token", "grad-cam")
    ]
    expressions = [f"the {colour} {noun}" for colour in ("red", "left", "small", "old", "wet") for noun in "abcdef"]
    for method in methods:
        for expression in expressions:
            method.predict(scene, expression, noun_phrase=expression.split()[-1])
    texts = {*expressions, *"abcdef", ""}  # the empty text is CLIP Surgery's reference
    assert len(expressions) == 30
    assert (vit.clip.calls.images, vit.clip.calls.crops, vit.clip.calls.texts) == (1, 50, len(texts))


def test_each_preprocessing_and_each_kind_of_crop_is_one_more_pass(vit, image, masks):
    vit.clip.calls.reset()
    scene = SceneFeatures(image, masks, vit.clip)
    for preset in ("default", "official", "default", "official"):
        get_method("global-local", preset, textual="global").predict(scene, "a cat")
    get_method("cropping", "official").predict(scene, "a cat")
    assert vit.clip.calls.images == 2
    assert vit.clip.calls.crops == 2 * (len(masks) - 1)  # the empty mask has no crop


def test_text_features_are_shared_between_images_on_request(vit, image, masks):
    cache = TextCache(vit.clip)
    vit.clip.calls.reset()
    for _ in range(2):
        get_method("cropping").predict(SceneFeatures(image, masks, vit.clip, texts=cache), "a cat")
    assert vit.clip.calls.texts == 1 and "a cat" in cache and len(cache) == 1


def test_a_full_cache_of_texts_drops_those_that_were_not_used_for_longest(vit):
    cache = TextCache(vit.clip, size=2)
    expected = vit.clip.embed_texts(["a", "b", "c"])
    torch.testing.assert_close(cache.features(["a", "b", "c", "a"]), expected[[0, 1, 2, 0]])
    assert "a" not in cache and "b" in cache and len(cache) == 2
    cache.features(["b"])
    cache.features(["d"])
    assert "b" in cache and "c" not in cache


def test_rank_many_embeds_all_texts_in_one_batch_and_agrees_with_rank(vit, image, masks, monkeypatch):
    batches = []
    embed = vit.clip.embed_texts
    monkeypatch.setattr(
        vit.clip, "embed_texts", lambda texts, **options: batches.append(list(texts)) or embed(texts, **options)
    )
    method, texts = get_method("cropping"), ["a cat", "the red bus", "a cat"]
    rankings = method.predict_many(SceneFeatures(image, masks, vit.clip), texts)
    assert batches == [["a cat", "the red bus"]]
    scene = SceneFeatures(image, masks, vit.clip)
    for text, ranking in zip(texts, rankings, strict=True):
        torch.testing.assert_close(ranking.scores, method.predict(scene, text).scores)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_features_do_not_depend_on_the_batch_size(vit, rn, image, masks, batch_size):
    for tower in (vit, rn):
        reference = SceneFeatures(image, masks, tower.clip, batch_size=5)
        scene = SceneFeatures(image, masks, tower.clip, batch_size=batch_size)
        torch.testing.assert_close(scene.crop_features(), reference.crop_features(), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(
            global_context_features(scene), global_context_features(reference), atol=1e-5, rtol=1e-5
        )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 6), st.integers(1, 4))
def test_masking_without_the_masked_tokens_equals_masking_all(vit, seed, count, blocks):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(1, 17, 128, generator=generator)
    shares = torch.rand(count, 16, generator=generator)
    shares = torch.where(
        torch.rand(count, 16, generator=generator) < torch.rand(count, 1, generator=generator), 0.0, shares
    )
    layer = vit.clip.num_layers - blocks
    expected = vit.clip.resume(hidden, layer, token_mask=shares)
    torch.testing.assert_close(masked_features(vit.clip, hidden, layer, shares), expected, atol=2e-5, rtol=1e-4)


def test_no_masked_block_gives_the_image_itself(vit, image, masks):
    scene = SceneFeatures(image, masks, vit.clip)
    features = global_context_features(scene, 0)
    torch.testing.assert_close(features, scene.image_feature().expand_as(features))
    torch.testing.assert_close(scene.image_feature(), vit.clip.embed_images(image), atol=1e-5, rtol=1e-5)


def test_a_full_mask_changes_nothing(vit, rn, image, masks):
    for tower in (vit, rn):
        scene = SceneFeatures(image, masks[2:3], tower.clip)
        torch.testing.assert_close(global_context_features(scene), scene.image_feature(), atol=1e-4, rtol=1e-4)


def test_a_speck_keeps_its_cell_by_default_and_vanishes_officially(vit, image, masks):
    scene = SceneFeatures(image, masks, vit.clip)
    assert scene.grid_masks()[SPECK].sum() == 1
    assert scene.grid_masks(keep_one=False)[SPECK].sum() == 0
    assert scene.grid_masks()[EMPTY].sum() == 0


def test_masks_are_taken_in_every_form(vit, image, masks):
    arrays = [mask.numpy() for mask in masks]
    for form in (masks, masks.numpy(), arrays, Masks(masks)):
        assert torch.equal(SceneFeatures(image, form, vit.clip).masks.data, masks)
    assert len(SceneFeatures(image, [], vit.clip)) == 0


def test_what_cannot_be_used_is_refused(vit, rn, image, masks):
    with pytest.raises(InvalidInputError, match="45 x 60"):
        SceneFeatures(image, masks[:, ::2, ::2], vit.clip)
    with pytest.raises(InvalidTypeError, match="load_clip"):
        SceneFeatures(image, masks, "miniature")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="at least 1"):
        SceneFeatures(image, masks, vit.clip, batch_size=0)
    with pytest.raises(InvalidInputError, match="another model"):
        SceneFeatures(image, masks, vit.clip, texts=TextCache(rn.clip))
    with pytest.raises(InvalidInputError, match="clip-center"):
        global_context_features(SceneFeatures(image, masks, vit.clip, preprocess="clip-center"))
    with pytest.raises(InvalidInputError, match="masked_blocks=9"):
        global_context_features(SceneFeatures(image, masks, vit.clip), 9)
    with pytest.raises(UnavailableError, match="attention pooling"):
        global_context_features(SceneFeatures(image, masks, rn.clip), 3)
    with pytest.raises(UnavailableError, match="ViT"):
        SceneFeatures(image, masks, vit.clip).feature_map()
    with pytest.raises(InvalidInputError, match="fill='pink'"):
        CropVariant(fill="pink")


def test_a_one_pixel_image_works(vit):
    scene = SceneFeatures(Image.new("RGB", (1, 1), "red"), torch.ones(1, 1, 1, dtype=torch.bool), vit.clip)
    for preset in ("default", "official", "tas"):
        assert get_method("cropping", preset).predict(scene, "a red dot").chosen == 0
    assert get_method("global-local").predict(scene, "a red dot", noun_phrase="dot").chosen == 0


def test_batches_on_a_cpu_are_as_large_as_their_activations_allow(vit, image, masks):
    tokens = 1 + vit.clip.grid[0] * vit.clip.grid[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zsris_viz.methods.features.CPU_BYTES", 3 * tokens * 4 * vit.clip.width * 4)  # fp32
        assert SceneFeatures(image, masks, vit.clip, batch_size=64).batch_size == 3
        assert SceneFeatures(image, masks, vit.clip, batch_size=2).batch_size == 2


def test_the_image_is_prepared_once_for_the_crops_of_all_batches(vit, image, masks):
    scene = SceneFeatures(image, masks, vit.clip, batch_size=1)
    together = SceneFeatures(image, masks, vit.clip, batch_size=len(masks))
    variant = CropVariant(fill="blur", pipeline="normalised")
    with pytest.MonkeyPatch.context() as patch:
        blurs = []
        patch.setattr("zsris_viz.methods.crops.gaussian_blur", lambda *given: blurs.append(1) or gaussian_blur(*given))
        found = scene.crop_features(variant)
        assert len(blurs) == 1 < len(masks)
    torch.testing.assert_close(found, together.crop_features(variant), rtol=1e-5, atol=1e-5)
