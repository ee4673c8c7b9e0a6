"""Proposals by SAM 2 (Ravi et al., 2024) through transformers, by its automatic mask generation."""

from __future__ import annotations

import os
import warnings
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zsris_viz.errors import ZsrisWarning
from zsris_viz.images import ImageSource, open_image
from zsris_viz.io.hashing import weights_hash
from zsris_viz.masks import Masks
from zsris_viz.models.devices import resolve_device
from zsris_viz.proposals.base import WORKING_SIDE, Proposer
from zsris_viz.proposals.hub import read_segmenter, short_title
from zsris_viz.proposals.sam import BATCH_PIXELS, check_options
from zsris_viz.proposals.working_size import enlarge, shrink

DEFAULT = "facebook/sam2.1-hiera-large"
MODEL_TYPES = ("sam2", "sam2_video")  # the published repositories contain the video model


class Sam2(Proposer):
    """Propose masks at a grid of points with SAM 2 and the filters of the mask-generation pipeline of transformers.

    The defaults are those of the pipeline. For the settings of TAS use `points_per_side=8`, `pred_iou_thresh=0.7` and
    `stability_score_thresh=0.7`. On square images the masks are those of the pipeline. SAM 2 resizes other
    images to a square without keeping the aspect ratio; the pipeline places the points as if it were kept, which leaves
    a part of the image without points. Here the points cover the whole image.

    Args:
        model: A Hugging Face id such as "facebook/sam2.1-hiera-large", or a folder in that format.
        points_per_side: Points along each side of the square grid.
        points_per_batch: Points that the decoder processes at once; by default as many as keep their
            float masks within `BATCH_PIXELS`, at most 64.
        pred_iou_thresh: Smallest IoU that the model predicts for its own mask, 0-1.
        stability_score_thresh: Smallest IoU between the masks at a higher and a lower threshold of the logits, 0-1.
        stability_score_offset: Offset of the higher and the lower threshold, in logits.
        box_nms_thresh: IoU of boxes, 0-1; of two masks above it, only the one with the larger predicted IoU is kept.
        max_masks: Largest number of masks, those with the best scores; None for all.
        max_side: Longest side in pixels at which masks are computed; those of larger images are enlarged.
        device: Device of the model; by default CUDA if it is available.
        dtype: Data type of the weights and the computation.

    Attributes:
        name: "sam2".

    Raises:
        InvalidInputError: A value is outside its range, or the model is of another kind.
        UnavailableError: The model is neither on this machine nor available from Hugging Face.
        CorruptFileError: The weights are damaged, incomplete or not finite.
    """

    name = "sam2"
    argument: ClassVar[str | None] = "model"
    runs_model: ClassVar[bool] = True

    def __init__(
        self,
        model: str | os.PathLike[str] = DEFAULT,
        *,
        points_per_side: int = 32,
        points_per_batch: int | None = None,
        pred_iou_thresh: float = 0.88,
        stability_score_thresh: float = 0.95,
        stability_score_offset: float = 1.0,
        box_nms_thresh: float = 0.7,
        max_masks: int | None = None,
        max_side: int = WORKING_SIDE,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.options: dict[str, Any] = {
            "points_per_side": points_per_side,
            "pred_iou_thresh": pred_iou_thresh,
            "stability_score_thresh": stability_score_thresh,
            "stability_score_offset": stability_score_offset,
            "box_nms_thresh": box_nms_thresh,
            "max_masks": max_masks,
            "max_side": max_side,
        }
        check_options({**self.options, "points_per_batch": points_per_batch})
        self.points_per_batch, self.dtype = points_per_batch, dtype
        self.device = resolve_device(device)
        self.title = os.fspath(model)
        self.model, self.processor = read_segmenter(model, "Sam2Model", MODEL_TYPES, example=DEFAULT, dtype=dtype)
        self._weights = weights_hash(self.model)[:16]
        self.model = self.model.to(self.device)

    @property
    def settings(self) -> dict[str, Any]:
        """Return all arguments that change the masks, and a hash of the weights."""
        return {"model": short_title(self.title), "weights": self._weights, **self.options, "dtype": str(self.dtype)}

    @property
    def working_side(self) -> int:
        """Return the argument `max_side`."""
        return self.options["max_side"]

    @torch.inference_mode()
    def propose(self, image: ImageSource) -> Masks:
        """Return masks of the image's size, best predicted IoU first; none, with a warning, if no mask is kept."""
        picture = open_image(image)
        working = shrink(picture, self.working_side)
        masks, scores = self._generate(working)
        order = torch.argsort(scores, descending=True, stable=True)
        kept = Masks(masks[order], scores=scores[order]).nonempty()[: self.options["max_masks"]]
        if not len(kept):
            warnings.warn(
                f"SAM 2 ({self.title}) found nothing on an image of {picture.width} x {picture.height} pixels. Lower "
                "pred_iou_thresh or stability_score_thresh, or raise points_per_side.",
                ZsrisWarning,
                stacklevel=2,
            )
        return Masks(enlarge(kept.data, picture.height, picture.width), scores=kept.scores, source=self.name)

    def _generate(self, picture: Image.Image) -> tuple[Tensor, Tensor]:
        """Return masks (N, H, W) bool and scores (N,), in the order in which non-maximum suppression keeps them."""
        size = (picture.height, picture.width)
        pixels = self.processor(images=[np.asarray(picture)], return_tensors="pt")["pixel_values"]
        embeddings = self.model.get_image_embeddings(pixels.to(self.device, self.dtype))
        side = self.options["points_per_side"]
        places = (torch.arange(side) + 0.5) / side
        rows, columns = torch.meshgrid(places, places, indexing="ij")
        points = torch.stack([columns, rows], dim=-1).reshape(-1, 2) * torch.tensor(pixels.shape[:-3:-1])
        whole = torch.tensor([0.0, 0.0, picture.width, picture.height])
        # The decoder makes three float masks of the image's size at each point.
        batch = self.points_per_batch or max(1, min(64, BATCH_PIXELS // (3 * size[0] * size[1])))
        encodings, scores, boxes = [], [], []
        for part in points.split(batch):
            output = self.model(
                image_embeddings=embeddings,
                input_points=part[None, :, None].to(self.device, self.dtype),
                input_labels=torch.ones(1, len(part), 1, dtype=torch.int64, device=self.device),
            )
            logits = self.processor.post_process_masks(output.pred_masks.float(), [size], binarize=False)[0]
            found = self.processor.filter_masks(
                logits,
                output.iou_scores[0].float(),
                size,
                whole,
                self.options["pred_iou_thresh"],
                self.options["stability_score_thresh"],
                0.0,
                self.options["stability_score_offset"],
            )
            encodings += found[0]
            scores.append(found[1].cpu())
            boxes.append(found[2].cpu())
        masks, kept, _, _ = self.processor.post_process_for_mask_generation(
            encodings, torch.cat(scores), torch.cat(boxes), self.options["box_nms_thresh"]
        )
        stack = torch.stack([torch.as_tensor(mask).bool() for mask in masks]) if masks else torch.zeros(0, *size) > 0
        return stack, kept.float()
