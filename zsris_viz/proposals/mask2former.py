"""Proposals by Mask2Former (Cheng et al., CVPR 2022), through transformers."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zsris_viz.errors import InvalidInputError
from zsris_viz.images import ImageSource, open_image
from zsris_viz.io.hashing import weights_hash
from zsris_viz.mask_arrays import FLOAT_PIXELS
from zsris_viz.masks import Masks
from zsris_viz.models.devices import resolve_device
from zsris_viz.proposals.base import Proposer
from zsris_viz.proposals.hub import read_segmenter, short_title

DEFAULT = "facebook/mask2former-swin-large-coco-instance"
THRESHOLDS = {"queries": 0.05, "panoptic": 0.5}
Mode = Literal["queries", "panoptic"]


class Mask2Former(Proposer):
    """Propose the masks of a universal segmentation model, without their classes.

    With mode "queries" each query gives one mask (its logits, resized bilinearly and thresholded at 0) and one
    score: the probability of its best class, "no object" left out, times the mean probability inside the mask, as in
    the instance segmentation of the paper. Masks may overlap. With mode "panoptic" the masks are the segments of the
    panoptic post-processing of transformers, which do not overlap: each pixel belongs to the query with the best
    product of class and mask probability. Use it with "facebook/mask2former-swin-large-coco-panoptic".

    Args:
        model: A Hugging Face id, or a folder that `save_pretrained` of the model and of its image processor wrote.
        mode: "queries" or "panoptic".
        threshold: Smallest score of a mask, 0-1. The default is low for "queries" (0.05), since a proposal may be
            uncertain, and 0.5 for "panoptic", as in transformers.
        max_masks: Largest number of masks; those with the best scores are kept.
        device: Device of the model; by default CUDA if it is available.
        dtype: Data type of the weights and the computation.

    Raises:
        InvalidInputError: A value is outside its range, or the model is of another kind.
        UnavailableError: The model is neither on this machine nor available from Hugging Face.
        CorruptFileError: The weights are damaged, incomplete or not finite.
    """

    name = "mask2former"
    argument: ClassVar[str | None] = "model"
    runs_model: ClassVar[bool] = True

    def __init__(
        self,
        model: str | os.PathLike[str] = DEFAULT,
        *,
        mode: Mode = "queries",
        threshold: float | None = None,
        max_masks: int = 100,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if mode not in get_args(Mode):
            raise InvalidInputError(f"mode={mode!r} was given; {' and '.join(map(repr, get_args(Mode)))} are accepted.")
        threshold = THRESHOLDS[mode] if threshold is None else threshold
        if not 0 <= threshold <= 1:
            raise InvalidInputError(f"threshold={threshold} was given; 0 to 1 is accepted.")
        if max_masks < 1:
            raise InvalidInputError(f"max_masks={max_masks} was given; a number from 1 up is accepted.")
        self.threshold, self.max_masks, self.dtype = threshold, max_masks, dtype
        self.mode = mode
        self.device = resolve_device(device)
        self.title = os.fspath(model)
        cls = "Mask2FormerForUniversalSegmentation"
        self.model, self.processor = read_segmenter(model, cls, ("mask2former",), example=DEFAULT, dtype=dtype)
        self._weights = weights_hash(self.model)[:16]
        self.model = self.model.to(self.device)

    @property
    def settings(self) -> dict[str, Any]:
        """Return all arguments that change the masks, and a description of the weights and the processor."""
        sides = {name: int(value) for name, value in dict(self.processor.size).items() if value is not None}
        return {
            "model": short_title(self.title),
            "weights": self._weights,
            "size": sides,
            "mode": self.mode,
            "threshold": self.threshold,
            "max_masks": self.max_masks,
            "dtype": str(self.dtype),
        }

    @torch.no_grad()
    def propose(self, image: ImageSource) -> Masks:
        """Return masks of the image's size in descending order of score; none if every query predicts "no object"."""
        picture = open_image(image)
        inputs = self.processor(images=[np.array(picture)], return_tensors="pt")
        pixels = inputs["pixel_values"].to(self.device, self.dtype)
        output = self.model(pixel_values=pixels, pixel_mask=inputs["pixel_mask"].to(self.device))
        if self.mode == "panoptic":
            return self._panoptic(output, picture.height, picture.width)
        # The image may be padded to a multiple of 32; the padding belongs to no mask.
        inside = inputs["pixel_mask"][0].bool()
        height, width = int(inside.any(dim=1).sum()), int(inside.any(dim=0).sum())
        logits = output.masks_queries_logits.float()
        logits = F.interpolate(logits, size=pixels.shape[-2:], mode="bilinear")[0, :, :height, :width]
        scores = scores_of(output.class_queries_logits[0].float(), logits)
        order = torch.argsort(scores, descending=True, stable=True)[: self.max_masks]
        order = order[scores[order] >= self.threshold]
        masks = _cut(logits[order], picture.height, picture.width)
        return Masks(masks, scores=scores[order], source=self.name).nonempty()

    def _panoptic(self, output: Any, height: int, width: int) -> Masks:
        """Return the segments of transformers' panoptic post-processing, none of them fused."""
        found = self.processor.post_process_panoptic_segmentation(
            output, threshold=self.threshold, label_ids_to_fuse=set(), target_sizes=[(height, width)]
        )[0]
        segments = sorted(found["segments_info"], key=lambda segment: -segment["score"])[: self.max_masks]
        masks = [found["segmentation"] == segment["id"] for segment in segments]
        scores = [float(segment["score"]) for segment in segments]
        return Masks.from_arrays(masks, size=(height, width), scores=scores, source=self.name).nonempty()


def scores_of(classes: Tensor, logits: Tensor) -> Tensor:
    """Return the probability of the best class times the mean probability inside the mask; 0 for an empty mask.

    Args:
        classes: (Q, C + 1) logits, the last for "no object".
        logits: (Q, h, w) logits of the masks.

    Returns:
        (Q,), 0-1.
    """
    best = classes.softmax(dim=-1)[:, :-1].amax(dim=-1)
    means = [mask[mask > 0].sigmoid().sum() / max(1, int((mask > 0).sum())) for mask in logits]
    return best * torch.stack(means) if means else best


def _cut(logits: Tensor, height: int, width: int) -> Tensor:
    """Resize (N, h, w) logits and threshold them at 0: (N, height, width) bool on the CPU, in parts to save memory."""
    masks = torch.empty((len(logits), height, width), dtype=torch.bool)
    step = max(1, FLOAT_PIXELS // (height * width))
    for part, small in zip(masks.split(step), logits[:, None].split(step), strict=True):
        part[:] = F.interpolate(small, size=(height, width), mode="bilinear")[:, 0] > 0
    return masks
