"""The drawn world never changes by accident: hashes of pictures, masks, captions and expressions of every split."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from zsris_viz.datasets.types import Expression
from zsris_viz.miniature.world.dataset import Scenes
from zsris_viz.miniature.world.distinguishing import STYLES
from zsris_viz.miniature.world.sampling import SPLITS

INDICES = (0, 1, 2, 17, 101, 250, 333, 499)
PICTURES = {
    "train": "d53ec209966bcf33",
    "val": "4fc99c585614627f",
    "testA": "ac8f645dcf03f804",
    "testB": "a313446383dfa929",
    "test": "825e40020639cc08",
}
EXPRESSIONS = {
    "train": {
        "mixed": "b389b3f2e271c17e",
        "refcoco": "7d0c321e6c6c9481",
        "refcoco+": "c10bdc1d81876a10",
        "refcocog": "573818e2625a50c0",
    },
    "val": {
        "mixed": "c9790a4358243e87",
        "refcoco": "e7dcb0b411843a64",
        "refcoco+": "0ea7ab1b11b23ee5",
        "refcocog": "698db0184574ff85",
    },
    "testA": {
        "mixed": "557ccb7d9dddbdb1",
        "refcoco": "ae1f9d93bd200d5a",
        "refcoco+": "9da14cd06dab2eeb",
        "refcocog": "66291aa135928d21",
    },
    "testB": {
        "mixed": "3a6e546e66740e50",
        "refcoco": "35a51ef2585387ef",
        "refcoco+": "2dd083858d745c20",
        "refcocog": "aa46531816bab3a7",
    },
    "test": {
        "mixed": "d32e077eee37be67",
        "refcoco": "c6558d227db8d5a0",
        "refcoco+": "993fc04c335f37cd",
        "refcocog": "2b48079c72834ebc",
    },
}


def pictures_and_captions(split: str) -> str:
    """A digest of the pixels, masks, categories and captions of eight scenes."""
    digest = hashlib.sha256()
    scenes = Scenes(split, size=112)
    for index in INDICES:
        sample = scenes[index]
        digest.update(np.asarray(sample.image).tobytes())
        assert sample.instances is not None
        digest.update(np.packbits(sample.instances.data.numpy()).tobytes())
        digest.update(json.dumps([sample.instance_categories, sample.captions]).encode())
    return digest.hexdigest()[:16]


def fields_of(expressions: tuple[Expression, ...]) -> str:
    """The texts and parts of expressions, as their `repr` was when the digests were taken."""
    return repr(expressions).replace(", error=None", "")


def expressions(split: str, style: str) -> str:
    """A digest of every record of the expressions of eight scenes: texts, parts and targets."""
    scenes = Scenes(split, size=16, style=style)
    records = [
        [reference.ref_id, reference.category, reference.distractors, fields_of(reference.expressions)]
        for index in INDICES
        for reference in scenes[index].references
    ]
    return hashlib.sha256(json.dumps(records).encode()).hexdigest()[:16]


@pytest.mark.parametrize("split", SPLITS)
def test_pictures_masks_and_captions_are_the_same(split: str) -> None:
    assert pictures_and_captions(split) == PICTURES[split]


@pytest.mark.parametrize("split", SPLITS)
def test_expressions_of_every_style_are_the_same(split: str) -> None:
    found = {style: expressions(split, style) for style in ("mixed", *STYLES)}
    assert found == EXPRESSIONS[split]
