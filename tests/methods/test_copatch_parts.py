"""CoPatch's texts, patch path, candidates, relations and coherence, each against a few lines of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.methods import plain
from tests.methods.conftest import PHRASE, SENTENCE
from zsris_viz.errors import InvalidInputError
from zsris_viz.masks import Masks
from zsris_viz.methods import SceneFeatures
from zsris_viz.methods.copatch.candidates import clusters_on_image, find_candidates
from zsris_viz.methods.copatch.config import HybridTextConfig
from zsris_viz.methods.copatch.patches import (
    averaged_layers,
    exit_layer,
    layer_maps,
    projected_patches,
    similarity_map,
)
from zsris_viz.methods.copatch.text_spans import find_words, with_context
from zsris_viz.methods.copatch.texts import fuse, fused_feature, fusion_block, hybrid_text
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.guidance.coherence import coherence, heat_map, ramp, shaded
from zsris_viz.methods.guidance.relations import guided_scores, relation_matrix, relation_of

TOLERANCE = {"atol": 2e-5, "rtol": 1e-4}
CONTEXT = ("left", "of", "bus")


def parts(**given: Any) -> ExpressionParts:
    return ExpressionParts(SENTENCE, {"noun_phrase": PHRASE, "context_tokens": CONTEXT, **given})


def scene_of(vit: SimpleNamespace, image: Any, masks: Any = ()) -> SceneFeatures:
    return SceneFeatures(image, masks, vit.clip)


# -- texts


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("cat on the cat", ["cat", "cat"], [(0, 3), (11, 14)]),
        ("the leftmost left cat", ["left"], [(13, 17)]),
        ("Left cat", ["left", "dog"], [(0, 4), None]),
        ("cat left", ["left", "cat"], [(4, 8), (0, 3)]),  # out of order: anywhere
        ("a.b (c)", ["(c)", ""], [(4, 7), None]),
    ],
)
def test_find_words(text: str, words: list[str], expected: list[Any]) -> None:
    assert find_words(text, words) == expected


@pytest.mark.parametrize(
    ("text", "phrase", "context", "expected"),
    [
        (SENTENCE, PHRASE, CONTEXT, "the small cat left of bus"),
        ("the left cat", "the left cat", ("left",), "the left cat"),
        ("cat", "cat", (), "cat"),
        ("on the left a cat", "a cat", ("on", "left"), "on left a cat"),
        ("cat", "cat", ("left",), "cat left"),  # given, but not in the text
        ("guy", "the man", ("left",), "the man left"),
    ],
)
def test_with_context(text: str, phrase: str, context: tuple[str, ...], expected: str) -> None:
    assert with_context(text, phrase, context) == expected


@pytest.mark.parametrize(("mixing", "kind"), [("unit", "ensemble"), ("raw", "ensemble"), ("unit", "context")])
def test_mixed_texts(vit, image, mixing, kind):
    phrase = {"ensemble": PHRASE, "context": "the small cat left of bus"}[kind]
    tokens = vit.clip.tokenize([SENTENCE, phrase], length=77).ids
    with torch.no_grad():
        sentence, other = vit.model.encode_text(tokens)
    if mixing == "unit":
        sentence, other = plain.unit(sentence), plain.unit(other)
    found = hybrid_text(scene_of(vit, image), parts(), HybridTextConfig(kind=kind, beta=0.4), mixing)
    torch.testing.assert_close(found.feature, 0.4 * sentence + 0.6 * other, **TOLERANCE)
    assert (found.sentence, found.phrase, found.kind) == (SENTENCE, phrase, kind)


def fused(model: Any, tokens: torch.Tensor, block: int, beta: float, causal: bool) -> torch.Tensor:
    """On open_clip's modules: sentence first, phrase second."""
    states = model.token_embedding(tokens) + model.positional_embedding[: tokens.shape[1]]
    mask = model.attn_mask[: tokens.shape[1], : tokens.shape[1]]
    blocks = model.transformer.resblocks
    for number in range(block):
        states = blocks[number](states, attn_mask=mask)
    norm = blocks[block].ln_1(states)
    added = blocks[block].attn(norm, norm, norm, need_weights=False, attn_mask=mask if causal else None)[0]
    mixed = (states[0] + states[1]) / 2 + beta * added[0] + (1 - beta) * added[1]
    mixed = (mixed + blocks[block].mlp(blocks[block].ln_2(mixed)))[None]
    for number in range(block + 1, len(blocks)):
        mixed = blocks[number](mixed, attn_mask=mask)
    return model.ln_final(mixed)[0, tokens[1].argmax()] @ model.text_projection


