"""A disk cache for any source of proposals."""

from __future__ import annotations

import os
import warnings
from typing import Any

from zsris_viz.datasets.types import Sample
from zsris_viz.errors import ZsrisError, ZsrisWarning
from zsris_viz.images import ImageSource, open_image
from zsris_viz.io.cache import DiskCache, cache_folder, image_fingerprint, key_of
from zsris_viz.masks import Masks
from zsris_viz.proposals.base import Proposer

VERSION = 1  # of the format of entries; entries of other versions are ignored
PART = "proposals"


class CachedProposals(Proposer):
    """Cache the masks of a source; the key is the content of the image and the settings of the source.

    An entry contains the masks as COCO run-length encodings, their scores and boxes, and their source. Name and
    settings are those of the source, so that results do not depend on the cache. Sources that depend on the sample
    (ground truth, precomputed files) are not cached.

    Args:
        proposer: The source; its `settings` must contain everything that changes its masks.
        folder: Folder of the entries; by default the package's cache folder, see
            :func:`zsris_viz.io.cache.cache_folder`. If the cache is switched off, nothing is stored.
        max_bytes: Largest size of all entries in bytes; beyond it the least recently used entries are removed.

    Attributes:
        proposer: The source.
        store: The `DiskCache`, or None if the cache is switched off.
    """

    def __init__(
        self, proposer: Proposer, folder: str | os.PathLike[str] | None = None, *, max_bytes: int | None = None
    ) -> None:
        self.proposer: Proposer = proposer.proposer if isinstance(proposer, CachedProposals) else proposer
        self.name = self.proposer.name
        where = folder if folder is not None else cache_folder(PART)
        size = {} if max_bytes is None else {"max_bytes": max_bytes}
        self.store = None if where is None else DiskCache(where, **size)

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings of the source."""
        return self.proposer.settings

    @property
    def knows_samples(self) -> bool:
        """Return whether the source uses more of a sample than its image."""
        return self.proposer.knows_samples

    def propose(self, image: ImageSource) -> Masks:
        """Return the masks of the source for an image, from the cache if it contains them."""
        if self.store is None:
            return self.proposer.propose(image)
        picture = open_image(image)
        content = image_fingerprint(picture)
        key = key_of(version=VERSION, source=self.name, settings=self.settings, image=content)
        entry = self.store.get(key)
        if entry is not None:
            masks = self._unpacked(entry)
            if masks is not None:
                return masks.validate(picture)
        masks = self.proposer.propose(picture)
        self.store.put(key, packed(masks) | {"source": self.name, "settings": self.settings, "image": content})
        return masks

    def propose_for(self, sample: Sample) -> Masks:
        """Return the masks for a sample: those of `propose`, unless the source uses more of a sample than its image."""
        return self.proposer.propose_for(sample) if self.knows_samples else self.propose(sample.image)

    def _unpacked(self, entry: dict[str, Any]) -> Masks | None:
        try:
            masks = unpacked(entry, source=entry["masks_source"])
        except (ZsrisError, KeyError, TypeError, ValueError) as error:
            warnings.warn(
                f"A cache entry cannot be used ({error}); it is worked out again.", ZsrisWarning, stacklevel=3
            )
            return None
        return masks


def packed(masks: Masks) -> dict[str, Any]:
    """Return masks as plain values: size [H, W], COCO run-length encodings, scores or None, XYXY boxes, and source."""
    return {
        "size": list(masks.size),
        "masks": masks.to_rle(),
        "scores": None if masks.scores is None else masks.scores.tolist(),
        "boxes": masks.boxes.tolist(),
        "masks_source": masks.source,
    }


def unpacked(entry: dict[str, Any], *, source: str) -> Masks:
    """Return the masks that :func:`packed` encoded.

    Raises:
        InvalidInputError: Encodings of masks of another size.
        CorruptFileError: An encoding cannot be decoded.
    """
    height, width = entry["size"]
    return Masks.from_rle(
        entry["masks"], size=(int(height), int(width)), scores=entry["scores"], source=source
    ).validate((int(height), int(width)))
