"""The common interface of captioners, which describe images in a sentence."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from zsris_viz.captioning.regions import SIGMA, check_style, region_images
from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.images import ImageSource, open_image
from zsris_viz.io.cache import DiskCache, cache_folder, image_fingerprint, key_of
from zsris_viz.masks import Masks
from zsris_viz.miniature.photographs import warn_of_photograph

#: Version of the captions; it changes when the same settings give other captions, so that old entries are not used.
VERSION = 1
#: Number of images in a batch whose progress is reported; a computation can be cancelled after each.
REPORTED = 8


class Captioner(ABC):
    """Base class of captioners, which describe images in a sentence and cache the captions on disk.

    The key of a caption in the cache is computed from the image, the mask, the style of the input and `settings`. The
    model therefore processes the same region only once, also over several runs.

    Args:
        name: Name for tables.
        batch_size: Number of images in a batch; it does not change the captions.
        cache: True for the cache folder of the user (see :func:`zsris_viz.io.cache.cache_folder`), a DiskCache, or
            False for no cache.

    Attributes:
        name: Name for tables.
        batch_size: Number of images in a batch.
        cache: The DiskCache, or None.
        calls: Number of images that the model has processed, without those whose captions were in the cache.
    """

    def __init__(self, name: str, *, batch_size: int = 32, cache: bool | DiskCache = True) -> None:
        if batch_size < 1:
            raise InvalidInputError(f"batch_size={batch_size} was given; it is at least 1.")
        self.name = name
        self.batch_size = batch_size
        self.cache = _cache(cache)
        self.calls = 0

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return all settings that influence a caption as plain values: the model, its weights and its decoding."""

    @abstractmethod
    def _generate(self, images: list[Image.Image]) -> list[str]:
        """Return the captions of at most `batch_size` RGB images of any size."""

    def caption_images(self, images: ImageSource | Sequence[ImageSource]) -> list[str]:
        """Return one caption for each whole image.

        Args:
            images: One image or a list of images, each in a form that :func:`zsris_viz.images.open_image` accepts.

        Returns:
            The captions without surrounding white space, in the order of the images; "" if the model returns no text.
        """
        pictures = [open_image(image) for image in _listed(images)]
        for picture in pictures:
            self._warn_of_photograph(picture)
        keys = [self._key(image_fingerprint(picture), None, {}) for picture in pictures]
        return self._captions(keys, lambda wanted: [pictures[index] for index in wanted])

    def caption_regions(
        self,
        image: ImageSource,
        masks: Masks | torch.Tensor | np.ndarray,
        style: str = "blur",
        *,
        square: str = "none",
        margin: float = 0.0,
        sigma: float = SIGMA,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[str]:
        """Return one caption for each proposal of an image.

        Args:
            image: An image in a form that :func:`zsris_viz.images.open_image` accepts.
            masks: N proposals at the size of the image: Masks, or an (N, H, W) array or tensor.
            style: Background outside the mask; see :func:`zsris_viz.captioning.regions.region_images`.
            square: Padding of the box; see :func:`zsris_viz.captioning.regions.region_images`.
            margin: Margin around the box; see :func:`zsris_viz.captioning.regions.region_images`.
            sigma: Standard deviation of the blur; see :func:`zsris_viz.captioning.regions.region_images`.
            progress: Function that takes the number of finished captions and the number of those that are not in the
                cache, after every few captions; it may raise an exception to stop. None for no reports.

        Returns:
            N captions; "" if the model returns no text, and for an empty mask, which the model does not process.

        Raises:
            InvalidInputError: The style is unknown, or the masks differ from the image in size.
        """
        check_style(style, square, margin, sigma)
        picture = open_image(image)
        proposals = masks if isinstance(masks, Masks) else Masks.from_arrays(masks, size=picture.size[::-1])
        proposals.validate(picture)
        shown: dict[str, Any] = {"style": style, "square": square, "margin": float(margin)}
        if style == "blur":
            shown["sigma"] = float(sigma)
        self._warn_of_photograph(picture)
        fingerprint = image_fingerprint(picture)
        present = (proposals.areas > 0).nonzero()[:, 0].tolist()
        keys = [self._key(fingerprint, _mask_fingerprint(proposals.data[index]), shown) for index in present]

        def draw(wanted: list[int]) -> list[Image.Image]:
            chosen = proposals.select(torch.tensor([present[index] for index in wanted]))
            return region_images(picture, chosen, style, square=square, margin=margin, sigma=sigma)

        captions = [""] * len(proposals)
        for index, caption in zip(present, self._captions(keys, draw, progress), strict=True):
            captions[index] = caption
        return captions

    def _warn_of_photograph(self, picture: Image.Image) -> None:
        if self.name == "miniature":
            warn_of_photograph(picture, "The miniature captioner", "captioner='git-base'", stacklevel=4)

    def _key(self, image: str, mask: str | None, shown: dict[str, Any]) -> str:
        return key_of(what="caption", version=VERSION, image=image, mask=mask, shown=shown, captioner=self.settings)

    def _captions(self, keys: list[str], draw: Any, progress: Callable[[int, int], None] | None = None) -> list[str]:
        """Return the caption for each key, from the cache if it has it; each other caption is generated once."""
        found: dict[str, str] = {}
        for key in dict.fromkeys(keys):
            entry = self.cache.get(key) if self.cache is not None else None
            if entry is not None and isinstance(entry.get("caption"), str):
                found[key] = entry["caption"]
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        step = self.batch_size if progress is None else min(self.batch_size, REPORTED)
        for start in range(0, len(missing), step):
            if progress is not None:
                progress(start, len(missing))
            part = missing[start : start + step]
            pictures = draw([keys.index(key) for key in part])
            self.calls += len(pictures)
            for key, caption in zip(part, self._generate(pictures), strict=True):
                found[key] = " ".join(caption.split())
                if self.cache is not None:
                    self.cache.put(key, {"caption": found[key]})
        return [found[key] for key in keys]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, batch_size={self.batch_size}, cache={self.cache!r})"


def _cache(cache: bool | DiskCache) -> DiskCache | None:
    if isinstance(cache, DiskCache):
        return cache
    if not isinstance(cache, bool):
        raise InvalidTypeError(f"cache is {type(cache).__name__}; give True, False, or a DiskCache(folder).")
    folder = cache_folder("captions") if cache else None
    return None if folder is None else DiskCache(folder)


def _listed(images: Any) -> list[Any]:
    return list(images) if isinstance(images, (list, tuple)) else [images]


def _mask_fingerprint(mask: torch.Tensor) -> str:
    """Return a hash of the size and the pixels of an (H, W) bool mask."""
    packed = np.packbits(mask.cpu().numpy())
    return hashlib.sha256(f"{tuple(mask.shape)} ".encode() + packed.tobytes()).hexdigest()
