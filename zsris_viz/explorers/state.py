"""What every explorer's state starts from: an image, a model that is still there, proposals, a true mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.figures.pictures import as_mask
from zsris_viz.images import ImageSource, open_image
from zsris_viz.masks import Masks
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.texts import ExpressionParts
from zsris_viz.models.base import ImageTextModel
from zsris_viz.models.layered import LayeredModel, require_layers


def as_clip(clip: Any) -> ImageTextModel:
    """A model, or the one that `load_clip` has for a name.

    Raises:
        InvalidTypeError: neither. UnavailableError: a model without its weights.
    """
    if isinstance(clip, str):
        from zsris_viz.models import load_clip

        return load_clip(clip)
    if not isinstance(clip, ImageTextModel):
        raise InvalidTypeError(
            f"clip is {type(clip).__name__}; give a name or a loaded model, e.g. clip=load_clip('miniature')."
        )
    return loaded(clip)


def loaded(clip: ImageTextModel) -> ImageTextModel:
    """The model, if its weights are still in memory.

    Raises:
        UnavailableError: they are not: `clip.model` was deleted, set to None or moved to torch's "meta" device.
    """
    model = getattr(clip, "model", None)
    if model is None or next(model.parameters()).is_meta:  # the first stands for all: this is asked at every redraw
        raise UnavailableError(
            f"the weights of {clip.name!r} are not in memory any more; load the model again and make a new explorer: "
            f"clip=load_clip({clip.name!r})."
        )
    return clip


class ExplorerState:
    """An image under one model, without any widget; the explorers' states build on it.

    Args:
        image: anything :func:`zsris_viz.images.open_image` takes.
        clip: a model, or a name for `load_clip`.
        masks: proposals, or masks that the truth can be picked from by a click: what SceneFeatures takes; may be none.
        truth: (H, W) bool, the mask that is right; None if it is not known.
        parser: for expressions; by default the package's own, loaded when it is needed.

    Raises:
        InvalidInputError, InvalidTypeError, UnavailableError: what cannot be used.
    """

    def __init__(
        self, image: ImageSource, clip: Any, masks: Any = (), *, truth: Any = None, parser: Any = None
    ) -> None:
        self._clip: ImageTextModel | None = as_clip(clip)
        self._scene: SceneFeatures | None = SceneFeatures(
            open_image(image), [] if masks is None else masks, self._clip, parser=parser
        )
        self.truth: np.ndarray | None = None
        self.set_truth(truth)

    @property
    def clip(self) -> ImageTextModel:
        """The model. Raises UnavailableError after `close`, or when its weights are gone."""
        if self._clip is None:
            raise UnavailableError("this explorer was closed; make a new one.")
        return loaded(self._clip)

    @property
    def layered(self) -> LayeredModel:
        """The model, if its layers are accessible; UnavailableError if they are not."""
        return require_layers(self.clip, "This explorer")

    @property
    def scene(self) -> SceneFeatures:
        """Image, masks and features. Raises UnavailableError after `close`, or when the model's weights are gone."""
        self.clip  # noqa: B018 - a scene without its model would answer from its cache only
        assert self._scene is not None
        return self._scene

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)"""
        return self.scene.size

    def set_truth(self, truth: Any) -> None:
        """Take another mask, (H, W) bool of the image's size, as the right one; None for unknown.

        Raises:
            InvalidInputError: another size, or a mask without a pixel.
        """
        if truth is None:
            self.truth = None
            return
        mask = as_mask(truth)
        if mask.shape != self.size:
            raise InvalidInputError(
                f"truth is a mask of {mask.shape[0]} x {mask.shape[1]} pixels, the image has {self.size[0]} x "
                f"{self.size[1]}; give a mask of the image's size."
            )
        if not mask.any():
            raise InvalidInputError("truth is a mask without a pixel; give the object's mask, or truth=None.")
        self.truth = mask

    def mask_at(self, x: float, y: float) -> int | None:
        """Number of the smallest mask at a place of the image, x and y from 0 to 1; None where there is none."""
        return smallest_at(self.scene.masks, x, y)

    def iou(self, mask: Any) -> float | None:
        """IoU of a mask (H, W) with the truth, 0-1; None without truth."""
        if self.truth is None:
            return None
        inside = as_mask(mask)
        together = int(np.count_nonzero(inside & self.truth))
        return together / max(1, int(np.count_nonzero(inside | self.truth)))

    def close(self) -> None:
        """Let go of model, image and features; every later question raises UnavailableError."""
        self._clip = self._scene = None


def smallest_at(masks: Masks, x: float, y: float) -> int | None:
    """See :meth:`ExplorerState.mask_at`."""
    height, width = masks.size
    row, column = min(height - 1, int(y * height)), min(width - 1, int(x * width))
    found = masks.data[:, row, column].nonzero()[:, 0]
    return int(found[masks.areas[found].argmin()]) if len(found) else None


def propose(image: ImageSource, proposals: Any) -> Masks:
    """Masks of an image: those given, or what a source by name finds.

    Args:
        proposals: a name for `load_proposals`, a Proposer, or masks of the image's size.

    Raises:
        InvalidInputError: an unknown source, masks of another size, or none at all.
    """
    from zsris_viz.proposals import load_proposals
    from zsris_viz.proposals.base import Proposer

    picture = open_image(image)
    if isinstance(proposals, (str, Proposer)):
        masks, source = load_proposals(proposals).propose(picture), str(getattr(proposals, "name", proposals))
    else:
        masks = proposals if isinstance(proposals, Masks) else Masks.from_arrays(proposals, size=picture.size[::-1])
        masks, source = masks.validate(picture), "given"
    if not len(masks.nonempty()):
        raise InvalidInputError(
            f"there is no proposal to choose among ({source}): give masks with pixels, or a source that finds some, "
            "e.g. proposals='felzenszwalb'."
        )
    return masks


def checked_text(expression: Any) -> str:
    """An expression's text; InvalidInputError if it is empty, InvalidTypeError if it is no text."""
    return ExpressionParts(expression).text


def one_of(value: Any, accepted: Any, name: str) -> Any:
    """`value`, if it is one of the accepted ones; InvalidInputError otherwise."""
    if value not in accepted:
        raise InvalidInputError(f"{name}={value!r} is unknown; use one of {', '.join(map(str, accepted))}.")
    return value


def in_range(value: Any, first: int, last: int, name: str) -> int:
    """A whole number from `first` to `last`; InvalidTypeError or InvalidInputError otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InvalidTypeError(f"{name}={value!r} was given; it is a whole number.")
    if not first <= value <= last:
        raise InvalidInputError(f"{name} {value} does not exist; there are {first} to {last}.")
    return int(value)


def ends(values: torch.Tensor | np.ndarray) -> tuple[float, float]:
    """Smallest and largest finite value; (0, 0) if there is none."""
    array = np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values, dtype=np.float64)
    finite = array[np.isfinite(array)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
