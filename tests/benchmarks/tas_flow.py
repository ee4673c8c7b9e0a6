"""The published flow of TAS, written down plainly: what its benchmark compares with.

For every expression anew: the crops of all masks, and as many copies of the whole image, pass the image tower (the
copies' features are not used in the score), and all captions, padded to 77 tokens, pass the text tower with the
expression (twice), its noun phrase, and the negative phrases. On open_clip's modules, fp32, without gradients, as
published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torchvision.transforms.functional as TF
from PIL import Image
from torch import Tensor

from tests.benchmarks.authors_flow import plain_features, text_feature
from tests.methods.plain import tas_crop, unit
from zsris_viz.models.preprocessing import CLIP_MEAN, CLIP_STD


@dataclass(frozen=True)
class ParsedExpression:
    """An expression with what a captioner and a parser would have made of it."""

    sentence: str
    noun_phrase: str
    negatives: tuple[str, ...]


def whole_image(image: Image.Image, size: int) -> Tensor:
    """OpenAI's transform of the whole image: (3, S, S)."""
    resized = TF.resize(image, [size], interpolation=TF.InterpolationMode.BICUBIC)
    return TF.normalize(TF.to_tensor(TF.center_crop(resized, [size, size])), CLIP_MEAN, CLIP_STD)


@torch.no_grad()
def rank_expressions(
    model: Any,
    tokenize: Any,
    image: Image.Image,
    masks: Tensor,
    captions: list[str],
    expressions: list[ParsedExpression],
    *,
    alpha: float = 0.1,
    lam: float = 0.7,
    copies: bool = True,
) -> list[Tensor]:
    """Scores (N,) for every expression, without the constant logit scale.

    Args:
        tokenize: text -> ids (1, 77).
        copies: the whole image once for every mask, as published; False: once for an expression.
    """
    size = model.visual.image_size[0]
    crops, wholes = [], []
    for mask in masks:
        wholes.append(whole_image(image, size))
        crops.append(tas_crop(image, mask, size))
    stacked = torch.stack(crops)
    repeated = torch.stack(wholes if copies else wholes[:1])

    def texts(sentences: list[str]) -> Tensor:
        return unit(text_feature(model, torch.cat([tokenize(sentence) for sentence in sentences])))

    scores = []
    for expression in expressions:
        plain_features(model, repeated)
        seen = unit(plain_features(model, stacked))
        sentence = texts([expression.sentence])[0]
        texts([expression.noun_phrase])
        captioned = texts(captions)
        again = texts([expression.sentence])[0]
        negatives = texts([f"a photo of {phrase}" for phrase in expression.negatives])
        scores.append(seen @ sentence + alpha * captioned @ again - lam * (seen @ negatives.T).mean(dim=1))
    return scores
