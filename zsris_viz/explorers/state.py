"""The common state of all explorers: an image, a model whose weights are in memory, proposals, and a ground truth."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.figures.outlines import as_mask
from zsris_viz.images import ImageSource, open_image
from zsris_viz.masks import Masks
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.miniature.world.render import DRAWN
from zsris_viz.models.base import ImageTextModel
from zsris_viz.models.layered import LayeredModel, require_layers
from zsris_viz.proposals.base import WORKING_SIDE

BATCH = 8  # crops or masked copies at once: a count moves and a cancelled computation ends after each
Scene = ImageSource | SceneFeatures
MINIATURE = (
    "The built-in miniature model was trained on drawn scenes only: its results on a photograph are meaningless. "
    "Load another model, for example clip='openai/clip-vit-base-patch16'."
)


def as_model(clip: str | ImageTextModel) -> ImageTextModel:
    """Return a model, loaded if only its name was given.

    Args:
        clip: A model, or a name for `load_clip`.

    Raises:
        InvalidTypeError: `clip` is neither.
        UnavailableError: The weights of the model are not in memory any more.
    """
    if isinstance(clip, str):
        from zsris_viz.models import load_clip

        return load_clip(clip)
    if not isinstance(clip, ImageTextModel):
        raise InvalidTypeError(
            f"clip is {type(clip).__name__}; give a name or a loaded model, e.g. clip=load_clip('miniature')."
        )
    return check_weights(clip)


def check_weights(clip: ImageTextModel) -> ImageTextModel:
    """Return the model if its weights are still in memory.

    Raises:
        UnavailableError: `clip.model` was deleted, set to None or moved to torch's "meta" device.
    """
    model = getattr(clip, "model", None)
    if model is None or next(model.parameters()).is_meta:  # the first stands for all: this is checked at every redraw
        raise UnavailableError(
            f"the weights of {clip.name!r} are not in memory any more; load the model again and make a new explorer: "
            f"clip=load_clip({clip.name!r})."
        )
    return clip


class ExplorerState:
    """The state of an explorer, without any widget: an image, a model and masks; base class of all states.

    Args:
        image: Anything :func:`zsris_viz.images.open_image` takes; or SceneFeatures, whose image, masks, model and
            features are then shared.
        clip: A model, or a name for `load_clip`.
        masks: Proposals, or masks that the truth can be chosen from by a click: what SceneFeatures takes; may be none.
        truth: (H, W) bool, the ground truth; None if it is not known.
        parser: For expressions; by default the package's own, loaded when it is needed.

    Attributes:
        truth: (H, W) bool, or None.
        progress: Function that takes a text, the number of finished parts and that of all parts, or None.

    Raises:
        InvalidInputError: A mask or an image that cannot be used.
        InvalidTypeError: An argument of another type.
        UnavailableError: The model's weights are not in memory.
    """

    progress: Callable[[str, int, int], None] | None = None

    def __init__(
        self, image: Scene, clip: str | ImageTextModel, masks: Any = (), *, truth: Any = None, parser: Any = None
    ) -> None:
        if isinstance(image, SceneFeatures):
            self._clip: ImageTextModel | None = check_weights(image.clip)
            self._scene: SceneFeatures | None = image
        else:
            self._clip = as_model(clip)
            proposals = [] if masks is None else masks
            self._scene = SceneFeatures(open_image(image), proposals, self._clip, parser=parser, batch_size=BATCH)
        self.truth: np.ndarray | None = None
        self.set_truth(truth)

    @property
    def clip(self) -> ImageTextModel:
        """Return the model.

        Raises:
            UnavailableError: After `close`, or when its weights are not in memory any more.
        """
        if self._clip is None:
            raise UnavailableError("this explorer was closed; make a new one.")
        return check_weights(self._clip)

    @property
    def layered(self) -> LayeredModel:
        """Return the model, if its layers are accessible.

        Raises:
            UnavailableError: The layers are not accessible.
        """
        return require_layers(self.clip, "This explorer")

    @property
    def scene(self) -> SceneFeatures:
        """Return image, masks and features.

        Raises:
            UnavailableError: After `close`, or when the model's weights are not in memory any more.
        """
        self.clip  # noqa: B018 - a scene without its model would answer from its cache only
        assert self._scene is not None
        return self._scene

    @property
    def size(self) -> tuple[int, int]:
        """Return the height and width of the image in pixels."""
        return self.scene.size

    @property
    def badge(self) -> str:
        """Return a warning that belongs beside every result; empty where there is none.

        The built-in miniature models were trained on drawn scenes only, and are as confident on a photograph.
        """
        drawn = self.scene.image.info.get("source") == DRAWN
        return "" if drawn or not self.clip.name.startswith("miniature") else MINIATURE

    def report_to(self, progress: Callable[[str, int, int], None] | None) -> None:
        """Let computations over the proposals report to `progress`; None ends the reports."""
        self.progress = progress
        if self._scene is not None:
            self._scene.progress = self._advance

    def _advance(self, text: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(text, done, total)

    def set(self, **changes: Any) -> None:
        """Change settings: all of them, or none if one is wrong.

        Raises:
            InvalidInputError: A value that is not accepted.
        """
        raise NotImplementedError

    def set_truth(self, truth: Any) -> None:
        """Set the ground truth.

        Args:
            truth: (H, W) bool of the image's size; None for unknown.

        Raises:
            InvalidInputError: A mask of another size, or without a pixel.
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

    def iou(self, mask: Any) -> float | None:
        """Return the IoU of a mask, (H, W), with the ground truth, 0-1; None without one."""
        if self.truth is None:
            return None
        inside = as_mask(mask)
        together = int(np.count_nonzero(inside & self.truth))
        return together / max(1, int(np.count_nonzero(inside | self.truth)))

    def close(self) -> None:
        """Release model, image and features; every later use raises UnavailableError."""
        self._clip = self._scene = None


