"""Segmentation in one line: from an image and an expression to a mask, with the evidence for it."""

from __future__ import annotations

import base64
import html
import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import torch
from PIL import Image

from zsris_viz.errors import InvalidInputError, ZsrisWarning
from zsris_viz.images import ImageSource, open_image
from zsris_viz.io.atomic import atomic_path
from zsris_viz.masks import Masks
from zsris_viz.methods import get_method
from zsris_viz.methods.base import Method, Prediction, Ranking, SceneFeatures
from zsris_viz.methods.expression_parts import ExpressionParts, KnownParts, PartSource
from zsris_viz.miniature.photographs import warn_of_photograph
from zsris_viz.models.base import ImageTextModel
from zsris_viz.proposals import load_proposals
from zsris_viz.proposals.base import Proposer
from zsris_viz.proposals.working_size import Proposals, enlarge, propose_at_working_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsris_viz.datasets.types import Expression
    from zsris_viz.models.loading import StateDictKind

COLOUR = (213, 94, 0)  # of the chosen mask, as in the figures


@dataclass(frozen=True, repr=False)
class Segmentation:
    """The result of `segment`.

    Attributes:
        image: The whole image, RGB.
        mask: (H, W) bool array of the image's size; all False if nothing was found.
        prediction: What the method returned, at the working size: its mask and evidence, and for a method that ranks
            proposals their scores and the chosen one.
        scene: The image at the working size with the proposals and their features.
        proposals: Source of the proposals.
        note: Note on the model that was used, and what can be expected of it.
    """

    image: Image.Image
    mask: np.ndarray
    prediction: Prediction
    scene: SceneFeatures
    proposals: str
    note: str

    @property
    def expression(self) -> str:
        """The expression."""
        return self.prediction.expression

    def plot(self, ax: Axes | None = None, *, top: int = 5) -> Figure:
        """Draw the chosen mask on the image, with the `top` best proposals beside it; `ax` takes the mask alone."""
        from zsris_viz.figures import (
            add_mask,
            show_image,
            show_ranking,
        )  # only drawings need the figures, which are slow to import

        if ax is None:
            return show_ranking(self.scene, self.prediction, top=top)
        show_image(ax, self.image, f'"{self.expression}"')
        if self.mask.any():
            add_mask(ax, self.mask, "#{:02x}{:02x}{:02x}".format(*COLOUR), line=1.2)
        return ax.figure  # type: ignore[return-value]

    def overlay(self) -> Image.Image:
        """Return the image with everything outside the mask faded and the outline drawn; unchanged without a mask."""
        if not self.mask.any():
            return self.image.copy()
        from scipy.ndimage import maximum_filter

        inside = Image.fromarray(self.mask.astype(np.uint8) * 255)
        grey = Image.blend(self.image.convert("L").convert("RGB"), Image.new("RGB", self.image.size, "white"), 0.5)
        picture = Image.composite(self.image, grey, inside)
        width = 2 * max(1, max(self.image.size) // 400) + 1
        grown = maximum_filter(self.mask, size=width)  # separable, unlike Pillow's: 0.1 s instead of 8 s for 12 MP
        outline = Image.fromarray((grown & ~self.mask).astype(np.uint8) * 255)
        picture.paste(COLOUR, mask=outline)
        return picture

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the overlay as an image, by default PNG; the folder must exist.

        Raises:
            InvalidInputError: no such folder, or a suffix that Pillow cannot write.
        """
        target = Path(path)
        target = target if target.suffix else target.with_suffix(".png")
        if not target.parent.is_dir():
            raise InvalidInputError(f"The folder {target.parent} does not exist; make it first, or give another path.")
        kind = Image.registered_extensions().get(target.suffix.lower())
        if kind is None:
            raise InvalidInputError(f"Pillow cannot write {target.suffix!r}; give a path that ends in .png or .jpg.")
        with atomic_path(target, sync=False) as temporary:
            # PNG: a third of the default level's time, and no larger. Other formats ignore the level.
            self.overlay().save(temporary, format=kind, compress_level=3)
        return target

    def __repr__(self) -> str:
        share = f"{100 * self.mask.mean():.1f} % of the image"
        return f"Segmentation({self.expression!r}: {self.prediction.describe()}, {share}). {self.note}"

    def _repr_png_(self) -> bytes:
        """Return the overlay, at most 800 pixels wide, for Jupyter."""
        picture = self.overlay()
        picture.thumbnail((800, 800))
        buffer = io.BytesIO()
        picture.save(buffer, "png")
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        """Return the overlay with the expression and the note below it, for Jupyter."""
        encoded = base64.b64encode(self._repr_png_()).decode()
        words = html.escape(self.expression[:300])
        return (
            f'<figure style="margin:0"><img alt="{words}" src="data:image/png;base64,{encoded}">'
            f"<figcaption><b>{words}</b><br><small>{html.escape(self.note)}</small></figcaption></figure>"
        )


def segment(
    image: ImageSource,
    expression: str | Expression,
    method: str | Method = "global-local",
    clip: str | ImageTextModel = "miniature",
    proposals: str | Proposals = "felzenszwalb",
    *,
    preset: str = "default",
    parts: PartSource = "parser",
    parser: Any = None,
    captioner: Any = None,
    preprocess: Any = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    kind: StateDictKind | None = None,
    batch_size: int = 64,
    max_side: int | None = 1024,
    **known: Unpack[KnownParts],
) -> Segmentation:
    """Segment the object in an image that an expression refers to.

    The models behind the methods read English. Text in another language is no error: CLIP's tokens spell it out byte
    by byte, and the choice is close to a guess. A text that is longer than the model's context (CLIP: 77 tokens, some
    50 words) is cut, with a warning that says what was lost.

    Args:
        image: Path, PIL image, array or tensor, see :func:`zsris_viz.images.open_image`.
        expression: Text, for example "the dog on the left", or an Expression of a dataset.
        method: Name (`list_methods()`) or a Method.
        clip: Model, or a name for `load_clip`; a loaded model saves time from the second call on.
        proposals: Name for `load_proposals`, a Proposer, or masks of the image's size: Masks, an (N, H, W) array or
            tensor, or a list of (H, W) arrays.
        preset: "default" or "official", of a method given by name.
        parts: Source of the parts of the expression that are not known: "parser", or "gold" for the noun phrase,
            direction and so on of an Expression.
        parser: Parser for methods that need one; None for the default parser.
        captioner: Captioner, or its name, for methods that need one; None for the miniature captioner.
        preprocess: Preprocessing for methods that do not specify one; None for `clip.preprocess`.
        device: Device of a model and of proposals given by name; None for CUDA if present, else the CPU.
        dtype: Number format of a model given by name; None for float32.
        kind: Training of a state dict in OpenAI's layout, as for `load_clip`.
        batch_size: Largest number of crops, or of masked copies of the image, in a batch.
        max_side: Longest side in pixels at which a larger image is processed; its mask is enlarged again. None for
            no limit. Without effect if masks are given.
        **known: Known parts of the expression, and texts of its image for methods that use captions: `noun_phrase`,
            `head`, `context_tokens`, `direction`, `relation`, `relation_object`, `captions`, `image_caption` and
            `negatives`, see :class:`~zsris_viz.methods.expression_parts.KnownParts`.

    Returns:
        A Segmentation: `.mask`, `.prediction`, `.plot()`, `.save(path)`. If nothing was found, `.mask` is all False and
        a warning says why.

    Raises:
        InvalidInputError: an empty expression, an unknown name, masks of another size.
        CorruptFileError: a damaged image.
        UnavailableError: a model that is not there, or a method that cannot use its kind of tower.
    """
    ExpressionParts(expression, known, source=parts)  # refuses an empty expression before anything is loaded
    picture = open_image(image)
    chooser = get_method(method, preset) if isinstance(method, str) else method
    source = load_proposals(proposals, device=device) if isinstance(proposals, str) else proposals
    named = isinstance(source, Proposer) and source.knows_samples  # a file of proposals may know an image by its name
    working, masks = propose_at_working_size(image if named else picture, source, max_side=max_side)
    if isinstance(clip, ImageTextModel):
        model = clip
    else:
        from zsris_viz.models import load_clip

        model = load_clip(clip, device=device, dtype=dtype, kind=kind)
    if str(model.name).startswith("miniature"):
        warn_of_photograph(picture, "The miniature CLIP", "clip='openai/clip-vit-base-patch16'")
    scene = SceneFeatures(
        working, masks, model, parser=parser, captioner=captioner, batch_size=batch_size, preprocess=preprocess
    )
    prediction = chooser.predict(scene, expression, parts=parts, **known)
    mask = enlarge(prediction.mask[None].cpu(), picture.height, picture.width)[0].numpy().copy()
    origin = masks.source or "given masks"
    if not mask.any():
        _warn_of_nothing(prediction, masks)
    return Segmentation(picture, mask, prediction, scene, origin, _note(model, chooser, origin))


def _warn_of_nothing(prediction: Prediction, masks: Masks) -> None:
    if not isinstance(prediction, Ranking):
        reason, remedy = "no pixel fits the expression", "Write the expression in other words"
    elif len(masks):
        reason, remedy = f"all {len(masks)} proposals are empty masks", "Give masks with pixels"
    else:
        reason = f"{masks.source or 'the given list'} has no proposal for this image"
        remedy = "Give masks, or accept smaller ones: proposals=load_proposals('felzenszwalb', min_share=0.0005)"
    warnings.warn(f"The predicted mask is empty, since {reason}. {remedy}.", ZsrisWarning, stacklevel=3)


def _note(clip: ImageTextModel, method: Method, source: str) -> str:
    """Return a note on the model and the source of the masks; built-in models were trained on drawn scenes only."""
    used = f"Model {clip.name}, method {method.name}, masks: {source}."
    if not str(clip.name).startswith("miniature"):
        if source.removesuffix("+filter") == "sam":
            return (
                f"{used} The built-in miniature SAM was trained on drawn scenes only: its masks of a photograph are "
                "meaningless. For photographs: proposals='sam-vit-h' or 'felzenszwalb'."
            )
        return used
    return (
        f"{used} The built-in miniature was trained on drawn scenes only: its choice in a photograph is meaningless. "
        "For photographs: clip='openai/clip-vit-base-patch16'."
    )
