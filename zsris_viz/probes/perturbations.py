"""Changes of an image that move its content, and changes of the same pixels that replace it.

All functions work on the input of the tower (3, H, W), so that the compared images differ by the change alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.errors import InvalidInputError

#: The four changes of place.
CHANGES = ("flip", "quadrant swap", "patch shuffle", "object moved")
WHOLE = 0.99


def flip(pixels: Tensor) -> Tensor:
    """Mirror an image horizontally: (3, H, W)."""
    return pixels.flip(-1)


def swap_quadrants(pixels: Tensor) -> Tensor:
    """Exchange each quadrant of an image with the diagonally opposite one: (3, H, W)."""
    height, width = pixels.shape[-2:]
    return pixels.roll((height // 2, width // 2), dims=(-2, -1))


def shuffle_patches(pixels: Tensor, patch: int, generator: torch.Generator) -> Tensor:
    """Put the tower's own patches in a random order: (3, H, W), with sides that are multiples of `patch`."""
    channels, height, width = pixels.shape
    if height % patch or width % patch:
        raise InvalidInputError(f"an image of {height} x {width} does not divide into patches of {patch}.")
    cells = F.unfold(pixels[None], patch, stride=patch)[0]
    order = torch.randperm(cells.shape[1], generator=generator)
    return F.fold(cells[None, :, order], (height, width), patch, stride=patch)[0].reshape(channels, height, width)


