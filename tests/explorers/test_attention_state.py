"""AttentionState against the library and against what masking means."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.explorers.conftest import TEXT
from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.explorers import AttentionState
from zsris_viz.methods import SceneFeatures, get_method
from zsris_viz.methods.global_context import global_context_features

LEFT = 4  # position of the token "left"


@pytest.fixture
def state(vit, image, masks, parser):
    return AttentionState(image, TEXT, vit, proposals=masks, parser=parser)


def text_attention(state: AttentionState) -> torch.Tensor:
    """Attention from the end token in the current layer, (1 + heads, T), with the mean first."""
    return state.text_attentions()[state.layer - 1, -1]


def image_attention(state: AttentionState) -> torch.Tensor:
    """Attention from CLS or the patch that is set, in the current layer and head, (rows, columns)."""
    head = 0 if state.image_head is None else 1 + state.image_head
    return state.head_attentions()[state.image_layer - 1, head]


def test_attention_is_the_librarys(vit, image, state):
    model = vit.model
    with torch.no_grad():
        text = model.text_model(vit.tokenize(TEXT).ids, output_attentions=True)
        vision = model.vision_model(vit.preprocess.image(image)[None], output_attentions=True)
    assert state.tokens == ["start", *TEXT.split(), "end"]
    for layer in (1, 2, 3):
        state.set(layer=layer)
        expected = text.attentions[layer - 1][0, :, -1]
        torch.testing.assert_close(text_attention(state)[1:], expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(text_attention(state)[0], expected.mean(0), atol=1e-5, rtol=0)
    for layer, query, place in ((6, None, 0), (2, (1, 3), 1 + 1 * 7 + 3)):
        state.set(image_layer=layer, query=query)
        expected = vision.attentions[layer - 1][0, :, place, 1:].reshape(-1, 7, 7)
        torch.testing.assert_close(image_attention(state), expected.mean(0), atol=1e-3, rtol=0)  # kept in 16 bits
        state.set(image_head=2)
        torch.testing.assert_close(image_attention(state), expected[2], atol=1e-3, rtol=0)
        state.set(image_head=None)


def test_a_masked_token_might_as_well_be_another(vit, image, masks, parser, state):
    """What stands at a masked place must not matter; what stands elsewhere must."""
    other = AttentionState(image, TEXT.replace("left", "right"), vit, proposals=masks, parser=parser)
    assert not torch.allclose(state.text_feature(), other.text_feature(), atol=1e-3)
    for one in (state, other):
        one.set(masked={LEFT})
    torch.testing.assert_close(state.text_feature(), other.text_feature(), atol=1e-5, rtol=0)
    assert text_attention(state)[:, LEFT].abs().max() == 0
    assert torch.allclose(text_attention(state).sum(dim=1), torch.ones(5))
    for one in (state, other):
        one.set(masked={LEFT - 1})
    assert not torch.allclose(state.text_feature(), other.text_feature(), atol=1e-3)


def test_masking_is_the_probes(vit, state):
    from zsris_viz.probes.masking import masked_texts

    expected = masked_texts(vit, vit.trace_texts(TEXT), [0], [[2, LEFT]])[0, 0]
    state.set(masked={2, LEFT})
    torch.testing.assert_close(F.normalize(state.text_feature(), dim=-1), expected, atol=1e-5, rtol=0)


def test_scores_are_cosines_of_the_methods_features(vit, image, masks, state):
    scene = SceneFeatures(image, masks, vit)
    ranking = get_method("global-local", textual="global").predict(scene, TEXT)
    choice = state.choice()
    torch.testing.assert_close(choice.before, ranking.scores, atol=1e-5, rtol=0)
    assert choice.chosen_before == choice.chosen_after == ranking.chosen
    assert choice.before[3] == -torch.inf  # an empty mask
    state.toggle(LEFT)
    moved = state.choice()
    features = scene.crop_features()[:1] * 0.05 / scene.crop_features()[:1].norm()
    features = features + 0.95 * F.normalize(global_context_features(scene)[:1], dim=-1)
    expected = F.cosine_similarity(features, state.text_feature()[None])
    torch.testing.assert_close(moved.after[:1], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(moved.before, choice.before)
    state.toggle(LEFT)
    assert state.masked == frozenset()


def test_another_expression_has_no_token_masked(state):
    state.set(masked={LEFT}, layer=1)
    state.set(expression="a bus")
    assert state.masked == frozenset() and state.tokens == ["start", "a", "bus", "end"] and state.layer == 1


def test_groups_come_from_the_parser(state):
    assert state.groups == ["start", *["noun phrase"] * 3, "context", *["other"] * 3, "end"]


def test_iou_of_both_choices(vit, image, masks, parser):
    state = AttentionState(image, TEXT, vit, proposals=masks, truth=masks[2], parser=parser)
    choice = state.choice()
    expected = masks.iou(masks[2])[choice.chosen_before, 0]
    assert choice.iou_before == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"masked": {0}}, "cannot be masked"),
        ({"masked": {8}}, "cannot be masked"),
        ({"layer": 0}, "text layer 0 does not exist; there are 1 to 3"),
        ({"layer": 4}, "text layer 4"),
        ({"image_layer": 7}, "image layer 7"),
        ({"image_head": 4}, "head 4 does not exist; there are 0 to 3"),
        ({"query": (7, 0)}, "row 7"),
        ({"expression": ""}, "empty"),
        ({"depth": 1}, "depth"),
    ],
)
def test_what_is_refused(state, change, words):
    before = {name: getattr(state, name) for name in ("expression", "masked", "layer", "image_layer", "query")}
    with pytest.raises(InvalidInputError, match=words):
        state.set(**change)
    assert before == {name: getattr(state, name) for name in before}


def test_a_single_proposal_keeps_the_choice(vit, image, masks, parser):
    state = AttentionState(image, TEXT, vit, proposals=masks.select([1]), parser=parser)
    state.set(masked={2, 3, LEFT})
    choice = state.choice()
    assert choice.chosen_before == choice.chosen_after == 0
    assert float(choice.before[0]) != float(choice.after[0])


def test_no_proposal_and_methods_without_features(vit, image, masks):
    with pytest.raises(InvalidInputError, match="no proposal to choose among"):
        AttentionState(image, TEXT, vit, proposals=masks.select([3]))
    with pytest.raises(InvalidInputError, match="no proposal to choose among"):
        AttentionState(image, TEXT, vit, proposals=[])
    with pytest.raises(InvalidInputError, match="no feature"):
        AttentionState(image, TEXT, vit, proposals=masks, method="grad-cam")


def test_an_rn_has_text_attention_only(rn, image, masks, parser):
    state = AttentionState(image, TEXT, rn, proposals=masks, parser=parser)
    state.toggle(LEFT)
    assert text_attention(state).shape[1] == 9 and state.choice().before.isfinite().sum() == 3
    with pytest.raises(UnavailableError, match=r"is an RN.*Use a ViT"):
        image_attention(state)
