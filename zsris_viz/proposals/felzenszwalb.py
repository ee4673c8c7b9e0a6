"""Proposals without a model: Felzenszwalb's regions at several scales, merged into larger ones.

This source needs no checkpoint and works on any image, but it uses only colour and edges and has no notion of objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from zsris_viz.errors import InvalidInputError
from zsris_viz.images import ImageSource, open_image
from zsris_viz.masks import Masks
from zsris_viz.proposals.base import Proposer
from zsris_viz.proposals.regions import Similarity, merge_regions, outline_scores
from zsris_viz.proposals.working_size import enlarge, shrink

# The first grouping merges regions of similar colour; the second one, for objects of several colours, ignores colour.
GROUPINGS = (Similarity(colour=1, size=0.2, fill=0.2), Similarity(colour=0, size=1, fill=1))


class Felzenszwalb(Proposer):
    """Propose regions of a graph-based segmentation (Felzenszwalb and Huttenlocher, IJCV 2004) and their unions.

    Args:
        scales: Scales of the segmentation; a larger scale gives larger regions.
        sigma: Standard deviation of the blur before the segmentation, in pixels of the working size.
        side: Longest side in pixels at which regions are computed; larger images are shrunk, and their masks enlarged.
        min_share: Smallest share of the image that a proposal may cover, 0-1.
        max_share: Largest share of the image that a proposal may cover, 0-1.
        max_iou: IoU above which only the better of two proposals is kept, 0-1.
        max_masks: Largest number of proposals; those with the best scores are kept.

    Raises:
        InvalidInputError: A value is outside its range.
    """

    name = "felzenszwalb"

    def __init__(
        self,
        scales: Sequence[float] = (50, 200),
        *,
        sigma: float = 0.8,
        side: int = 256,
        min_share: float = 0.002,
        max_share: float = 0.8,
        max_iou: float = 0.9,
        max_masks: int = 80,
    ) -> None:
        self.scales = tuple(float(scale) for scale in scales)
        if not self.scales or min(self.scales) <= 0:
            raise InvalidInputError(f"scales={scales!r} was given; one or more numbers above 0 are accepted.")
        for name, value, low, high in (
            ("sigma", sigma, 0, 100),
            ("side", side, 16, 4096),
            ("min_share", min_share, 0, 1),
            ("max_share", max_share, min_share, 1),
            ("max_iou", max_iou, 0, 1),
            ("max_masks", max_masks, 1, 10_000),
        ):
            if not low <= value <= high:
                raise InvalidInputError(f"{name}={value!r} was given; {low} to {high} is accepted.")
        self.sigma, self.side, self.max_masks = float(sigma), int(side), int(max_masks)
        self.min_share, self.max_share, self.max_iou = float(min_share), float(max_share), float(max_iou)

    @property
    def settings(self) -> dict[str, Any]:
        """Return all arguments."""
        names = ("scales", "sigma", "side", "min_share", "max_share", "max_iou", "max_masks")
        return {name: list(value) if isinstance(value := getattr(self, name), tuple) else value for name in names}

    def propose(self, image: ImageSource) -> Masks:
        """Return up to `max_masks` masks of the image's size, best score first; none for an image of one colour.

        Scores are those of :func:`~zsris_viz.proposals.regions.outline_scores`.
        """
        picture = open_image(image)
        small = shrink(picture, self.side)
        masks, scores = self._regions(small)
        if not len(masks):
            return Masks.from_arrays([], size=(picture.height, picture.width), scores=[], source=self.name)
        order = np.argsort(-scores, kind="stable")
        stack = Masks(masks[order], scores=torch.from_numpy(scores[order]))
        kept = _distinct(stack.iou(), self.max_iou, self.max_masks)
        chosen = stack.select(kept)
        return Masks(enlarge(chosen.data, picture.height, picture.width), scores=chosen.scores, source=self.name)

    def _regions(self, image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
        """Return (N, h, w) bool regions of the accepted sizes, without exact copies, and their scores (N,)."""
        from skimage.color import rgb2lab
        from skimage.segmentation import felzenszwalb

        pixels = np.asarray(image)
        lab = rgb2lab(pixels)
        height, width = pixels.shape[:2]
        low, high = self.min_share * height * width, self.max_share * height * width
        found: dict[bytes, np.ndarray] = {}
        for scale in self.scales:
            labels = felzenszwalb(pixels, scale=scale, sigma=self.sigma, min_size=max(1, round(low)))
            labels = np.unique(labels, return_inverse=True)[1].reshape(height, width)
            groups = [[label] for label in range(int(labels.max()) + 1)]
            for weights in GROUPINGS:
                groups += merge_regions(labels, lab, weights)
            sizes = np.bincount(labels.ravel())
            for group in groups:
                if max(1, low) <= sizes[group].sum() <= high:
                    member = np.zeros(len(sizes), dtype=bool)
                    member[group] = True
                    mask = member[labels]
                    found.setdefault(np.packbits(mask).tobytes(), mask)
        masks = np.stack(list(found.values())) if found else np.zeros((0, height, width), dtype=bool)
        return masks, outline_scores(masks, lab)


def _distinct(iou: torch.Tensor, max_iou: float, count: int) -> list[int]:
    """Return the indices of the first `count` masks that are not too similar to an earlier one.

    Args:
        iou: (N, N), with the best mask first.
        max_iou: Largest IoU of two masks that are both kept, 0-1.
        count: Largest number of masks.
    """
    kept: list[int] = []
    for index in range(len(iou)):
        if len(kept) == count:
            break
        if not kept or float(iou[index, kept].max()) <= max_iou:
            kept.append(index)
    return kept
