"""Captioners without a model, between which every captioner lies: always right, and always empty."""

from __future__ import annotations

from typing import Any

from PIL import Image

from zsris_viz.captioning.base import Captioner
from zsris_viz.errors import UnavailableError
from zsris_viz.images import ImageSource, open_image
from zsris_viz.io.cache import image_fingerprint
from zsris_viz.masks import Masks
from zsris_viz.miniature.world.dataset import Scenes
from zsris_viz.miniature.world.layout import SceneObject

MIN_OVERLAP = 0.3  # IoU with an object below which a mask shows the background
BACKGROUND = "a plain background"


def describe_object(item: SceneObject) -> str:
    """Return an object in words, such as "a red cat" or "a man in a blue shirt"."""
    article = "an" if item.colour[0] in "aeiou" else "a"
    coloured = f"{article} {item.colour} {item.clothes if item.is_person else item.noun}"
    return f"a {item.noun} in {coloured}" if item.is_person and item.clothes else coloured


class KnownCaptions(Captioner):
    """Describe drawn scenes from their layout: the upper end of what a captioner can do.

    A region is described by the object that its mask overlaps most, and the whole image by all its objects from left to
    right.

    Args:
        data: The scenes; every image that is described must be one of them.
    """

    def __init__(self, data: Scenes) -> None:
        super().__init__("known captions", cache=False)
        self._data = data
        self._index: dict[str, int] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """Return what the captions depend on."""
        return {"name": self.name, "world": self._data.version}

    def _generate(self, images: list[Image.Image]) -> list[str]:
        raise UnavailableError(f"{self.name} describes regions and whole images of its scenes only.")

    def _find(self, image: ImageSource) -> int:
        if not self._index:
            self._index = {image_fingerprint(self._data[i].image): i for i in range(len(self._data))}
        found = self._index.get(image_fingerprint(open_image(image)))
        if found is None:
            raise UnavailableError(f"{self.name} was made for other images; give it the dataset of this image.")
        return found

    def caption_images(self, images: Any) -> list[str]:
        """Return a caption for each whole image, see `Captioner.caption_images`."""
        captions = []
        for image in images if isinstance(images, (list, tuple)) else [images]:
            objects = sorted(self._data.layout(self._find(image)).objects, key=lambda item: item.centre[0])
            captions.append(" and ".join(map(describe_object, objects)))
        return captions

    def caption_regions(self, image: ImageSource, masks: Any, style: str = "blur", **options: Any) -> list[str]:
        """Return a caption for each proposal, see `Captioner.caption_regions`; how it is shown plays no part."""
        index = self._find(image)
        objects = self._data.layout(index).objects
        regions = masks if isinstance(masks, Masks) else Masks.from_arrays(masks)
        overlap, owner = regions.iou(self._data[index].instances).max(dim=1)
        return [
            describe_object(objects[number]) if share > MIN_OVERLAP else BACKGROUND
            for share, number in zip(overlap.tolist(), owner.tolist(), strict=True)
        ]


class EmptyCaptions(Captioner):
    """Return an empty caption for everything: the lower end of what a captioner can do."""

    def __init__(self) -> None:
        super().__init__("empty captions", cache=False)

    @property
    def settings(self) -> dict[str, Any]:
        """Return what the captions depend on."""
        return {"name": self.name}

    def _generate(self, images: list[Image.Image]) -> list[str]:
        return [""] * len(images)
