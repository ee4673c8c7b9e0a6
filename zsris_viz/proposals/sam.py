"""Proposals by SAM's automatic mask generation, with the published checkpoints or the built-in miniature."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.images import ImageSource, open_image
from zsris_viz.masks import Masks
from zsris_viz.models.checkpoints import check_finite, load_state_dict
from zsris_viz.models.devices import resolve_device
from zsris_viz.proposals.base import WORKING_SIDE, Proposer
from zsris_viz.proposals.sam_checkpoint import MINIATURE, build_sam, find_weights, kind_of, published
from zsris_viz.proposals.working_size import enlarge, shrink

if TYPE_CHECKING:
    from PIL import Image

#: The settings of TAS, section 4.1; all others are the defaults of segment-anything.
PAPER: dict[str, Any] = {
    "points_per_side": 8, "pred_iou_thresh": 0.7, "stability_score_thresh": 0.7, "min_mask_region_area": 800,
}  # fmt: skip
#: For drawn scenes: more points, since a grid of eight misses small objects; lower thresholds, since the outlines of a
#: small model are less sharp (chosen on scenes of the training split); no smallest area, since small objects have fewer
#: than 800 pixels there.
FOR_MINIATURE: dict[str, Any] = {
    "points_per_side": 16, "pred_iou_thresh": 0.6, "stability_score_thresh": 0.3, "min_mask_region_area": 0,
}  # fmt: skip
BATCH_PIXELS = 2**25  # of the masks in one batch of the decoder, which are stored two or three times as float32
RANGES: dict[str, tuple[float, float]] = {
    "points_per_side": (1, 256),
    "points_per_batch": (1, 65_536),
    "pred_iou_thresh": (0, 1),
    "stability_score_thresh": (0, 1),
    "stability_score_offset": (0, 100),
    "box_nms_thresh": (0, 1),
    "crop_n_layers": (0, 4),
    "crop_nms_thresh": (0, 1),
    "crop_overlap_ratio": (0, 1),
    "crop_n_points_downscale_factor": (1, 256),
    "min_mask_region_area": (0, 1e9),
    "max_side": (16, 16_384),
    "max_masks": (1, 100_000),
}
WHOLE = {
    "points_per_side", "points_per_batch", "crop_n_layers", "crop_n_points_downscale_factor", "max_side", "max_masks",
}  # fmt: skip


class Sam(Proposer):
    """Propose masks at a grid of points by segment-anything's SamAutomaticMaskGenerator (Kirillov et al., ICCV 2023).

    Args:
        checkpoint: "miniature" (built in, trained on drawn scenes only); a manifest's name, such as "sam-vit-h"; or a
            checkpoint file of the segment-anything package. See :func:`~.sam_checkpoint.find_weights`.
        points_per_side: Points along each side of the square grid. Default 8, as TAS; 16 for the miniature.
        points_per_batch: Points that the decoder processes at once; it affects the memory, not the masks. Default: as
            many as keep their float masks within `BATCH_PIXELS`, at most 64.
        pred_iou_thresh: Smallest IoU that the model predicts for its own mask, 0-1. Default 0.7, as TAS; 0.6 for the
            miniature.
        stability_score_thresh: Smallest IoU between the masks at a higher and a lower threshold of the logits, 0-1.
            Default 0.7, as TAS; 0.3 for the miniature.
        stability_score_offset: Offset of the higher and the lower threshold, in logits.
        box_nms_thresh: IoU of boxes, 0-1; of two masks above it, only the one with the larger predicted IoU is kept.
        crop_n_layers: Number of layers of crops (4 crops, then 16, ...) that are processed in addition to the image.
        crop_nms_thresh: As in segment-anything.
        crop_overlap_ratio: As in segment-anything.
        crop_n_points_downscale_factor: As in segment-anything.
        point_grids: (P, 2) points x, y in 0-1, instead of `points_per_side`; one array for each layer of crops.
        min_mask_region_area: Components and holes with fewer pixels are removed; a number below 1 is a share of the
            image. Default 800, as TAS, whose images have about 640 x 480 pixels (0.0026 is the same share); 0 for the
            miniature. It does not drop masks; the overlap filter does.
        max_masks: Largest number of masks, those with the best scores; None for all.
        max_side: Longest side in pixels at which masks are computed; those of larger images are enlarged, since every
            point of a batch takes three float maps of the image's size. SAM itself processes 1,024 pixels.
        device: Device of the model; by default CUDA if it is available.
        dtype: Data type of the computation of the image encoder.
        data_root: Folder of downloaded files, for a manifest's name.

    Attributes:
        name: "sam" for the miniature, a manifest's name, or "sam:" and the file's name.

    Raises:
        InvalidInputError: The checkpoint is unknown, or a value is outside its range.
        InvalidTypeError: A value has the wrong type.
        UnavailableError: The checkpoint is not available.
        CorruptFileError: The checkpoint is damaged or does not have the published hash, or a weight is not finite.
    """

    name = "sam"
    argument: ClassVar[str | None] = "checkpoint"
    runs_model: ClassVar[bool] = True
    reads_data_root: ClassVar[bool] = True

    def __init__(
        self,
        checkpoint: str | os.PathLike[str] = MINIATURE,
        *,
        points_per_side: int | None = None,
        points_per_batch: int | None = None,
        pred_iou_thresh: float | None = None,
        stability_score_thresh: float | None = None,
        stability_score_offset: float = 1.0,
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: Sequence[Any] | None = None,
        min_mask_region_area: float | None = None,
        max_masks: int | None = None,
        max_side: int = WORKING_SIDE,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        data_root: str | os.PathLike[str] | None = None,
    ) -> None:
        defaults = FOR_MINIATURE if checkpoint == MINIATURE else PAPER
        if point_grids is not None and points_per_side is not None:
            raise InvalidInputError("points_per_side and point_grids were both given; give one of them.")
        self._grids = None if point_grids is None else _grids(point_grids, crop_n_layers)
        arguments = {
            "points_per_side": points_per_side,
            "pred_iou_thresh": pred_iou_thresh,
            "stability_score_thresh": stability_score_thresh,
            "stability_score_offset": stability_score_offset,
            "box_nms_thresh": box_nms_thresh,
            "crop_n_layers": crop_n_layers,
            "crop_nms_thresh": crop_nms_thresh,
            "crop_overlap_ratio": crop_overlap_ratio,
            "crop_n_points_downscale_factor": crop_n_points_downscale_factor,
            "min_mask_region_area": min_mask_region_area,
            "max_masks": max_masks,
            "max_side": max_side,
        }
        self.options: dict[str, Any] = {
            name: defaults.get(name) if value is None else value for name, value in arguments.items()
        }
        if self._grids is not None:
            self.options["points_per_side"] = None
        self.points_per_batch = points_per_batch
        check_options({**self.options, "points_per_batch": points_per_batch})
        self.weights = find_weights(checkpoint, data_root)
        state = load_state_dict(self.weights.path)
        if self.weights.title != MINIATURE:
            known = self.weights.title in published()
            self.name = self.weights.title if known else f"sam:{self.weights.title}"
        self.kind = MINIATURE if self.weights.title == MINIATURE else kind_of(state)
        self.device = resolve_device(device)
        self.dtype = dtype
        self.model = build_sam(state)
        check_finite(self.model, str(self.weights.path))
        self.model = self.model.to(self.device)
        if dtype != torch.float32:
            self.model.image_encoder = _Encoder(self.model.image_encoder, self.device.type, dtype)

    @property
    def settings(self) -> dict[str, Any]:
        """Return all arguments that change the masks, and a description of the weights."""
        grids = None if self._grids is None else [grid.tolist() for grid in self._grids]
        return {
            "checkpoint": self.weights.title,
            "kind": self.kind,
            "weights": self.weights.sha256[:16],
            **self.options,
            **({} if grids is None else {"point_grids": grids}),
            **({} if self.dtype == torch.float32 else {"dtype": str(self.dtype)}),
        }

    @property
    def working_side(self) -> int:
        """Return the argument `max_side`."""
        return self.options["max_side"]

    def propose(self, image: ImageSource) -> Masks:
        """Return masks of the image's size, best predicted IoU first.

        The scores are the predicted IoUs, from 0 to slightly above 1. If SAM finds nothing, there is no mask, and a
        warning is issued.

        Raises:
            InvalidInputError: The image is so narrow that one side has no pixel at SAM's input size.
        """
        picture = open_image(image)
        working = shrink(picture, self.options["max_side"])
        self._check_shape(working)
        records = self._generator(working).generate(np.asarray(working))
        records.sort(key=lambda record: -record["predicted_iou"])
        stack = np.stack([record["segmentation"] for record in records]) if records else None
        masks = None if stack is None else Masks(stack, scores=[record["predicted_iou"] for record in records])
        masks = None if masks is None else masks.nonempty()[: self.options["max_masks"]]
        if masks is None or not len(masks):
            warnings.warn(
                f"SAM ({self.weights.title}) found nothing on an image of {picture.width} x {picture.height}. Lower "
                "pred_iou_thresh or stability_score_thresh, or raise points_per_side, to let more through.",
                ZsrisWarning,
                stacklevel=2,
            )
            return Masks.from_arrays([], size=(picture.height, picture.width), scores=[], source=self.name)
        return Masks(enlarge(masks.data, picture.height, picture.width), scores=masks.scores, source=self.name)

    def grid(self, layer: int) -> np.ndarray:
        """Return the (P, 2) points x, y in 0-1 of each crop of a layer; layer 0 is the whole image."""
        if self._grids is not None:
            return self._grids[layer]
        from segment_anything.utils.amg import build_point_grid

        return build_point_grid(
            int(self.options["points_per_side"] / self.options["crop_n_points_downscale_factor"] ** layer)
        )

    def batch_of(self, size: tuple[int, int]) -> int:
        """Return the number of points that the decoder processes at once on an image of `size` (W, H)."""
        if self.points_per_batch is not None:
            return self.points_per_batch
        pixels = max(self.model.image_encoder.img_size**2, size[0] * size[1])
        return max(1, min(64, BATCH_PIXELS // (3 * pixels)))

    def _generator(self, working: Image.Image) -> Any:
        """Return segment-anything's generator for an image of this size; it shares the weights of the model."""
        options = {name: value for name, value in self.options.items() if name not in ("max_side", "max_masks")}
        area = options["min_mask_region_area"]
        options["min_mask_region_area"] = round(area * working.width * working.height if area < 1 else area)
        try:
            return _generator_class()(
                self.model, point_grids=self._grids, points_per_batch=self.batch_of(working.size), **options
            )
        except ImportError as error:
            raise UnavailableError(
                f"min_mask_region_area={area} needs OpenCV, which cannot be imported ({error}). Install "
                "opencv-python-headless, or give min_mask_region_area=0."
            ) from error

    def _check_shape(self, picture: Image.Image) -> None:
        side = self.model.image_encoder.img_size
        if min(picture.size) * side / max(picture.size) < 0.5:
            raise InvalidInputError(
                f"An image of {picture.width} x {picture.height} pixels is too narrow: SAM sees it with its longest "
                f"side at {side} pixels, where nothing is left of the other. Cut it into parts."
            )