def propose(image: Scene, proposals: Any) -> Masks:
    """Return the masks of an image: those that were given, or those that a source finds.

    Args:
        image: An image, or SceneFeatures, whose masks are returned.
        proposals: A name for `load_proposals`, a Proposer, or masks of the image's size.

    Raises:
        InvalidInputError: An unknown source, masks of another size, or none at all.
    """
    if isinstance(image, SceneFeatures):
        return image.masks
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


def shrink(image: ImageSource) -> Image.Image:
    """Return an image of at most `WORKING_SIDE` pixels a side, with a warning if it had to be made smaller.

    A model reads a few hundred pixels a side, and 80 masks of a photograph of 12 megapixels alone take a gigabyte.
    """
    picture = open_image(image)
    if max(picture.size) <= WORKING_SIDE:
        return picture
    small = picture.copy()
    small.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.LANCZOS)
    warnings.warn(
        f"The image of {picture.width} x {picture.height} pixels was made smaller: {small.width} x {small.height}.",
        ZsrisWarning,
        stacklevel=2,
    )
    return small


def check_text(expression: Any) -> str:
    """Return the text of an expression.

    Raises:
        InvalidInputError: The text is empty.
        InvalidTypeError: It is not a text.
    """
    return ExpressionParts(expression).text


def check_choice(value: Any, accepted: Any, name: str) -> Any:
    """Return `value` if it is one of the accepted ones.

    Raises:
        InvalidInputError: It is not.
    """
    if value not in accepted:
        raise InvalidInputError(f"{name}={value!r} is unknown; use one of {', '.join(map(str, accepted))}.")
    return value


def check_range(value: Any, first: int, last: int, name: str) -> int:
    """Return `value` if it is a whole number from `first` to `last`.

    Raises:
        InvalidTypeError: It is not a whole number.
        InvalidInputError: It is outside the range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InvalidTypeError(f"{name}={value!r} was given; it is a whole number.")
    if not first <= value <= last:
        raise InvalidInputError(f"{name} {value} does not exist; there are {first} to {last}.")
    return int(value)
