"""The intermediate results of SAM's automatic mask generation: every mask at every point, and its stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from zsris_viz.errors import InvalidTypeError
from zsris_viz.images import ImageSource, open_image
from zsris_viz.proposals.cache import CachedProposals
from zsris_viz.proposals.filtered import Filtered
from zsris_viz.proposals.sam import Sam
from zsris_viz.proposals.working_size import shrink

if TYPE_CHECKING:
    from PIL import Image

    from zsris_viz.proposals.base import Proposer

STAGES = ("low predicted IoU", "unstable", "duplicate", "kept")


@dataclass(frozen=True)
class PointMasks:
    """All masks at all points of the grid, with the scores and the decisions of the generator's filters.

    Attributes:
        image: The image at its working size, (H, W).
        points: (P, 2) float32, x and y in pixels of the working size.
        masks: (P, 3, H, W) bool.
        predicted_iou: (P, 3) float32, the IoU that the model predicts between each mask and the object at its point.
        stability: (P, 3) float32 in 0-1.
        stage: (P, 3) int64, the stage at which each mask was dropped or kept, as an index into `STAGES`.
    """

    image: Image.Image
    points: Tensor
    masks: Tensor
    predicted_iou: Tensor
    stability: Tensor
    stage: Tensor

    def counts(self) -> dict[str, int]:
        """Return how many masks were dropped at each stage, and how many were kept."""
        return {name: int((self.stage == place).sum()) for place, name in enumerate(STAGES)}


@torch.no_grad()
def point_masks(source: Proposer, image: ImageSource) -> PointMasks:
    """Return all masks of SAM at the grid of points of the whole image; crops and small regions are left out.

    Args:
        source: A :class:`~.sam.Sam`, also with a cache or a filter.
        image: Anything that `open_image` accepts; all P x 3 masks of its working size are in memory at the same time.

    Raises:
        InvalidTypeError: The source is not SAM.
    """
    while isinstance(source, (CachedProposals, Filtered)):
        source = source.proposer
    if not isinstance(source, Sam):
        raise InvalidTypeError(f"{source!r} has no point prompts; give load_proposals('sam').")
    from segment_anything import SamPredictor
    from segment_anything.utils.amg import batched_mask_to_box, calculate_stability_score
    from torchvision.ops.boxes import batched_nms

    picture = shrink(open_image(image), source.options["max_side"])
    predictor = SamPredictor(source.model)
    predictor.set_image(np.asarray(picture))
    points = source.grid(0) * np.array(picture.size)
    cut = source.model.mask_threshold
    masks, predicted, stability = [], [], []
    for some in np.array_split(points, max(1, -(-len(points) // source.batch_of(picture.size)))):
        prompts = torch.as_tensor(predictor.transform.apply_coords(some, picture.size[::-1]), device=source.device)
        labels = torch.ones(len(some), 1, dtype=torch.int, device=source.device)
        logits, quality, _ = predictor.predict_torch(
            prompts[:, None], labels, multimask_output=True, return_logits=True
        )
        offset = source.options["stability_score_offset"]
        masks.append((logits > cut).cpu())
        predicted.append(quality.cpu())
        stability.append(calculate_stability_score(logits, cut, offset).cpu())
    every, qualities, stable = torch.cat(masks), torch.cat(predicted).float(), torch.cat(stability).float()
    least_iou, least_stability = source.options["pred_iou_thresh"], source.options["stability_score_thresh"]
    low = qualities <= least_iou if least_iou > 0 else torch.zeros_like(qualities, dtype=torch.bool)
    # The stability of a mask without pixels is nan, and segment-anything drops the mask.
    shaky = ~(stable >= least_stability) if least_stability > 0 else torch.zeros_like(low)
    stage = torch.where(low, 0, torch.where(shaky, 1, 2))
    left = (stage == 2).flatten().nonzero()[:, 0]
    boxes = batched_mask_to_box(every.flatten(0, 1)[left]).float()
    one_class = torch.zeros(len(left))
    kept = batched_nms(boxes, qualities.flatten()[left], one_class, source.options["box_nms_thresh"])
    stage.view(-1)[left[kept]] = 3
    return PointMasks(picture, torch.as_tensor(points, dtype=torch.float32), every, qualities, stable, stage)
