"""Drawing: every noun in every colour, masks that are what is seen, the same picture for the same seed."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsris_viz.errors import InvalidInputError
from zsris_viz.miniature.world.layout import SIZE_RANGES, SceneLayout, SceneObject, sample_layout
from zsris_viz.miniature.world.render import render, render_arrays
from zsris_viz.miniature.world.sprites import sprite
from zsris_viz.miniature.world.words import COLOURS, NOUNS, PEOPLE, names_of, plural, vocabulary


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_shows_its_colour(noun):
    for colour, clothes in itertools.product(("red", "blue"), ("shirt", "coat") if noun in PEOPLE else (None,)):
        image = np.asarray(sprite(noun, colour, clothes, 0, False)).astype(int)
        assert max(image.shape[:2]) == 128
        near = abs(image[..., :3] - np.array(COLOURS[colour])).sum(-1) < 90
        assert (near & (image[..., 3] > 200)).mean() > 0.04, (noun, colour)


def test_a_flipped_sprite_is_the_mirror_image():
    assert (
        np.asarray(sprite("car", "red", None, 1, True)) == np.asarray(sprite("car", "red", None, 1, False))[:, ::-1]
    ).all()


def test_unknown_things_are_refused():
    with pytest.raises(InvalidInputError, match="nouns are"):
        sprite("unicorn", "red", None, 0, False)
    with pytest.raises(InvalidInputError, match="smallest has 16"):
        render(sample_layout(0), 8)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**9), side=st.sampled_from([48, 112, 224]))
def test_masks_are_disjoint_and_within_their_boxes(seed, side):
    layout = sample_layout(seed)
    picture, masks = render_arrays(layout, side)
    assert picture.shape == (side, side, 3) and picture.dtype == np.uint8
    assert masks.shape == (len(layout.objects), side, side)
    assert masks.sum(0).max() <= 1
    for item, mask in zip(layout.objects, masks, strict=True):
        rows, columns = np.nonzero(mask)
        reach = item.extent * side / 2 + 2
        assert abs(columns - item.centre[0] * side).max() <= reach + 1
        assert abs(rows - item.centre[1] * side).max() <= reach + 1


def test_later_objects_hide_earlier_ones():
    below = SceneObject("ball", "red", "big", (0.5, 0.5), 0.4, False, None, 0)
    above = SceneObject("ball", "blue", "small", (0.5, 0.5), 0.2, False, None, 0)
    _, masks = render_arrays(SceneLayout((below, above), 1, 0), 112)
    assert masks[1][56, 56] and not masks[0][56, 56] and masks[0][56, 40]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_layouts_keep_their_promises(seed):
    layout = sample_layout(seed)
    assert layout == sample_layout(seed)
    assert 1 <= len(layout.objects) <= 6
    for item in layout.objects:
        least, most = SIZE_RANGES[item.size]
        assert least <= item.extent <= most
        assert all(item.extent / 2 <= place <= 1 - item.extent / 2 for place in item.centre)
        assert (item.clothes is not None) == (item.noun in PEOPLE)


def test_the_same_seed_draws_the_same_picture():
    first, second = (render_arrays(sample_layout(7), 112)[0] for _ in range(2))
    assert (first == second).all()
    assert (first != render_arrays(sample_layout(8), 112)[0]).any()


def test_words_of_the_world():
    words = set(vocabulary())
    assert len(NOUNS) >= 20 and len(COLOURS) == 8
    for noun in NOUNS:
        assert set(names_of(noun)) | {plural(noun)} <= words
