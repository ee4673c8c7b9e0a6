"""The overlap filter of TAS, applied to any source of proposals."""

from __future__ import annotations

from typing import Any

from zsris_viz.datasets.types import Sample
from zsris_viz.images import ImageSource, open_image
from zsris_viz.masks import Masks
from zsris_viz.proposals.base import Proposer
from zsris_viz.proposals.filter import check_thresholds, filter_overlaps
from zsris_viz.proposals.working_size import enlarge, shrink

PAPER_AREA = 2000  # pixels, as in TAS
PAPER_PIXELS = 640 * 480  # size of the images for which this area is intended


class Filtered(Proposer):
    """Propose the masks of another source without small masks and those that a larger one overlaps (TAS, section 4.1).

    Args:
        proposer: The source.
        min_area: Masks with fewer pixels are dropped; a number below 1 is a share of the image. Default: TAS's 2,000
            pixels, and the same share of images smaller than 640 x 480.
        max_overlap: Share of the smaller mask, 0-1; if an intersection is larger, only the larger mask is kept.

    Attributes:
        proposer: The source.

    Raises:
        InvalidInputError: A threshold is outside its range.
    """

    def __init__(self, proposer: Proposer, *, min_area: float | None = None, max_overlap: float = 0.4) -> None:
        check_thresholds(0 if min_area is None else min_area, max_overlap)
        self.proposer, self.min_area, self.max_overlap = proposer, min_area, max_overlap
        self.name = f"{proposer.name}+filter"

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings of the source and of the filter."""
        return {**self.proposer.settings, "filter_min_area": self.min_area, "filter_max_overlap": self.max_overlap}

    @property
    def knows_samples(self) -> bool:
        """Return whether the source uses more of a sample than its image."""
        return self.proposer.knows_samples

    def propose(self, image: ImageSource) -> Masks:
        """Return the kept masks of an image, in the source's order.

        Masks of an image whose longest side exceeds `working_side` are computed and filtered at the working size, with
        `min_area` in proportion; only the kept masks are enlarged.
        """
        if self.knows_samples:
            return self._filter(self.proposer.propose(image))
        picture = open_image(image)
        size = (picture.height, picture.width)
        masks = self._filter(self.proposer.propose(shrink(picture, self.working_side)), size)
        return Masks(enlarge(masks.data, *size), scores=masks.scores, source=self.name)

    @property
    def working_side(self) -> int:
        """Return the working side of the source in pixels."""
        return self.proposer.working_side

    def propose_for(self, sample: Sample) -> Masks:
        """Return the kept masks of a sample, in the source's order."""
        return self._filter(self.proposer.propose_for(sample))

    def least_area(self, size: tuple[int, int]) -> int:
        """Return the area in pixels below which a mask of an image of `size` (H, W) is dropped."""
        pixels = size[0] * size[1]
        if self.min_area is None:
            return min(PAPER_AREA, round(PAPER_AREA / PAPER_PIXELS * pixels))
        return round(self.min_area * pixels if self.min_area < 1 else self.min_area)

    def _filter(self, masks: Masks, image_size: tuple[int, int] | None = None) -> Masks:
        """Return the kept masks of an image of `image_size` (H, W), by default of the masks' own size."""
        full = image_size or masks.size
        share = masks.size[0] * masks.size[1] / (full[0] * full[1])
        min_area = round(self.least_area(full) * share)
        kept = filter_overlaps(masks, min_area=min_area, max_overlap=self.max_overlap).masks
        return Masks(kept.data, scores=kept.scores, source=self.name)
