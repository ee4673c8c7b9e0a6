"""What the methods compute, once more: open_clip's modules, plain loops, one mask and one head at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from PIL import Image
from torch import Tensor

from tests.benchmarks.authors_flow import MEAN, freesolo_box, loaded_image
from zsris_viz.models.preprocessing import CLIP_MEAN, CLIP_STD


def unit(features: Tensor) -> Tensor:
    return features / features.norm(dim=-1, keepdim=True)


def text(model: Any, tokenize: Any, sentence: str) -> Tensor:
    """(D,)"""
    return model.encode_text(tokenize(sentence))[0]


def clip_pixels(image: Image.Image, size: int) -> Tensor:
    """Bicubic by Pillow, squashed, CLIP's colours: (1, 3, S, S)."""
    squashed = image.resize((size, size), Image.Resampling.BICUBIC)
    return TF.normalize(TF.to_tensor(squashed), CLIP_MEAN, CLIP_STD)[None]


def official_pixels(image: Image.Image, size: int) -> Tensor:
    return TF.resize(loaded_image(image), [size, size], antialias=False)[None]


def black_crop(image: Image.Image, mask: Tensor, size: int) -> Tensor:
    """The mask's bounding box on black, by numpy and Pillow: (3, S, S)."""
    rows, columns = np.nonzero(mask.numpy())
    cut = (np.array(image) * mask.numpy()[:, :, None])[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return clip_pixels(Image.fromarray(cut), size)[0]


def tas_crop(image: Image.Image, mask: Tensor, size: int) -> Tensor:
    """Black, padded to a square, OpenAI's transform; the box as Segment Anything's generator reports it: (3, S, S)."""
    rows, columns = np.nonzero(mask.numpy())
    x, y, w, h = columns.min(), rows.min(), columns.max() - columns.min(), rows.max() - rows.min()
    cut = (np.array(image) * mask.numpy()[:, :, None])[y : y + h, x : x + w]
    vertical, horizontal = (0, (h - w) // 2) if h > w else ((w - h) // 2, 0)
    cut = np.pad(cut, ((vertical, vertical), (horizontal, horizontal), (0, 0)))
    resized = TF.resize(Image.fromarray(cut), [size], interpolation=TF.InterpolationMode.BICUBIC)
    return TF.normalize(TF.to_tensor(TF.center_crop(resized, [size, size])), CLIP_MEAN, CLIP_STD)


def official_crop(image: Image.Image, mask: Tensor, size: int) -> Tensor:
    normalised = TF.resize(loaded_image(image), [image.height, image.width], antialias=False)
    masked = normalised * mask + ~mask * torch.tensor(MEAN)[:, None, None]
    left, top, right, bottom = freesolo_box(mask)
    return TF.resized_crop(masked, top, left, bottom - top, right - left, [size, size], antialias=False)


def mean_inside(grid_map: Tensor, masks: Tensor) -> Tensor:
    large = F.interpolate(grid_map[None, None], size=masks.shape[-2:], mode="bilinear", align_corners=False)[0, 0]
    return torch.stack([large[mask].mean() for mask in masks])


# -- the ViT, opened up


def heads(block: Any, vectors: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Queries, keys, values (T, depth) of every head for normalised tokens (T, C)."""
    attention = block.attn
    depth = vectors.shape[-1] // attention.num_heads
    mixed = vectors @ attention.in_proj_weight.T + attention.in_proj_bias
    parts = mixed.split(vectors.shape[-1], dim=-1)
    return tuple([part[:, i : i + depth] for i in range(0, part.shape[-1], depth)] for part in parts)  # type: ignore[return-value]


def mlp(block: Any, tokens: Tensor) -> Tensor:
    wide = block.mlp.c_fc(block.ln_2(tokens))
    return block.mlp.c_proj(wide * torch.sigmoid(1.702 * wide))


def vit_layers(model: Any, pixels: Tensor, *, padding: int = 0, positions: Tensor | None = None) -> list[Tensor]:
    """Tokens (T, C) before every block, and after the last."""
    visual = model.visual
    patches = F.conv2d(pixels, visual.conv1.weight, stride=visual.conv1.stride, padding=padding)[0].flatten(1).T
    tokens = torch.cat([visual.class_embedding[None], patches])
    tokens = visual.ln_pre(tokens + (visual.positional_embedding if positions is None else positions))
    layers = [tokens]
    for block in visual.transformer.resblocks:
        outputs = []
        for query, key, value in zip(*heads(block, block.ln_1(tokens)), strict=True):
            outputs.append((query @ key.T / query.shape[-1] ** 0.5).softmax(dim=-1) @ value)
        tokens = tokens + block.attn.out_proj(torch.cat(outputs, dim=-1))
        tokens = tokens + mlp(block, tokens)
        layers.append(tokens)
    return layers


def head_of(model: Any, tokens: Tensor) -> Tensor:
    return model.visual.ln_post(tokens) @ model.visual.proj


def masked_token(model: Any, pixels: Tensor, weights: Tensor, first: int) -> Tensor:
    """CLS feature with patch tokens times `weights` (P,) before every block from `first` on: (D,)."""
    visual = model.visual
    tokens = vit_layers(model, pixels)[first]
    for block in visual.transformer.resblocks[first:]:
        tokens = torch.cat([tokens[:1], tokens[1:] * weights[:, None]])
        outputs = []
        for query, key, value in zip(*heads(block, block.ln_1(tokens)), strict=True):
            outputs.append((query @ key.T / query.shape[-1] ** 0.5).softmax(dim=-1) @ value)
        tokens = tokens + block.attn.out_proj(torch.cat(outputs, dim=-1))
        tokens = tokens + mlp(block, tokens)
    return head_of(model, tokens[0])


def region_token(model: Any, layers: list[Tensor], inside: Tensor) -> Tensor:
    """One token that runs beside the patches and sees those `inside` (P,) and itself: (D,)."""
    token = layers[0][:1]
    for block, tokens in zip(model.visual.transformer.resblocks, layers, strict=False):
        seen = block.ln_1(torch.cat([tokens[1:][inside], token]))
        outputs = []
        for query, key, value in zip(*heads(block, seen), strict=True):
            outputs.append((query[-1:] @ key.T / query.shape[-1] ** 0.5).softmax(dim=-1) @ value)
        token = token + block.attn.out_proj(torch.cat(outputs, dim=-1))
        token = token + mlp(block, token)
    return head_of(model, token[0])


def value_path(model: Any, layers: list[Tensor], *, residual: bool = True, feed_forward: bool = True) -> Tensor:
    """(P, D)"""
    block = model.visual.transformer.resblocks[-1]
    tokens = layers[-2][1:]
    _, _, values = heads(block, block.ln_1(tokens))
    out = block.attn.out_proj(torch.cat(values, dim=-1))
    out = out + tokens if residual else out
    return head_of(model, out + mlp(block, out) if feed_forward else out)


def surgery(model: Any, layers: list[Tensor], depth: int) -> Tensor:
    """(T, D): CLS of the original path and patches of the value-value path."""
    blocks = model.visual.transformer.resblocks
    path = layers[len(blocks) - depth]
    for block, tokens in list(zip(blocks, layers, strict=False))[-depth:]:
        _, _, values = heads(block, block.ln_1(tokens))
        outputs = [(value @ value.T / value.shape[-1] ** 0.5).softmax(dim=-1) @ value for value in values]
        path = path + block.attn.out_proj(torch.cat(outputs, dim=-1))
    return head_of(model, torch.cat([layers[-1][:1], path[1:]]))


def gem(model: Any, layers: list[Tensor], depth: int, iterations: int) -> Tensor:
    """(P, D)"""
    blocks = model.visual.transformer.resblocks
    path = layers[len(blocks) - depth]
    for block, tokens in list(zip(blocks, layers, strict=False))[-depth:]:
        normed = block.ln_1(tokens)
        outputs = []
        for triple in zip(*heads(block, normed), strict=True):
            value = triple[2]
            scale = normed.norm(dim=-1).mean() / value.shape[-1] ** 0.5
            mixed = torch.zeros_like(value)
            for vectors in triple:
                for _ in range(iterations):
                    vectors = (unit(vectors) @ unit(vectors).T * scale).softmax(dim=-1) @ unit(vectors)
                mixed = mixed + (unit(vectors) @ unit(vectors).T * scale).softmax(dim=-1) @ value
            outputs.append(mixed / 3)
        path = path + block.attn.out_proj(torch.cat(outputs, dim=-1))
    return head_of(model, path[1:])


# -- the RN


def rn_map(model: Any, pixels: Tensor) -> Tensor:
    """(1, C, g, g) before attention pooling."""
    visual = model.visual
    return visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(pixels)))))
