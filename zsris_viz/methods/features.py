"""Features that depend on an image and its proposals but not on the expression, computed once for all methods."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.images import ImageSource, open_image
from zsris_viz.masks import Masks
from zsris_viz.methods.crops import CropCutter, CropVariant, build_crops
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.methods.texts import TextCache
from zsris_viz.methods.vit_forward import require_rn
from zsris_viz.models.base import ImageTextModel, check_batch_size
from zsris_viz.models.layered import LayeredModel, require_layers
from zsris_viz.models.preprocessing import Preprocess, get_preprocess
from zsris_viz.models.resnet import CPU_BATCH, ResNetClip
from zsris_viz.models.trace import Trace

if TYPE_CHECKING:
    from zsris_viz.captioning.base import Captioner

PreprocessLike = str | Preprocess | None
#: Size in bytes of the widest activation of a ViT's batch on a CPU; batches twice as large are 2 % faster at most.
CPU_BYTES = 5_000_000


class SceneFeatures:
    """An image with its proposals and a model; features are computed on first use and kept.

    Methods share the features of a scene. For any number of methods and expressions, the model processes the image only
    once for each preprocessing, the crops once for each kind of crop, and each distinct text once.

    Args:
        image: Anything that :func:`zsris_viz.images.open_image` accepts.
        masks: The proposals at the size of the image: Masks, an (N, H, W) array or tensor, or a list of (H, W) arrays,
            which may be empty.
        clip: The model.
        parser: A Parser for expressions whose parts are not given; None for the default parser, loaded when needed.
        captioner: A Captioner, or a name for `load_captioner`, for the methods that use captions; None for the
            miniature captioner, loaded when needed.
        batch_size: Largest number of crops, or of masked copies of the image, in a batch. It is reduced on a CPU, where
            larger batches are no faster and need more memory.
        preprocess: Preprocessing for methods that do not specify one; None for `clip.preprocess`.
        texts: A TextCache of the same model, to share text features between images.

    Attributes:
        image: The RGB image.
        masks: The proposals on the CPU.
        size: (H, W) of the image, pixels.
        clip: The model.
        parser: The parser, or None.
        captioner: The captioner, its name, or None.
        batch_size: Largest number of crops, or of masked copies of the image, in a batch.
        texts: The TextCache.
        progress: Function that is called with a text, the number of finished proposals and their total; None for no
            reports.
        results: Results of the functions that are decorated with `once_per_scene`.

    Raises:
        InvalidInputError: The masks differ from the image in size, the preprocessing is unknown, or the TextCache
            belongs to another model.
        InvalidTypeError: `clip` is not a model.
    """

    def __init__(
        self,
        image: ImageSource,
        masks: Masks | Tensor | np.ndarray | Sequence[np.ndarray],
        clip: ImageTextModel,
        *,
        parser: Any = None,
        captioner: Any = None,
        batch_size: int = 64,
        preprocess: PreprocessLike = None,
        texts: TextCache | None = None,
    ) -> None:
        if not isinstance(clip, ImageTextModel):
            raise InvalidTypeError(
                f"clip is {type(clip).__name__}; give a model: SceneFeatures(image, masks, load_clip('miniature'))."
            )
        if texts is not None and texts.clip is not clip:
            raise InvalidInputError("texts is the cache of another model; make one with TextCache(clip).")
        self.image = open_image(image)
        self.size = (self.image.height, self.image.width)
        proposals = masks if isinstance(masks, Masks) else Masks.from_arrays(masks, size=self.size)
        self.masks = proposals.validate(self.size).to("cpu")
        self.clip = clip
        self.parser = parser
        self.captioner = captioner
        self.batch_size = min(check_batch_size(batch_size), _largest_batch(clip))
        self.texts = TextCache(clip) if texts is None else texts
        self.progress: Callable[[str, int, int], None] | None = None
        self._preprocess = clip.preprocess if preprocess is None else get_preprocess(preprocess, clip.image_size)
        self.results: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        """Return the number of proposals."""
        return len(self.masks)

    def __repr__(self) -> str:
        height, width = self.size
        return f"SceneFeatures({len(self)} proposals on {height} x {width} pixels, {self.clip.name!r})"

    @property
    def empty(self) -> Tensor:
        """Return which proposals have no pixels, a tensor (N,) of bool."""
        return self.masks.areas == 0

    def report_progress(self, text: str, done: int, total: int) -> None:
        """Report the progress of a computation over the proposals; `progress` may raise an exception to stop it."""
        if self.progress is not None:
            self.progress(text, done, total)

    def load_parser(self) -> Any:
        """Return the parser of the scene; if it has none, load the default parser and keep it."""
        if self.parser is None:
            from zsris_viz.language import load_parser

            self.parser = load_parser()
        return self.parser

    @property
    def layered(self) -> LayeredModel:
        """Return the model after a check that its layers are accessible.

        Raises:
            UnavailableError: The model does not give access to its layers.
        """
        return require_layers(self.clip, "This computation")

    # -- captions

    def load_captioner(self) -> Captioner:
        """Return the captioner of the scene; if it has none, load the miniature captioner and keep it.

        The miniature captioner was trained on drawn scenes only. A warning is therefore issued if the model is not a
        miniature one.
        """
        from zsris_viz.captioning import load_captioner, shared_captioner

        if self.captioner is None:
            if not self.clip.name.startswith("miniature"):
                warnings.warn(
                    "No captioner was given, so the miniature one is used, which was trained on drawn scenes only. "
                    'For photographs give captioner=load_captioner("blip2-opt-2.7b").',
                    ZsrisWarning,
                    stacklevel=3,
                )
            self.captioner = shared_captioner("miniature")
        elif isinstance(self.captioner, str):
            self.captioner = shared_captioner(self.captioner)
        return load_captioner(self.captioner)

    # -- the whole image

    def preprocess(self, preset: PreprocessLike = None, size: int | None = None) -> Preprocess:
        """Return the preprocessing of the scene or a preset, for the input size of the tower or another size."""
        return get_preprocess(self._preprocess if preset is None else preset, size or self.clip.image_size)

    def pixels(self, preset: PreprocessLike = None, size: int | None = None) -> Tensor:
        """Return the image as input of the tower, a tensor (1, 3, S, S) of float32."""
        return self._pixels(self.preprocess(preset, size))

    @once_per_scene
    def _pixels(self, preprocess: Preprocess) -> Tensor:
        return preprocess.image(self.image)[None]

    def trace(self, preset: PreprocessLike = None, size: int | None = None) -> Trace:
        """Return all layers of the image tower without attention weights, computed once for each preprocessing.

        Raises:
            InvalidInputError: The preprocessing crops the image, so that masks would not match the tokens.
        """
        preprocess = self.preprocess(preset, size)
        if preprocess.resize != "squash":
            raise InvalidInputError(
                f"the preprocessing {preprocess.name!r} crops the image, so masks would not fit its tokens; use "
                "'clip', which squashes it."
            )
        return self._trace(preprocess)

    @once_per_scene
    def _trace(self, preprocess: Preprocess) -> Trace:
        return self.layered.trace_image(self._pixels(preprocess), attentions=False)

    def image_feature(self, preset: PreprocessLike = None) -> Tensor:
        """Return the feature of the whole image in the joint space, a tensor (1, D) of float32, not normalised."""
        return self._image_feature(self.preprocess(preset))

    @once_per_scene
    def _image_feature(self, preprocess: Preprocess) -> Tensor:
        if self.clip.kind == "rn":
            return require_rn(self.clip, "A map before attention pooling").pool(self.feature_map(preprocess))
        return self.layered.project(self.trace(preprocess).cls(-1))

    def feature_map(self, preset: PreprocessLike = None) -> Tensor:
        """Return the feature map of an RN before attention pooling, a tensor (1, C, g, g).

        Raises:
            UnavailableError: The model is a ViT, which has no such map.
        """
        if self.clip.kind != "rn":
            raise UnavailableError(
                f"{self.clip.name!r} is a ViT, without a map before attention pooling; use trace() and its patches."
            )
        return self.trace(preset).map(-1)

    # -- the proposals

    def grid_masks(
        self, *, keep_one: bool = True, antialias: bool = False, grid: tuple[int, int] | None = None
    ) -> Tensor:
        """Return the share of each cell of the token grid that a mask covers.

        Args:
            keep_one: Whether a mask that vanishes on the grid keeps its largest cell.
            antialias: Whether masks are resized with antialiasing.
            grid: Rows and columns of the grid; None for the grid of the tower.

        Returns:
            Tensor (N, rows, columns) of float32, 0-1, on the device of the tower.
        """
        return self._grid_masks(keep_one, antialias, grid or self.layered.grid)

    @once_per_scene
    def _grid_masks(self, keep_one: bool, antialias: bool, grid: tuple[int, int]) -> Tensor:
        return self.masks.to_grid(*grid, keep_one=keep_one, antialias=antialias).to(self.clip.device)

    def crops(self, variant: CropVariant | None = None, preset: PreprocessLike = None) -> Tensor:
        """Return all crops as inputs of the tower, a tensor (N, 3, S, S) of float32 on the CPU, which is not kept."""
        return build_crops(self.image, self.masks, variant or CropVariant(), self.preprocess(preset))

    def crop_features(self, variant: CropVariant | None = None, preset: PreprocessLike = None) -> Tensor:
        """Return the features of the crops, a tensor (N, D) of float32, not normalised; zeros for an empty mask."""
        return self._crop_features(variant or CropVariant(), self.preprocess(preset))

    @once_per_scene
    def _crop_features(self, variant: CropVariant, preprocess: Preprocess) -> Tensor:
        features = torch.zeros(len(self), self.clip.embed_dim, device=self.clip.device)
        present = (~self.empty).nonzero()[:, 0]
        done, cutter = 0, CropCutter(self.image, variant, preprocess)
        for rows in present.split(self.batch_size):  # only the crops of one batch are in memory at a time
            self.report_progress("crops", done, len(present))
            crops = cutter.cut(self.masks.select(rows))
            features[rows] = self.clip.embed_images(crops, batch_size=self.batch_size, crops=True)
            done += len(rows)
        return features

    # -- texts

    def text(self, text: str) -> Tensor:
        """Return the feature of a text, a tensor (D,) of float32, not normalised."""
        return self.texts.features([text])[0]

    def text_features(self, texts: Sequence[str]) -> Tensor:
        """Return the features of texts, (n, D) of float32, not normalised; each distinct text is embedded once."""
        return self.texts.features(texts)


def _largest_batch(clip: ImageTextModel) -> int:
    """Return the largest useful batch: on a CPU, the number of images whose widest activations take `CPU_BYTES`."""
    if clip.device.type == "cpu" and isinstance(clip, ResNetClip):
        return CPU_BATCH
    if clip.device.type != "cpu" or not isinstance(clip, LayeredModel):
        return sys.maxsize
    image_bytes = (1 + math.prod(clip.grid)) * 4 * clip.width * clip.compute_dtype.itemsize
    return max(1, CPU_BYTES // image_bytes)