class _Encoder(nn.Module):
    """Run the image encoder in a 16-bit type and return fp32."""

    def __init__(self, encoder: nn.Module, device: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.encoder, self.device, self.dtype = encoder, device, dtype
        self.img_size = encoder.img_size

    def forward(self, pixels: Tensor) -> Tensor:
        with torch.autocast(self.device, dtype=self.dtype):
            return self.encoder(pixels).float()


def _generator_class() -> type:
    """Return the subclass of segment-anything's generator, which is imported on first use."""
    from segment_anything import SamAutomaticMaskGenerator

    class Generator(SamAutomaticMaskGenerator):
        """Keep the shape of the result of a crop without masks, which otherwise ends in an IndexError."""

        def _process_crop(self, *args: Any) -> Any:
            data = super()._process_crop(*args)
            data["crop_boxes"] = data["crop_boxes"].reshape(-1, 4)
            return data

    return Generator


def _grids(point_grids: Sequence[Any], crop_n_layers: int) -> list[np.ndarray]:
    """Return point grids as arrays (P, 2) float in 0-1, one for each layer of crops."""
    single = isinstance(point_grids, (np.ndarray, Tensor)) or (point_grids and np.ndim(point_grids[0]) == 1)
    grids = [np.asarray(grid, dtype=np.float64) for grid in ([point_grids] if single else point_grids)]
    for grid in grids:
        if grid.ndim != 2 or grid.shape[1] != 2 or not len(grid) or grid.min() < 0 or grid.max() > 1:
            raise InvalidInputError(
                f"A point grid of shape {grid.shape} was given; (P, 2) with x, y in 0-1 and at least one is accepted."
            )
    if len(grids) != crop_n_layers + 1:
        raise InvalidInputError(
            f"{len(grids)} point grids were given; crop_n_layers={crop_n_layers} needs {crop_n_layers + 1}."
        )
    return grids


def check_options(options: dict[str, Any]) -> None:
    """Check that all values are inside `RANGES`.

    Raises:
        InvalidInputError: A value is outside its range.
    """
    for name, value in options.items():
        if value is None:
            continue
        low, high = RANGES[name]
        fraction = name not in WHOLE
        if isinstance(value, bool) or not isinstance(value, (int, float) if fraction else int):
            raise InvalidTypeError(f"{name}={value!r} was given; a {'' if fraction else 'whole '}number is accepted.")
        if not low <= value <= high:
            raise InvalidInputError(f"{name}={value!r} was given; {low:g} to {high:g} is accepted.")