@pytest.mark.parametrize("block", [0, 1])
@pytest.mark.parametrize(("causal", "length"), [(True, None), (False, 77)])
def test_fusion(vit, block, causal, length):
    with torch.no_grad():
        expected = fused(vit.model, vit.clip.tokenize([SENTENCE, PHRASE], length=length).ids, block, 0.3, causal)
    found = fused_feature(vit.clip, SENTENCE, PHRASE, block, beta=0.3, causal=causal)
    torch.testing.assert_close(found, expected, **TOLERANCE)


@pytest.mark.parametrize("causal", [True, False])
def test_pairs_that_are_fused_together_get_their_own_features(vit, image, causal):
    scene, config = scene_of(vit, image), HybridTextConfig(kind="fusion", causal=causal)
    pairs = [(SENTENCE, PHRASE), ("a cat", "the very small cat behind it"), (SENTENCE, PHRASE)]
    vit.clip.calls.reset()
    found = fuse(scene, pairs, config)
    assert vit.clip.calls.texts == 4
    for pair, feature in zip(pairs, found, strict=True):
        block = fusion_block(vit.clip)
        torch.testing.assert_close(feature, fused_feature(vit.clip, *pair, block, causal=causal), **TOLERANCE)
    vit.clip.calls.reset()
    assert fuse(scene, pairs[:1], config)[0] is found[0] and vit.clip.calls.texts == 0


def test_fusing_a_text_with_itself_changes_nothing(vit):
    feature = fused_feature(vit.clip, PHRASE, PHRASE, 1)
    torch.testing.assert_close(feature, vit.clip.embed_texts([PHRASE])[0], **TOLERANCE)


def test_fusion_block_scales():
    for layers, block in ((12, 9), (4, 3), (2, 1), (1, 0)):
        assert fusion_block(SimpleNamespace(text_layers=layers, name="x")) == block
    with pytest.raises(InvalidInputError, match="fusion_block=12"):
        fusion_block(SimpleNamespace(text_layers=12, name="x"), 12)


def test_an_expression_without_context_tokens_has_the_noun_phrase(vit, image):
    scene = scene_of(vit, image)
    for given in ((), None):
        text = parts(context_tokens=given)
        context = hybrid_text(scene, text, HybridTextConfig(kind="context"))
        torch.testing.assert_close(context.feature, hybrid_text(scene, text, HybridTextConfig(kind="ensemble")).feature)


# -- the patch path


@pytest.mark.parametrize("negate", [True, False])
def test_patch_path(vit, image, negate):
    with torch.no_grad():
        layers = plain.vit_layers(vit.model, plain.clip_pixels(image, 64))
        expected = [plain.head_of(vit.model, -tokens if negate else tokens)[1:] for tokens in layers]
    scene = scene_of(vit, image)
    patches = projected_patches(scene, negate=negate)
    torch.testing.assert_close(patches, torch.stack(expected), **TOLERANCE)
    text = torch.randn(32, generator=torch.Generator().manual_seed(0))
    cosines = plain.unit(expected[3]) @ plain.unit(text)
    torch.testing.assert_close(similarity_map(patches, text, (4, 4), [3]).flatten(), cosines, **TOLERANCE)
    mean = torch.stack(expected[3:]).mean(dim=0)
    averaged = similarity_map(patches, text, (4, 4), averaged_layers(vit.clip))
    torch.testing.assert_close(averaged.flatten(), plain.unit(mean) @ plain.unit(text), **TOLERANCE)
    official = expected[3] / expected[3].norm(dim=0, keepdim=True) @ plain.unit(text)
    torch.testing.assert_close(layer_maps(patches, text, (4, 4), "patches")[3].flatten(), official, **TOLERANCE)
    before = vit.clip.calls.images
    projected_patches(scene, negate=not negate)
    assert vit.clip.calls.images == before, "one pass of the tower gives all layers and both signs"


def test_exit_layer_scales_with_the_tower():
    def tower(layers: int) -> Any:
        return SimpleNamespace(num_layers=layers, name="x")

    assert [exit_layer(tower(layers)) for layers in (12, 24, 6, 4, 1)] == [9, 18, 4, 3, 0]
    assert averaged_layers(tower(12)) == list(range(7, 13))
    assert exit_layer(tower(6), 0) == 0 and exit_layer(tower(6), "avg") == "avg"
    for wrong in (7, -1):
        with pytest.raises(InvalidInputError, match=r"layers 0 .* to 6"):
            exit_layer(tower(6), wrong)


# -- candidates


