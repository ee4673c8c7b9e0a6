"""Captions are true of their pictures, slips are wrong, and `possible` never calls a true caption wrong."""

import numpy as np
import pytest

from zsris_viz.miniature.training.caption_truth import (
    COLOUR_INDEX,
    NOUN_INDEX,
    RELATIONS,
    Claim,
    Mention,
    facts_of,
    possible,
)
from zsris_viz.miniature.training.captions import caption, corrupted
from zsris_viz.miniature.world.layout import SceneLayout, SceneObject, sample_layout
from zsris_viz.miniature.world.words import vocabulary


def thing(noun, colour, x, y, size="small", extent=0.2):
    return SceneObject(noun, colour, size, (x, y), extent, False, None, 0)


@pytest.fixture
def cat_and_cup():
    return facts_of(SceneLayout((thing("cat", "red", 0.2, 0.5), thing("cup", "blue", 0.8, 0.5, "big", 0.4)), 0, 0))[
        None
    ]


def mention(noun, **more):
    return Mention(NOUN_INDEX[noun], **more)


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        (Claim(mention("cat")), True),
        (Claim(mention("dog")), False),
        (Claim(mention("cat", colour=COLOUR_INDEX["red"])), True),
        (Claim(mention("cat", colour=COLOUR_INDEX["blue"])), False),
        (Claim(mention("cup", size=1)), True),
        (Claim(mention("cup", size=0)), False),
        (Claim(mention("cat", across=0)), True),
        (Claim(mention("cat", across=2)), False),
        (Claim(mention("cat"), mention("cup"), RELATIONS.index("left")), True),
        (Claim(mention("cup"), mention("cat"), RELATIONS.index("left")), False),
        (Claim(mention("cup"), mention("cat"), RELATIONS.index("bigger")), True),
        (Claim(mention("cat"), mention("cup"), RELATIONS.index("bigger")), False),
        (Claim(mention("cat"), mention("cat"), RELATIONS.index("and")), False),
    ],
)
def test_truth_of_claims(cat_and_cup, claim, holds):
    assert possible([claim], cat_and_cup)[0, 0] == holds


def test_a_crop_hides_size_and_place():
    facts = facts_of(SceneLayout((thing("cat", "red", 0.2, 0.2),), 0, 0), cropped=True)[None]
    claims = [Claim(mention("cat", size=1)), Claim(mention("cat", across=2, down=1)), Claim(mention("dog", size=1))]
    assert possible(claims, facts)[:, 0].tolist() == [True, True, False]


def test_captions_are_true_and_slips_are_wrong():
    rng = np.random.default_rng(0)
    words = set(vocabulary())
    for seed in range(400):
        facts = facts_of(sample_layout(seed, least=1, most=4))
        text, claim = caption(rng, facts)
        assert set(text.split()) <= words, text
        assert possible([claim], facts[None])[0, 0], text
        slip, wrong, kind = corrupted(rng, claim, facts)
        assert set(slip.split()) <= words, slip
        assert kind in ("noun", "colour", "size", "position", "relation")
        assert not possible([wrong], facts[None])[0, 0], (text, slip)


def test_many_claims_at_once_agree_with_one_at_a_time():
    rng = np.random.default_rng(1)
    facts = np.stack([facts_of(sample_layout(seed, least=1, most=4)) for seed in range(12)])
    claims = [caption(rng, row)[1] for row in facts for _ in range(2)]
    together = possible(claims, facts)
    alone = np.array([[possible([claim], row[None])[0, 0] for row in facts] for claim in claims])
    assert (together == alone).all()
