"""Proposals by Mask2Former (Cheng et al., CVPR 2022), through transformers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.images import ImageSource, open_image
from zsris_viz.io.hashing import weights_hash
from zsris_viz.masks import FLOAT_PIXELS, Masks
from zsris_viz.models.devices import resolve_device
from zsris_viz.proposals.base import Proposer

DEFAULT = "facebook/mask2former-swin-large-coco-instance"
MODEL_TYPE = "mask2former"


class Mask2Former(Proposer):
    """The masks of a segmentation model's queries, without their classes.

    Each query gives one mask (its logits, enlarged bilinearly to the image and cut at 0) and one score: the
    probability of its best class, "no object" left out, times the mean probability inside the mask, as in the paper's
    instance segmentation. Masks may overlap.

    Args:
        model: a Hugging Face id, or a folder that `save_pretrained` of model and image processor wrote.
        threshold: masks with a lower score are left out, 0-1. Low, since a proposal need not be a sure answer.
        max_masks: at most so many, the best.
        device: default CUDA if present. dtype: of weights and computing.

    Raises:
        InvalidInputError: a value outside its range, or a model of another kind.
        UnavailableError: a model that is neither here nor to be had.
        CorruptFileError: damaged or incomplete weights.
    """

    name = "mask2former"

    def __init__(
        self,
        model: str | os.PathLike[str] = DEFAULT,
        *,
        threshold: float = 0.05,
        max_masks: int = 100,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not 0 <= threshold <= 1:
            raise InvalidInputError(f"threshold={threshold} was given; 0 to 1 is accepted.")
        if max_masks < 1:
            raise InvalidInputError(f"max_masks={max_masks} was given; a number from 1 up is accepted.")
        self.threshold, self.max_masks, self.dtype = threshold, max_masks, dtype
        self.device = resolve_device(device)
        self.title = os.fspath(model)
        self.model, self.processor = _load(self.title, dtype)
        self._weights = weights_hash(self.model)[:16]
        self.model = self.model.to(self.device).eval().requires_grad_(False)

    @property
    def settings(self) -> dict[str, Any]:
        """All arguments that change the masks, and what weights and processor are."""
        sides = {name: int(value) for name, value in dict(self.processor.size).items() if value is not None}
        title = Path(self.title).name if Path(self.title).is_dir() else self.title
        return {
            "model": title,
            "weights": self._weights,
            "size": sides,
            "threshold": self.threshold,
            "max_masks": self.max_masks,
            "dtype": str(self.dtype),
        }

    @torch.no_grad()
    def propose(self, image: ImageSource) -> Masks:
        """Masks of the image's size, best score first; none where every query says "no object"."""
        picture = open_image(image)
        given = self.processor(images=[np.array(picture)], return_tensors="pt")
        pixels = given["pixel_values"].to(self.device, self.dtype)
        seen = given["pixel_mask"][0].bool()
        answer = self.model(pixel_values=pixels, pixel_mask=given["pixel_mask"].to(self.device))
        # The picture may be padded to a multiple of 32; what was padded is no part of any mask.
        height, width = int(seen.any(dim=1).sum()), int(seen.any(dim=0).sum())
        logits = answer.masks_queries_logits.float()
        logits = F.interpolate(logits, size=pixels.shape[-2:], mode="bilinear")[0, :, :height, :width]
        scores = scores_of(answer.class_queries_logits[0].float(), logits)
        order = torch.argsort(scores, descending=True, stable=True)[: self.max_masks]
        order = order[scores[order] >= self.threshold]
        masks = _cut(logits[order], picture.height, picture.width)
        return Masks(masks, scores=scores[order], source=self.name).nonempty()


def scores_of(classes: Tensor, logits: Tensor) -> Tensor:
    """(Q,): probability of the best class times the mean probability inside the mask; 0 for an empty mask.

    Args:
        classes: (Q, C + 1) logits, the last for "no object".
        logits: (Q, h, w) of the masks.
    """
    best = classes.softmax(dim=-1)[:, :-1].amax(dim=-1)
    means = [mask[mask > 0].sigmoid().sum() / max(1, int((mask > 0).sum())) for mask in logits]
    return best * torch.stack(means) if means else best


def _cut(logits: Tensor, height: int, width: int) -> Tensor:
    """(N, h, w) logits as (N, height, width) bool masks on the CPU; not all in float at a time."""
    masks = torch.empty((len(logits), height, width), dtype=torch.bool)
    step = max(1, FLOAT_PIXELS // (height * width))
    for part, small in zip(masks.split(step), logits[:, None].split(step), strict=True):
        part[:] = F.interpolate(small, size=(height, width), mode="bilinear")[:, 0] > 0
    return masks


def _load(title: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """Model and image processor from a folder or the hub."""
    from transformers import AutoConfig, AutoImageProcessor, Mask2FormerForUniversalSegmentation

    folder = Path(title).expanduser()
    local = folder.is_dir()
    where = str(folder) if local else title
    if not local and (title.startswith((".", "/", "~")) or title.count("/") != 1):
        raise InvalidInputError(
            f"{title!r} is neither a folder nor a Hugging Face id such as {DEFAULT!r}; give one of them."
        )
    try:
        kind = AutoConfig.from_pretrained(where, local_files_only=local).model_type
        if kind != MODEL_TYPE:
            raise InvalidInputError(f"{title} is a {kind!r} model; {MODEL_TYPE!r} is needed, e.g. {DEFAULT!r}.")
        processor = AutoImageProcessor.from_pretrained(where, local_files_only=local)
        loaded: Any = Mask2FormerForUniversalSegmentation.from_pretrained(
            where, dtype=dtype, local_files_only=local, output_loading_info=True
        )
        model, report = loaded
    except InvalidInputError:
        raise
    except Exception as error:  # every reader has errors of its own
        reason = " ".join(str(error).split())[:200]
        if local:
            raise CorruptFileError(
                f"The model in {folder} is damaged or not whole ({reason}); fetch or save it again."
            ) from error
        raise UnavailableError(
            f"{title!r} is neither on this machine nor to be had from Hugging Face ({type(error).__name__}). Give a "
            "local folder, or use proposals that need no download: 'sam' (drawn scenes) or 'felzenszwalb'."
        ) from error
    lacking = [*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])]
    if lacking:
        raise CorruptFileError(
            f"The weights of {title} are incomplete: {len(lacking)} tensors lack, e.g. {lacking[0]}."
        )
    return model, processor