def test_clusters_on_the_image():
    clusters = torch.tensor([[[True, False], [False, False]]])
    half = clusters_on_image(clusters, (4, 4))
    large = F.interpolate(clusters[None].float(), size=(4, 4), mode="bilinear", align_corners=False)[0]
    assert torch.equal(half, large > 0.5) and half[0, 0, 0] and not half[0, 3, 3]
    official = clusters_on_image(clusters, (4, 4), "any")
    assert official[0, :3, :3].all() and not official[0, 3].any() and not official[0, :, 3].any()


def test_candidates():
    masks = torch.zeros(4, 8, 8, dtype=torch.bool)
    masks[0, :4, :4] = masks[1, :4, 4:] = masks[2, 4:] = True
    masks[3, 4:, :4] = True
    clusters = torch.zeros(3, 2, 2, dtype=torch.bool)
    clusters[0, 0, 1] = clusters[1, 1, 0] = clusters[2, 0, 0] = True
    found = find_candidates(0, clusters, Masks(masks))
    assert (found.proposals, found.sources) == ([0, 1, 3], [0, 1, 2])  # the third points to what is there already
    torch.testing.assert_close(found.overlaps, Masks(found.cluster_masks).iou(masks))
    repeated = find_candidates(0, clusters, Masks(masks), unique=False)
    assert (repeated.proposals, repeated.sources) == ([0, 1, 3, 0], [0, 1, 2, 3])
    assert find_candidates(0, clusters, Masks(masks), unique=False, most=3).proposals == [0, 1, 3]
    assert find_candidates(2, clusters[:0], Masks(masks)).proposals == [2]


def test_a_cluster_that_no_proposal_overlaps():
    masks = torch.zeros(2, 4, 4, dtype=torch.bool)
    masks[:, 0, 0] = True
    cluster = torch.zeros(1, 4, 4, dtype=torch.bool)
    cluster[0, 3, 3] = True
    assert find_candidates(1, cluster, Masks(masks)).proposals == [1]
    assert find_candidates(1, cluster, Masks(masks), edge="any", unique=False).proposals == [1, 0]


# -- relations


@pytest.mark.parametrize(
    ("relation", "direction", "phrase", "expected"),
    [
        ("left", "top", "the cat", ("left", False)),
        ("near", "right", "the cat", ("right", True)),
        (None, "top left", "the cat", ("left", True)),
        (None, "bottom", "the cat", ("below", True)),
        (None, "middle", "the cat", (None, False)),
        (None, None, "the Smallest cat", ("smaller", True)),
        (None, None, "the small cat", (None, False)),
        ("on", None, "", (None, False)),
    ],
)
def test_relation_of(relation, direction, phrase, expected):
    assert relation_of(relation, direction, phrase) == expected


def test_relation_matrix_on_masks(masks):
    held = Masks(masks)
    rows, columns = [0, 1, 5], [0, 1, 3, 5]
    points = np.array([[np.nan] * 2 if not mask.any() else np.argwhere(mask.numpy()).mean(axis=0) for mask in masks])
    areas = masks.flatten(1).sum(dim=1).numpy()

    def expected(compare) -> torch.Tensor:
        cells = [[a != b and masks[b].any() and compare(a, b) for b in columns] for a in rows]
        return torch.tensor(np.array(cells, dtype=float))

    for relation, compare in {
        "left": lambda a, b: points[a, 1] < points[b, 1],
        "right": lambda a, b: points[a, 1] > points[b, 1],
        "above": lambda a, b: points[a, 0] < points[b, 0],
        "below": lambda a, b: points[a, 0] > points[b, 0],
        "bigger": lambda a, b: areas[a] > areas[b],
        "smaller": lambda a, b: areas[a] < areas[b],
        "inside": lambda a, b: int((masks[a] & masks[b]).sum()) / areas[a],
    }.items():
        torch.testing.assert_close(relation_matrix(held, relation, rows, columns), expected(compare))
    with pytest.raises(InvalidInputError, match="near"):
        relation_matrix(held, "near", rows, columns)


def test_relation_matrix_of_the_authors(masks):
    """Corners read as x, y, width and height."""
    held, chosen = Masks(masks), [0, 1, 5, 6]
    corners = []
    for mask in masks[chosen]:
        down, right = np.nonzero(mask.numpy())
        corners.append((right.min(), down.min(), right.max(), down.max()))

    def inside(a, b) -> float:
        x1, y1 = max(a[0], b[0]), max(a[1], b[1])
        x2, y2 = max(x1, min(a[0] + a[2], b[0] + b[2])), max(y1, min(a[1] + a[3], b[1] + b[3]))
        return (x2 - x1) * (y2 - y1) / (a[2] * a[3])

    rules = {
        "left": lambda a, b: a[0] + a[2] / 2 < b[0] + b[2] / 2,
        "right": lambda a, b: a[0] + a[2] / 2 > b[0] + b[2] / 2,
        "above": lambda a, b: a[1] + a[3] / 2 < b[1] + b[3] / 2,
        "below": lambda a, b: a[1] + a[3] / 2 > b[1] + b[3] / 2,
        "bigger": lambda a, b: a[2] * a[3] > b[2] * b[3],
        "smaller": lambda a, b: a[2] * a[3] < b[2] * b[3],
        "inside": inside,
    }
    for relation, rule in rules.items():
        expected = torch.tensor([[float(rule(a, b)) for b in corners] for a in corners], dtype=torch.float64)
        torch.testing.assert_close(relation_matrix(held, relation, chosen, chosen, "corners"), expected)


