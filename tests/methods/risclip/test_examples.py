"""Pictures: the tower's own pixels, masks on a square, and a cache that changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.methods.risclip.world import Squares
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.methods.risclip import examples
from zsris_viz.methods.risclip.batches import StepBatches, make_batch
from zsris_viz.methods.risclip.examples import Pictures, picture_of, squash
from zsris_viz.models.preprocessing import Preprocess, get_preprocess

SQUASHED: Preprocess = get_preprocess("clip", 56)


def test_a_picture_is_what_the_tower_would_see(clip: Any) -> None:
    sample = Squares(side=80)[0]
    batch = make_batch([picture_of(sample, SQUASHED, 28)], SQUASHED, clip.tokenizer)
    torch.testing.assert_close(batch.pixels[0], SQUASHED.image(sample.image), rtol=0, atol=1e-5)
    assert batch.masks.shape == (4, 28, 28)
    texts = [expression.text for _, expression in sample.pairs()]
    assert torch.equal(batch.ids, clip.tokenizer(texts).ids)
    for row, (reference, _) in enumerate(sample.pairs()):
        assert batch.categories[row] == reference.category
        large = batch.masks[row].repeat_interleave(2, 0).repeat_interleave(2, 1).numpy() > 0.5
        right = squash(reference.mask, 56)
        assert (large & right).sum() / (large | right).sum() > 0.6  # 5 to 6 cells a side


def test_squash() -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[:4, :4] = True
    assert squash(mask, 2).tolist() == [[True, False], [False, False]]
    assert squash(mask, 8) is mask
    speck = np.zeros((64, 64), dtype=bool)
    speck[40, 3] = True
    assert squash(speck, 4).sum() == 1 and squash(speck, 4)[2, 0]


def test_a_cache_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "SHARD", 4)
    plain = Pictures(Squares(6), SQUASHED, 28)
    for _ in range(2):  # made, then read
        kept = Pictures(Squares(6), SQUASHED, 28, cache=tmp_path)
        for index in range(6):
            one, other = plain[index], kept[index]
            assert (one.pixels == other.pixels).all() and (one.masks == other.masks).all()
            assert one.texts == other.texts and one.categories == other.categories
    files = sorted(tmp_path.rglob("*"))
    assert [path.name for path in files if path.is_file()] == ["0000-4.npz", "0001-2.npz"]
    assert Pictures(Squares(6), SQUASHED, 14, cache=tmp_path).folder != kept.folder
    files[-1].write_bytes(files[-1].read_bytes()[:100])
    with pytest.raises(CorruptFileError, match="delete it"):
        Pictures(Squares(6), SQUASHED, 28, cache=tmp_path)[5]


def test_a_cache_on_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UnavailableError, match="disk is full"):
        Pictures(Squares(2), SQUASHED, 28, cache=tmp_path)[0]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_cannot_be_trained_on_is_refused(clip: Any) -> None:
    with pytest.raises(InvalidInputError, match="has no mask"):
        Pictures(Squares(masks=None), SQUASHED, 28)[0]
    with pytest.raises(InvalidInputError, match=r"\(3, 3\)"):
        Pictures(Squares(masks=np.ones((3, 3), dtype=bool)), SQUASHED, 28)[0]
    with pytest.raises(InvalidInputError, match="squashes"):
        Pictures(Squares(), get_preprocess("clip-center", 56), 28)
    nobody = StepBatches(
        Pictures(Squares(masks=np.zeros((56, 56), dtype=bool)), SQUASHED, 28), clip.tokenizer, batch=2, most=2, seed=0
    )
    with pytest.raises(InvalidInputError, match="no expression with a visible mask"):
        nobody.picture(0)


def test_batches_follow_from_seed_and_number(clip: Any) -> None:
    def batches(**changed: Any) -> StepBatches:
        options = {"batch": 2, "most": 3, "seed": 1} | changed
        return StepBatches(Pictures(Squares(6), SQUASHED, 28), clip.tokenizer, **options)

    whole = list(batches().run(0, 5))
    late = list(batches().run(3, 5))
    for one, other in zip(whole[3:], late, strict=True):
        assert torch.equal(one.pixels, other.pixels) and torch.equal(one.ids, other.ids)
    assert [len(batch.owner) for batch in whole] == [6] * 5 and whole[0].owner.tolist() == [0, 0, 0, 1, 1, 1]
    first_epoch = [batches().index(place) for place in range(6)]
    assert sorted(first_epoch) == list(range(6)) != first_epoch
    assert [batches(seed=2).index(place) for place in range(6)] != first_epoch
    # Two processes share what one would see.
    ranks = [batches(batch=1, rank=rank, world=2)[0].pixels for rank in range(2)]
    assert torch.equal(torch.cat(ranks), batches(batch=2)[0].pixels)


def test_nobody_speaks_of_unseen_nouns(clip: Any) -> None:
    options = {"batch": 6, "most": 9, "seed": 1, "without": ["red square"]}
    batch = StepBatches(Pictures(Squares(6), SQUASHED, 28), clip.tokenizer, **options)[0]
    assert set(batch.categories) == {"blue square", "green square"}
    picture = Pictures(Squares(6), SQUASHED, 28)[0]
    assert replace(picture.without(["red square"]), pixels=picture.pixels).pixels is picture.pixels
