"""Changes of place keep what is in the picture; changes of content replace as many pixels."""

from __future__ import annotations

import pytest
import torch

from zsris_viz.errors import InvalidInputError
from zsris_viz.probes.perturbations import (
    CHANGES,
    changed_copies,
    content_copy,
    fill_hole,
    flip,
    grown,
    move_object,
    moved_patches,
    recoloured_copy,
    shuffle_patches,
    swap_quadrants,
)


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.rand(3, 32, 48, generator=torch.Generator().manual_seed(0))


def multiset(picture: torch.Tensor) -> list[tuple[float, ...]]:
    return sorted(map(tuple, picture.flatten(1).T.tolist()))


def test_flip_and_quadrants(pixels):
    assert torch.equal(flip(pixels)[:, :, 0], pixels[:, :, -1])
    swapped = swap_quadrants(pixels)
    assert torch.equal(swapped[:, :16, :24], pixels[:, 16:, 24:]) and torch.equal(
        swapped[:, 16:, :24], pixels[:, :16, 24:]
    )
    for changed in (flip(pixels), swapped):
        assert multiset(changed) == multiset(pixels)


def test_patch_shuffle_moves_whole_patches(pixels):
    shuffled = shuffle_patches(pixels, 8, torch.Generator().manual_seed(3))

    def patches(picture: torch.Tensor) -> set[bytes]:
        return {picture[:, r : r + 8, c : c + 8].numpy().tobytes() for r in range(0, 32, 8) for c in range(0, 48, 8)}

    assert patches(shuffled) == patches(pixels) and not torch.equal(shuffled, pixels)
    with pytest.raises(InvalidInputError, match="patches of 7"):
        shuffle_patches(pixels, 7, torch.Generator())


def test_an_object_is_moved(pixels):
    mask = torch.zeros(32, 48, dtype=torch.bool)
    mask[4:12, 4:14] = True
    avoid = mask.clone()
    avoid[:, 30:] = True
    moved = move_object(pixels, mask, avoid)
    places = [
        (down, right)
        for down in range(25)
        for right in range(39)
        if torch.equal(moved[:, down : down + 8, right : right + 10], pixels[:, 4:12, 4:14])
    ]
    assert len(places) == 1
    down, right = places[0]
    assert right + 10 <= 30 and (down >= 12 or right >= 14), "neither over another object nor over its old place"
    new = torch.zeros_like(mask)
    new[down : down + 8, right : right + 10] = True
    hole = grown(mask, 1)
    assert int(hole.sum()) == 10 * 12
    assert torch.equal(moved[:, ~(hole | new)], pixels[:, ~(hole | new)]), "nothing else changes"
    around = {tuple(p) for p in pixels[:, 2:14, 2:16].flatten(1).T.tolist()}
    assert {tuple(p) for p in moved[:, hole & ~new].T.tolist()} <= around, (
        "the hole is painted with what lies around it"
    )


def test_objects_that_cannot_be_moved(pixels):
    whole = torch.ones(32, 48, dtype=torch.bool)
    assert torch.equal(move_object(pixels, whole), pixels)
    assert torch.equal(move_object(pixels, ~whole), pixels)


def test_hole_takes_the_nearest_pixel():
    line = torch.arange(6.0).reshape(1, 1, 6)
    hole = torch.tensor([[False, True, True, True, True, False]])
    assert fill_hole(line, hole)[0, 0].tolist() == [0, 0, 0, 5, 5, 5]


def test_content_copy_changes_the_same_pixels(pixels):
    changed = pixels.clone()
    changed[:, :10, :10] += 1
    other = -pixels - 1
    copy = content_copy(pixels, changed, other)
    assert torch.equal((copy != pixels).any(dim=0), (changed != pixels).any(dim=0))
    assert torch.equal(copy[:, :10, :10], other[:, :10, :10])
    nearly = pixels + 1
    nearly[:, 0, 0] = pixels[:, 0, 0]
    assert content_copy(pixels, nearly, other) is other


def test_changed_copies(pixels):
    mask = torch.zeros(32, 48, dtype=torch.bool)
    assert list(changed_copies(pixels, patch=8, mask=mask)) == list(CHANGES[:3])
    mask[0, 0] = True
    copies = changed_copies(pixels, patch=8, mask=mask, seed=5)
    assert tuple(copies) == CHANGES
    again = changed_copies(pixels, patch=8, mask=mask, seed=5)
    assert all(torch.equal(copies[name], again[name]) for name in CHANGES)
    assert not torch.equal(changed_copies(pixels, patch=8, seed=6)["patch shuffle"], copies["patch shuffle"])


def test_patches_are_where_moved_patches_says():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(3, 64, 64, generator=generator)
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[8:24, 0:16] = True
    copies = changed_copies(pixels, patch=8, mask=mask, seed=5)
    places = moved_patches((64, 64), patch=8, mask=mask, seed=5)
    assert set(places) == set(copies)

    def cells(picture):
        return picture.unfold(1, 8, 8).unfold(2, 8, 8).permute(1, 2, 0, 3, 4).flatten(0, 1)

    own = cells(pixels)
    for name, (old, new) in places.items():
        moved = cells(copies[name])[new]
        assert torch.equal(moved.flip(-1) if name == "flip" else moved, own[old]), name
    assert sorted(places["object moved"][0].tolist()) == [8, 9, 16, 17]


def test_places_that_do_not_exist():
    assert set(moved_patches((56, 56), patch=8)) == {"flip", "patch shuffle"}  # seven patches have no half
    full = torch.ones(64, 64, dtype=torch.bool)
    assert "object moved" not in moved_patches((64, 64), patch=8, mask=full)


def test_recoloured_copy_keeps_the_layout(pixels):
    changed = pixels.clone()
    changed[:, 2:5, 1:4] += 1
    copy = recoloured_copy(pixels, changed)
    assert torch.equal(copy[:, 2:5, 1:4], pixels[[2, 0, 1], 2:5, 1:4])
    outside = torch.ones(pixels.shape[1:], dtype=torch.bool)
    outside[2:5, 1:4] = False
    assert torch.equal(copy[:, outside], pixels[:, outside])
    assert torch.equal(recoloured_copy(pixels, pixels + 1), pixels[[2, 0, 1]])