def test_guided_scores():
    base, others = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.1, 0.6, 0.3])
    held = torch.tensor([[0.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    found = guided_scores(base, [0, 2], [1, 2], others, held)
    torch.testing.assert_close(found, torch.tensor([0.5 * 0.3, 0.2 * (0.6 + 0.3)], dtype=torch.float64))
    plainly = guided_scores(base, [0, 2], [1, 2], others, None, times=2)
    torch.testing.assert_close(plainly, torch.tensor([1.0, 0.4], dtype=torch.float64))


# -- spatial coherence


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ("left", [[1, 0.5, 0]] * 2),
        ("right", [[0, 0.5, 1]] * 2),
        ("top", [[1] * 3, [0] * 3]),
        ("bottom left", [[0] * 3, [1, 0.5, 0]]),
        ("middle", [[0, 1, 0]] * 2),
        (None, [[1] * 3] * 2),
    ],
)
def test_ramp(side, expected):
    torch.testing.assert_close(ramp(side, (2, 3)), torch.tensor(expected, dtype=torch.float32))


def test_ramp_of_an_unknown_side():
    with pytest.raises(InvalidInputError, match="north"):
        ramp("north", (2, 3))


@pytest.mark.parametrize(("relation", "outside"), [(None, 1.8), ("left", 1.8), ("bigger", 1.95), ("smaller", 1.5)])
def test_coherence(masks, relation, outside):
    heat = torch.rand(90, 120, generator=torch.Generator().manual_seed(1))
    bright = (heat - heat.min()) / (heat.max() - heat.min()) * torch.linspace(1, 0, 120)
    bright = (bright / bright.mean()).double()
    found = coherence(shaded(heat, "left"), Masks(masks), relation)
    for row in (0, 1, 5, 6):
        inside, rest = bright[masks[row]].mean(), bright[~masks[row]].mean()
        assert float(found[row]) == pytest.approx(float((2 - outside) * inside - outside * rest), abs=1e-5)
    assert float(found[2]) == pytest.approx((2 - outside) * 1.0, abs=1e-5)  # nothing lies outside the whole image
    assert torch.isfinite(found).all()


def test_coherence_of_a_constant_map(masks):
    assert not coherence(shaded(torch.full((90, 120), 0.4), "left"), Masks(masks)).any()


def test_heat_map_is_gem_on_twice_the_input(vit, image):
    from zsris_viz.methods.gem import gem_map

    scene = scene_of(vit, image)
    text = vit.clip.embed_texts(["a photo of a the small cat."])[0]
    small = gem_map(vit.clip, scene.pixels(size=128), text)  # tested elsewhere
    at_input = F.interpolate(small[None], size=(128, 128), mode="bilinear", align_corners=False)
    expected = F.interpolate(at_input, size=(90, 120), mode="bilinear", antialias=True)[0, 0]
    torch.testing.assert_close(heat_map(scene, PHRASE), expected, **TOLERANCE)
    assert heat_map(scene, PHRASE, size=64).shape == (90, 120)
    with pytest.raises(InvalidInputError, match="heat_size=65"):
        heat_map(scene, PHRASE, size=65)


def test_relation_matrix_of_boxes():
    """Boxes as Segment Anything reports them: x, y, and the distance to the last pixel."""
    masks = torch.zeros(3, 10, 20, dtype=torch.bool)
    masks[0, 2:5, 1:4] = masks[1, 1:9, 10:19] = masks[2, 3:4, 12:14] = True
    held = Masks(masks)
    left = relation_matrix(held, "left", [0, 1], [1, 2], "boxes")
    assert left.tolist() == [[1.0, 1.0], [0.0, 0.0]]  # centre of the second 14, of the third 12.5
    assert relation_matrix(held, "bigger", [1], [0, 2], "boxes").tolist() == [[1.0, 1.0]]
    with pytest.raises(InvalidInputError, match="near"):
        relation_matrix(held, "near", [0], [1], "boxes")
