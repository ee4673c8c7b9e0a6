"""LayerState against a few plain lines, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.explorers.conftest import TEXT
from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.explorers import LayerState

L = 6


def plain_map(clip: Any, image: Any, text: str, layer: int, negate: bool, dim: int = -1) -> torch.Tensor:
    """Similarity of the patches of a layer with a text, on transformers' own modules."""
    vision = clip.model.vision_model
    with torch.no_grad():
        pixels = clip.preprocess.image(image)[None]
        hidden = vision(pixels, output_hidden_states=True).hidden_states[layer][0, 1:]
        patches = clip.model.visual_projection(vision.post_layernorm(-hidden if negate else hidden))
        feature = clip.model.get_text_features(clip.tokenize(text).ids).pooler_output[0]
        return (F.normalize(patches, dim=dim) @ F.normalize(feature, dim=-1)).reshape(clip.grid)


@pytest.mark.parametrize("negate", [True, False])
def test_maps_are_cosines_of_projected_patches(vit, image, negate):
    state = LayerState(image, TEXT, vit, negate=negate)
    assert state.layers == list(range(L + 1)) and state.layer == 4  # three quarters of the way
    for layer in state.layers:
        expected = plain_map(vit, image, TEXT, layer, negate)
        torch.testing.assert_close(state.view(layer).map, expected, atol=1e-5, rtol=0)


def test_patch_axis_normalises_each_channel_over_the_patches(vit, image):
    state = LayerState(image, TEXT, vit, projection="patch-axis", layer=3)
    torch.testing.assert_close(state.view().map, plain_map(vit, image, TEXT, 3, True, dim=0), atol=1e-5, rtol=0)


def test_the_value_path_ends_in_maskclips(vit, image):
    """At the last layer it is the package's own value path without residual and feed-forward part."""
    state = LayerState(image, TEXT, vit, projection="values", negate=False, layer=L)
    dense = vit.dense_values(image, residual=False, mlp=False)[0]
    expected = F.normalize(dense, dim=-1) @ F.normalize(vit.embed_texts(TEXT)[0], dim=-1)
    torch.testing.assert_close(state.view().map.flatten(), expected, atol=1e-5, rtol=0)
    assert state.layers[0] == 1  # no block made the embeddings
    with pytest.raises(InvalidInputError, match="layer 0 does not exist; there are 1 to 6"):
        state.set(layer=0)
    state.set(projection="head", layer=0)
    state.set(projection="values")
    assert state.layer == 1


def test_the_image_passes_the_tower_once_and_each_text_once(vit, image, masks):
    vit.calls.reset()
    state = LayerState(image, TEXT, vit, truth=masks[0])
    for text in (TEXT, "a bus", TEXT):
        for negate in (True, False):
            for projection in ("head", "patch-axis", "values"):
                state.set(expression=text, negate=negate, projection=projection)
                state.curves()
    assert vit.calls.images == 1 and vit.calls.texts == 2


def test_measures_are_those_of_their_words(vit, image, masks):
    truth = masks[0].numpy()
    state = LayerState(image, TEXT, vit, truth=truth)
    curves = state.curves()
    for layer in state.layers:
        view = state.view(layer)
        first = view.clusters[0].numpy()
        assert view.cluster_iou == pytest.approx((first & truth).sum() / (first | truth).sum())
        assert curves["first cluster"][layer] == view.cluster_iou
        above = (view.map >= (view.map.min() + view.map.max()) / 2).float()
        covered = F.interpolate(masks[0][None, None].float(), size=(7, 7), mode="bilinear")[0, 0]
        shared = (above * covered).sum()
        assert view.map_iou == pytest.approx(float(shared / (above.sum() + covered.sum() - shared)), abs=1e-6)
        row, column = divmod(int(view.map.argmax()), 7)
        assert view.hit == truth[int((row + 0.5) * 60 / 7), int((column + 0.5) * 90 / 7)]
    assert state.limits == (min(state.maps.flatten().tolist()), max(state.maps.flatten().tolist()))


def test_clusters_are_copatchs(vit, image):
    from zsris_viz.methods.copatch.clusters import find_clusters

    state = LayerState(image, TEXT, vit)
    found = find_clusters(state.view().map)
    assert state.view().delta == found.delta and len(state.view().clusters) == min(3, len(found))


def test_a_change_is_whole_or_not_at_all(vit, image, masks):
    state = LayerState(image, TEXT, vit, truth=masks[0])
    for changes in (
        {"expression": "a bus", "layer": L + 1},
        {"layer": -1},
        {"negate": False, "projection": "guess"},
        {"layer": 2, "truth": np.zeros((60, 90), bool)},
        {"layer": 2, "truth": np.ones((9, 9), bool)},
        {"expression": " "},
        {"colour": "red"},
    ):
        with pytest.raises(InvalidInputError):
            state.set(**changes)
        assert (state.expression, state.layer, state.negate, state.projection) == (TEXT, 4, True, "head")
        assert np.array_equal(state.truth, masks[0].numpy())
    with pytest.raises(InvalidTypeError, match="whole number"):
        state.set(layer=1.5)
    with pytest.raises(InvalidInputError, match="layer 7 does not exist; there are 0 to 6"):
        state.view(7)


def test_another_truth_gives_other_measures(vit, image, masks):
    state = LayerState(image, TEXT, vit, masks=masks)
    assert state.curves() == {} and state.view().hit is None
    state.set(truth=masks[0])
    first = state.curves()
    state.set(truth=masks[1])
    assert state.curves() != first


def test_a_constant_map_is_one_cluster_of_everything(vit, image, masks):
    state = LayerState(image, TEXT, vit, truth=masks[0])
    state._maps[TEXT, True, "head"] = torch.full((L + 1, 7, 7), 0.25)
    view = state.view(2)
    assert len(view.clusters) == 1 and bool(view.clusters[0].all())
    share = float(masks[0].float().mean())
    assert view.cluster_iou == pytest.approx(share)
    on_grid = F.interpolate(masks[0][None, None].float(), size=(7, 7), mode="bilinear")
    assert view.map_iou == pytest.approx(float(on_grid.mean()), abs=1e-6)
    assert state.limits == (0.25, 0.25)


def test_an_rn_has_no_patch_tokens(rn, image):
    with pytest.raises(UnavailableError, match=r"no patch tokens.*Use a ViT"):
        LayerState(image, TEXT, rn)


@pytest.mark.parametrize("unload", ["deleted", "none", "meta"])
def test_a_model_that_was_unloaded(own_vit, image, unload):
    state = LayerState(image, TEXT, own_vit, layer=0)
    state.view()
    if unload == "deleted":
        del own_vit.model
    elif unload == "none":
        own_vit.model = None
    else:
        own_vit.model.to("meta")
    for question in (lambda: state.set(expression="a bus"), state.view, lambda: LayerState(image, TEXT, own_vit)):
        with pytest.raises(UnavailableError, match=r"not in memory any more.*load_clip"):
            question()


def test_a_closed_state_says_so(vit, image):
    state = LayerState(image, TEXT, vit)
    state.close()
    for question in (state.view, lambda: state.set(layer=1), lambda: state.size):
        with pytest.raises(UnavailableError, match="closed; make a new one"):
            question()


def test_no_model_at_all(image):
    with pytest.raises(InvalidTypeError, match="load_clip"):
        LayerState(image, TEXT, None)
    with pytest.raises(InvalidTypeError, match="load_clip"):
        LayerState(image, TEXT, object())
