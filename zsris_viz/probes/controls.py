"""The untrained control: a model with random weights."""

from __future__ import annotations

from typing import Any

import torch

from zsris_viz.errors import UnavailableError
from zsris_viz.models.layered import LayeredModel
from zsris_viz.models.vit import VitClip


def untrained_tower(clip: LayeredModel, seed: int = 0) -> LayeredModel:
    """Return a ViT CLIP of the same shape, tokenizer and preprocessing with newly initialised weights in both towers.

    Args:
        clip: The model.
        seed: Seed of the weights; the global random state does not change.

    Raises:
        UnavailableError: If the model is not a ViT CLIP.
    """
    if not isinstance(clip, VitClip):
        raise UnavailableError(
            f"{clip.name!r} is an RN, of which no untrained copy can be made; load a ViT, e.g. "
            "load_clip('miniature'), or leave the control out: controls=('shuffled',)."
        )
    from transformers import CLIPModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = CLIPModel(clip.model.config)
    model = model.to(device=clip.device, dtype=clip.compute_dtype).eval().requires_grad_(False)
    return VitClip(
        model,
        attention=clip.attention,
        name=f"untrained {clip.name}",
        tokenizer=clip.tokenizer,
        preprocess=clip.preprocess,
        device=clip.device,
        dtype=clip.dtype,
        compute_dtype=clip.compute_dtype,
    )
