"""The common interface of captioners: images in, sentences out, each computed once."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
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

#: Changes when captions would come out otherwise for the same settings, so that old entries are not taken.
VERSION = 1


class Captioner(ABC):
    """Describe images in a sentence, and keep the sentences on disk.

    A caption is kept under the content of the image, the mask, the style of the input and everything in `settings`, so
    that the same region is never described twice, not even in another run.

    Args:
        name: Name shown in tables.
        batch_size: Number of images in a batch; it does not change the captions.
        cache: True for the user's cache folder (see :func:`zsris_viz.io.cache.cache_folder`), a DiskCache, or False for
            none.

    Attributes:
        name: Name shown in tables.
        batch_size: Number of images in a batch.
        cache: The DiskCache, or None.
        calls: Number of images that the model itself has processed.
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
        """Return everything that changes a caption as plain values: the model, its weights and its decoding."""

    @abstractmethod
    def _generate(self, images: list[Image.Image]) -> list[str]:
        """Return the captions of at most `batch_size` RGB images of any size."""

    def caption_images(self, images: ImageSource | Sequence[ImageSource]) -> list[str]:
        """Return one caption for each whole image.

        Args:
            images: One image or a list of images; anything that :func:`zsris_viz.images.open_image` takes.

        Returns:
            The captions without white space around them, in the order of the images; "" if the model returns no text.
        """
        pictures = [open_image(image) for image in _listed(images)]
        for picture in pictures:
            self._warn_of_photograph(picture)
        keys = [self._key(image_fingerprint(picture), None, {}) for picture in pictures]
        return self._answer(keys, lambda wanted: [pictures[index] for index in wanted])

    def caption_regions(
        self,
        image: ImageSource,
        masks: Masks | torch.Tensor | np.ndarray,
        style: str = "blur",
        *,
        square: str = "none",
        margin: float = 0.0,
        sigma: float = SIGMA,
    ) -> list[str]:
        """Return one caption for each proposal of an image.

        Args:
            image: See :class:`~zsris_viz.methods.base.SceneFeatures`.
            masks: N proposals; see :class:`~zsris_viz.methods.base.SceneFeatures`.
            style: How a proposal is shown; see :func:`zsris_viz.captioning.regions.region_images`.
            square: See :func:`zsris_viz.captioning.regions.region_images`.
            margin: See :func:`zsris_viz.captioning.regions.region_images`.
            sigma: See :func:`zsris_viz.captioning.regions.region_images`.

        Returns:
            N captions; "" if the model returns no text, and for an empty mask, which the model does not process.

        Raises:
            InvalidInputError: An unknown style, or masks of another size than the image.
        """
        check_style(style, square, margin, sigma)
        picture = open_image(image)
        held = masks if isinstance(masks, Masks) else Masks.from_arrays(masks, size=picture.size[::-1])
        held.validate(picture)
        shown: dict[str, Any] = {"style": style, "square": square, "margin": float(margin)}
        if style == "blur":
            shown["sigma"] = float(sigma)
        self._warn_of_photograph(picture)
        fingerprint = image_fingerprint(picture)
        present = (held.areas > 0).nonzero()[:, 0].tolist()
        keys = [self._key(fingerprint, _mask_fingerprint(held.data[index]), shown) for index in present]

        def draw(wanted: list[int]) -> list[Image.Image]:
            chosen = held.select(torch.tensor([present[index] for index in wanted]))
            return region_images(picture, chosen, style, square=square, margin=margin, sigma=sigma)

        captions = [""] * len(held)
        for index, caption in zip(present, self._answer(keys, draw), strict=True):
            captions[index] = caption
        return captions

    def _warn_of_photograph(self, picture: Image.Image) -> None:
        if self.name == "miniature":
            warn_of_photograph(picture, "The miniature captioner", "captioner='git-base'", stacklevel=4)

    def _key(self, image: str, mask: str | None, shown: dict[str, Any]) -> str:
        return key_of(what="caption", version=VERSION, image=image, mask=mask, shown=shown, captioner=self.settings)

    def _answer(self, keys: list[str], draw: Any) -> list[str]:
        """Return the captions by key, from the cache if they are there; the others are generated once each."""
        found: dict[str, str] = {}
        for key in dict.fromkeys(keys):
            entry = self.cache.get(key) if self.cache is not None else None
            if entry is not None and isinstance(entry.get("caption"), str):
                found[key] = entry["caption"]
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        for start in range(0, len(missing), self.batch_size):
            part = missing[start : start + self.batch_size]
            pictures = draw([keys.index(key) for key in part])
            self.calls += len(pictures)
            for key, caption in zip(part, self._generate(pictures), strict=True):
                found[key] = " ".join(caption.split())
                if self.cache is not None:
                    self.cache.put(key, {"caption": found[key]})
        return [found[key] for key in keys]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, batch_size={self.batch_size}, cache={self.cache!r})"


def _cache(given: bool | DiskCache) -> DiskCache | None:
    if isinstance(given, DiskCache):
        return given
    if not isinstance(given, bool):
        raise InvalidTypeError(f"cache is {type(given).__name__}; give True, False, or a DiskCache(folder).")
    folder = cache_folder("captions") if given else None
    return None if folder is None else DiskCache(folder)


def _listed(images: Any) -> list[Any]:
    return list(images) if isinstance(images, (list, tuple)) else [images]


def _mask_fingerprint(mask: torch.Tensor) -> str:
    """Return a hash of the size and the pixels of an (H, W) bool mask."""
    packed = np.packbits(mask.cpu().numpy())
    return hashlib.sha256(f"{tuple(mask.shape)} ".encode() + packed.tobytes()).hexdigest()