def move_object(pixels: Tensor, mask: Tensor, avoid: Tensor | None = None) -> Tensor:
    """Cut out an object, fill the hole from its surroundings, and paste the object elsewhere: (3, H, W).

    The hole is a little larger than the object. Of the places on a grid of eighths of the image that keep the object
    inside the image, the function takes those with the least overlap with `avoid` and the old place, and of these the
    farthest. An object that fills the image stays where it is.

    Args:
        pixels: (3, H, W), the tower's input.
        mask: (H, W) bool, the object.
        avoid: (H, W) bool, other objects, which the new place covers as little as possible.
    """
    down, right = _best_shift(mask, torch.zeros_like(mask) if avoid is None else avoid & ~mask)
    # pixels on the border are mixed with the object; the hole covers them, so that no outline remains
    filled = fill_hole(pixels, grown(mask, max(1, min(mask.shape) // 56)))
    moved = mask.roll((down, right), dims=(0, 1))
    return torch.where(moved, pixels.roll((down, right), dims=(-2, -1)), filled)


def _best_shift(mask: Tensor, avoid: Tensor) -> tuple[int, int]:
    height, width = mask.shape
    rows, columns = mask.any(dim=1).nonzero()[:, 0], mask.any(dim=0).nonzero()[:, 0]
    if not len(rows):
        return 0, 0
    best, best_key = (0, 0), (float("inf"), 0.0)
    for down in range(-int(rows[0]), height - int(rows[-1]), max(1, height // 8)):
        for right in range(-int(columns[0]), width - int(columns[-1]), max(1, width // 8)):
            moved = mask.roll((down, right), dims=(0, 1))
            key = (float((moved & (avoid | mask)).sum()), -float(down**2 + right**2))
            if key < best_key:
                best, best_key = (down, right), key
    return best


def grown(mask: Tensor, pixels: int) -> Tensor:
    """Dilate a mask by a number of pixels: (H, W) bool."""
    return F.max_pool2d(mask[None].float(), 2 * pixels + 1, stride=1, padding=pixels)[0] > 0


def fill_hole(pixels: Tensor, hole: Tensor) -> Tensor:
    """Fill the pixels under a mask with the nearest pixel outside it: (3, H, W).

    If the mask covers the whole image, the pixels are returned unchanged.
    """
    from scipy.ndimage import distance_transform_edt

    if bool(hole.all()):
        return pixels
    nearest = distance_transform_edt(hole.numpy(), return_distances=False, return_indices=True)
    rows, columns = torch.from_numpy(nearest).long()
    return pixels[:, rows, columns]


def content_copy(pixels: Tensor, changed: Tensor, other: Tensor) -> Tensor:
    """Replace the pixels in which two images differ by those of a third: (3, H, W).

    This is a change of content of the same area. If the two images differ in more than 99 % of the pixels, the result
    is the third image itself, because the few remaining pixels agree by chance only.
    """
    differs = (pixels != changed).any(dim=0)
    return other if float(differs.float().mean()) > WHOLE else torch.where(differs, other, pixels)


def recoloured_copy(pixels: Tensor, changed: Tensor) -> Tensor:
    """Exchange the colour channels (red to green to blue to red) of the pixels in which two pictures differ.

    This is a change of content of the same area that keeps the layout: unlike the result of :func:`content_copy`, the
    copy does not become another image if a change of place moves every pixel.

    Args:
        pixels: (3, H, W).
        changed: (3, H, W), the picture after a change of place.

    Returns:
        (3, H, W).
    """
    differs = (pixels != changed).any(dim=0)
    if float(differs.float().mean()) > WHOLE:  # the few remaining pixels agree by chance only
        return pixels.roll(1, dims=0)
    return torch.where(differs, pixels.roll(1, dims=0), pixels)


def moved_patches(
    size: Sequence[int],
    *,
    patch: int,
    mask: Tensor | None = None,
    avoid: Tensor | None = None,
    seed: int = 0,
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return which patches the changes of :func:`changed_copies` move, and where.

    Args:
        size: Height and width of the picture in pixels.
        patch: Side of a patch in pixels.
        mask: (H, W) bool, the object of "object moved".
        avoid: (H, W) bool, other objects.
        seed: Seed of the patch shuffle.

    Returns:
        Name of the change -> (old, new), int64 numbers of patches, row by row. The quadrant swap is left out
        for a grid with an odd side, and the moved object if it does not move or covers no patch.
        Patches of a moved object, those that it covers by half or more, are assigned to the nearest patch.
    """
    rows, columns = size[0] // patch, size[1] // patch
    numbers = torch.arange(rows * columns)
    grid = numbers.reshape(rows, columns)
    order = torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))
    found = {"flip": (numbers, grid.flip(1).flatten()), "patch shuffle": (order, numbers)}
    if rows % 2 == 0 and columns % 2 == 0:
        found["quadrant swap"] = (grid.roll((rows // 2, columns // 2), dims=(0, 1)).flatten(), numbers)
    if mask is not None and bool(mask.any()):
        down, right = _best_shift(mask, torch.zeros_like(mask) if avoid is None else avoid & ~mask)
        old = (F.avg_pool2d(mask[None].float(), patch)[0].flatten() >= 0.5).nonzero()[:, 0]
        row = (old // columns + round(down / patch)).clamp(0, rows - 1)
        column = (old % columns + round(right / patch)).clamp(0, columns - 1)
        if len(old) and (down or right):
            found["object moved"] = (old, row * columns + column)
    return found


def changed_copies(
    pixels: Tensor,
    *,
    patch: int,
    mask: Tensor | None = None,
    avoid: Tensor | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Return the four changes of place of one image; without a mask, all but "object moved".

    Args:
        pixels: (3, H, W), the tower's input.
        patch: Side of a patch in pixels.
        mask: (H, W) bool, the object; see :func:`move_object`.
        avoid: (H, W) bool, other objects; see :func:`move_object`.
        seed: Seed of the patch shuffle.

    Returns:
        Name of the change -> (3, H, W).
    """
    generator = torch.Generator().manual_seed(seed)
    copies = {
        "flip": flip(pixels),
        "quadrant swap": swap_quadrants(pixels),
        "patch shuffle": shuffle_patches(pixels, patch, generator),
    }
    if mask is not None and bool(mask.any()):
        copies["object moved"] = move_object(pixels, mask, avoid)
    return copies
