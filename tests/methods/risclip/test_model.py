"""The whole model: starts exactly at CLIP, runs the image once, and trains nothing but its own parts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.factories import tiny_rn_clip
from tests.methods.risclip.conftest import SMALL, scramble
from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.methods.risclip import Architecture, RisClipModel
from zsris_viz.methods.risclip.optim import stages_of, start_stage
from zsris_viz.models.vit import VitClip

TEXTS = ["the red square", "a much longer text about the blue one on the left"]


def inputs(clip: VitClip, side: int = 56) -> tuple[Any, ...]:
    tokens = clip.tokenize(TEXTS)
    pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    return pixels, torch.zeros(2, dtype=torch.long), tokens.ids, tokens.end


def test_before_training_the_map_is_clips_own(clip: VitClip) -> None:
    model = RisClipModel(clip, Architecture(**SMALL)).eval()
    pixels, owner, ids, end = inputs(clip)
    with torch.no_grad():
        found = model(pixels, owner, ids, end)
    patches = clip.project(clip.trace_image(pixels).patches(-1))[0]
    expected = F.normalize(clip.embed_texts(TEXTS), dim=-1) @ F.normalize(patches, dim=-1).T
    torch.testing.assert_close(found.cfe_map, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.map, expected, rtol=1e-4, atol=1e-5)
    assert found.logits.shape == (2, 28, 28)


def test_values_are_the_value_path_of_the_last_block(clip: VitClip) -> None:
    model = RisClipModel(clip, Architecture(**SMALL, patch_features="values")).eval()
    pixels, owner, ids, end = inputs(clip)
    with torch.no_grad():
        found = model(pixels, owner, ids, end)
    values = clip.dense_values(pixels, residual=False, mlp=False)[0]
    expected = F.normalize(clip.embed_texts(TEXTS), dim=-1) @ F.normalize(values, dim=-1).T
    torch.testing.assert_close(found.map, expected, rtol=1e-4, atol=1e-5)


def test_each_text_for_itself(clip: VitClip, model: RisClipModel) -> None:
    """Padding, the other texts of the batch and the other images change nothing."""
    pixels, owner, ids, end = inputs(clip)
    two = torch.cat([torch.randn(1, 3, 56, 56), pixels])
    with torch.no_grad():
        together = model(two, owner + 1, ids, end)
        for row, text in enumerate(TEXTS):
            tokens = clip.tokenize([text])
            alone = model(pixels, owner[:1], tokens.ids, tokens.end)
            for one, all_of_them in zip(alone, together, strict=True):
                torch.testing.assert_close(one[0], all_of_them[row], rtol=1e-3, atol=1e-4)


def test_an_image_that_was_looked_at_need_not_be_looked_at_again(clip: VitClip, model: RisClipModel) -> None:
    pixels, owner, ids, end = inputs(clip)
    with torch.no_grad():
        seen = model.encode_image(pixels)
        assert seen.hidden.shape == (1, 50, 64) and len(seen.early) == 2
        first, second = model(pixels, owner, ids, end), model(seen, owner, ids, end)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_gradients_reach_every_part_and_never_clip(clip: VitClip, model: RisClipModel) -> None:
    found = model(*inputs(clip))
    (found.logits.square().sum() + found.map.sum()).backward()
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in model.parameters())
    frozen = [*clip.model.parameters(), *clip.text.model.parameters()]
    assert all(value.grad is None and not value.requires_grad for value in frozen)
    assert not any(value is other for value in model.parameters() for other in frozen)


def test_running_blocks_again_changes_no_gradient(clip: VitClip) -> None:
    gradients = []
    for again in (False, True):
        torch.manual_seed(0)
        model = RisClipModel(clip, Architecture(**SMALL, checkpoint_blocks=again))
        scramble(model)
        model(*inputs(clip)).logits.square().mean().backward()
        gradients.append([value.grad for value in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_larger_images_interpolate_positions(clip: VitClip) -> None:
    model = RisClipModel(clip, Architecture(**SMALL, input_size=90)).eval()
    assert model.grid == (11, 11) and model.input_size == 88  # whole patches of 8
    with torch.no_grad():
        found = model(*inputs(clip, 88))
    assert found.map.shape == (2, 121) and found.logits.shape == (2, 44, 44)


@pytest.mark.parametrize("left_out", [{"cfe_pairs": 0}, {"ske_layers": 0}, {"decoder": "none"}])
def test_parts_can_be_left_out(clip: VitClip, left_out: dict[str, Any]) -> None:
    model = RisClipModel(clip, Architecture(**(SMALL | left_out)))
    model(*inputs(clip)).logits.sum().backward()
    names = {name.split(".")[0] for name, _ in model.named_parameters()}
    missing = {"cfe_pairs": "cfe", "ske_layers": "ske", "decoder": "decoder"}[next(iter(left_out))]
    assert names == {"cfe", "ske", "head", "decoder"} - {missing}


def test_stages_train_their_parts(clip: VitClip) -> None:
    from tests.methods.risclip.conftest import settings

    model = RisClipModel(clip, Architecture(**SMALL))
    expected = [
        ("align", {"cfe", "ske", "head"}),
        ("decode", {"decoder"}),
        ("joint", {"cfe", "ske", "head", "decoder"}),
    ]
    stages = stages_of(settings(), model)
    assert [stage.name for stage in stages] == [name for name, _ in expected]
    for stage, (_, parts) in zip(stages, expected, strict=True):
        optimizer = start_stage(model, stage, settings())
        open_to = {name.split(".")[0] for name, value in model.named_parameters() if value.requires_grad}
        assert open_to == parts
        held = {id(value) for group in optimizer.param_groups for value in group["params"]}
        assert held == {id(value) for value in model.parameters() if value.requires_grad}
    one = settings(steps={"align": 0, "decode": 0, "joint": 4})
    assert [stage.name for stage in stages_of(one, model)] == ["joint"]
    without = RisClipModel(clip, Architecture(**SMALL, decoder="none"))
    assert [stage.name for stage in stages_of(settings(), without)] == ["align", "joint"]


def test_bad_layers_and_towers_are_refused(clip: VitClip) -> None:
    with pytest.raises(InvalidInputError, match="layers from 0 to 5"):
        RisClipModel(clip, Architecture(cfe_layers=(6,)))
    with pytest.raises(InvalidInputError, match="once and in order"):
        RisClipModel(clip, Architecture(cfe_layers=(4, 3)))
    with pytest.raises(InvalidInputError, match="from 0 to 4"):
        RisClipModel(clip, Architecture(cfe_layers=(4, 5), decoder_layers=(0, 5)))
    with pytest.raises(UnavailableError, match="kind vit"):
        RisClipModel(tiny_rn_clip())
