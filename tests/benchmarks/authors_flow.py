"""The published flow of Global-Local CLIP, written down plainly: what the benchmark compares with.

One reference at a time, crops built at full size one by one, every reference from scratch, no inference mode, texts one
by one at the full context length. On open_clip's modules, in fp32, as `tests.factories.openai_model` makes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torchvision.transforms.functional as TF
from PIL import Image
from torch import Tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def rank_references(
    model: Any,
    tokenize: Any,
    image: Image.Image,
    masks: Tensor,
    references: list[list[tuple[str, str]]],
    *,
    alpha: float = 0.95,
    first: int = 9,
) -> list[Tensor]:
    """Cosine scores (N,) for every (sentence, noun phrase) of every reference; `first` masked block, counted from 0."""
    side = [model.visual.image_size[0]] * 2
    scores = []
    for expressions in references:
        loaded = loaded_image(image)[None]
        normalised = TF.resize(loaded, [image.height, image.width], antialias=False)
        resized = TF.resize(loaded, side, antialias=False)
        crops = []
        for mask in masks:
            weight = mask.to(torch.uint8)
            masked = normalised * weight[None, None] + (1 - weight[None, None]) * torch.tensor(MEAN).reshape(1, 3, 1, 1)
            left, top, right, bottom = freesolo_box(mask)
            crops.append(TF.resized_crop(masked[0], top, left, bottom - top, right - left, side, antialias=False))
        masked = masked_features(model, resized, masks, first)
        visual = alpha * masked + (1 - alpha) * plain_features(model, torch.stack(crops))
        for sentence, noun_phrase in expressions:
            text = 0.5 * text_feature(model, tokenize(sentence)) + 0.5 * text_feature(model, tokenize(noun_phrase))
            unit = visual / visual.norm(dim=1, keepdim=True)
            # Only the numbers are kept: with its graph each score would hold gigabytes of activations.
            scores.append((unit @ (text / text.norm(dim=1, keepdim=True)).T)[:, 0].detach())
    return scores


def loaded_image(image: Image.Image) -> Tensor:
    """(3, H', W') as the data loader gives it: the shorter side 800 pixels, normalised."""
    return TF.normalize(TF.to_tensor(TF.resize(image, 800)), MEAN, STD)


def freesolo_box(mask: Tensor) -> list[int]:
    """Mean of the occupied columns (rows) plus and minus half their number, truncated."""
    ends = []
    for axis in (0, 1):
        places = mask.any(dim=axis).nonzero()[:, 0].float()
        ends.append((places.mean() - 0.5 * len(places), places.mean() + 0.5 * len(places)))
    (left, right), (top, bottom) = ends
    return [int(left), int(top), int(right), int(bottom)]


def _embed(visual: Any, pixels: Tensor) -> Tensor:
    tokens = visual.conv1(pixels).flatten(2).permute(0, 2, 1)
    cls = visual.class_embedding + torch.zeros(len(tokens), 1, tokens.shape[-1])
    return visual.ln_pre(torch.cat([cls, tokens], dim=1) + visual.positional_embedding).permute(1, 0, 2)


def _block(block: Any, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
    normed = block.ln_1(hidden)
    attention = block.attn
    added = torch.nn.functional.multi_head_attention_forward(
        normed, normed, normed, hidden.shape[-1], attention.num_heads, attention.in_proj_weight, attention.in_proj_bias,
        None, None, False, 0.0, attention.out_proj.weight, attention.out_proj.bias, need_weights=False, attn_mask=mask,
    )[0]  # fmt: skip
    hidden = hidden + added
    wide = block.mlp.c_fc(block.ln_2(hidden))
    return hidden + block.mlp.c_proj(wide * torch.sigmoid(1.702 * wide))


def plain_features(model: Any, pixels: Tensor) -> Tensor:
    """All tokens through all blocks, then projected; CLS is taken at the very end. (B, D)"""
    hidden = _embed(model.visual, pixels)
    for block in model.visual.transformer.resblocks:
        hidden = _block(block, hidden)
    return (model.visual.ln_post(hidden.permute(1, 0, 2)) @ model.visual.proj)[:, 0]


def masked_features(model: Any, pixels: Tensor, masks: Tensor, first: int) -> Tensor:
    """Patch tokens times the resized mask before every block from `first` on. (N, D)"""
    hidden = _embed(model.visual, pixels)
    side = int(np.sqrt(len(hidden) - 1))
    grid = TF.resize(masks.float(), [side, side], antialias=False)
    for index, block in enumerate(model.visual.transformer.resblocks):
        if index >= first:
            cls, patches = hidden[:1], hidden[1:].permute(1, 2, 0)
            patches = patches.reshape(len(patches), -1, side, side) * grid[:, None]
            patches = patches.flatten(2).permute(2, 0, 1)
            hidden = torch.cat([cls.expand(-1, patches.shape[1], -1), patches], dim=0)
        hidden = _block(block, hidden)
    return model.visual.ln_post(hidden.permute(1, 0, 2)[:, 0]) @ model.visual.proj


def text_feature(model: Any, ids: Tensor) -> Tensor:
    """Ids (1, 77), padded with zeros -> (1, D), read at the end token, the largest id."""
    hidden = (model.token_embedding(ids) + model.positional_embedding).permute(1, 0, 2)
    causal = torch.full((len(hidden), len(hidden)), float("-inf")).triu_(1)
    for block in model.transformer.resblocks:
        hidden = _block(block, hidden, causal)
    hidden = model.ln_final(hidden.permute(1, 0, 2))
    return hidden[torch.arange(len(ids)), ids.argmax(dim=-1)] @ model.text_projection
