"""Batches of pictures and captions for the miniature CLIP, and its loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zsris_viz.miniature.training.caption_truth import Claim, possible
from zsris_viz.miniature.training.captions import caption, corrupted
from zsris_viz.miniature.training.tokenizer import END, START, word_ids
from zsris_viz.miniature.training.training_data import PictureStore


class Batches:
    """Batches of pixels, caption ids and which captions are surely wrong for which pictures."""

    def __init__(self, side: int, seed: int) -> None:
        self.store = PictureStore(side, seed=seed)
        self.rng = np.random.default_rng(seed + 1)
        self.words = word_ids()
        (self.end,) = self.words[END]

    def encode(self, text: str) -> list[int]:
        """The token ids of a caption, with start and end."""
        return [token for word in (START, *text.split(), END) for token in self.words[word]]

    def draw(self, pictures: int, progress: float, captions: int = 3) -> dict[str, Any]:
        """One batch.

        Args:
            pictures: B.
            progress: share of the training done, 0-1; single objects give way to whole scenes.
            captions: true captions a picture.

        Returns:
            pixels (B, S, S, 3) uint8; ids (T, length) int64 of the B * captions true and then the B wrong captions;
            maybe (T, B) bool; kinds: the slip of each wrong caption.
        """
        images, facts = self.store.batch(pictures, singles=0.7 - 0.6 * min(progress * 2.5, 1), cuts=0.2)
        texts: list[str] = []
        claims: list[Claim] = []
        wrong: list[tuple[str, Claim, str]] = []
        for row in facts:
            said = [caption(self.rng, row) for _ in range(captions)]
            texts += [text for text, _ in said]
            claims += [claim for _, claim in said]
            wrong.append(corrupted(self.rng, said[int(self.rng.integers(captions))][1], row))
        texts += [text for text, _, _ in wrong]
        claims += [claim for _, claim, _ in wrong]
        encoded = [self.encode(text) for text in texts]
        longest = max(len(ids) for ids in encoded)
        ids = torch.full((len(encoded), longest), self.end)
        for row_index, row_ids in enumerate(encoded):
            ids[row_index, : len(row_ids)] = torch.tensor(row_ids)
        return {
            "pixels": torch.from_numpy(images),
            "ids": ids,
            "maybe": torch.from_numpy(possible(claims, facts)),
            "kinds": [kind for _, _, kind in wrong],
        }


def contrastive_loss(logits: Tensor, maybe: Tensor, captions: int) -> Tensor:
    """InfoNCE with several captions a picture and known false negatives.

    Args:
        logits: (T, B); rows are the captions of picture 0, of picture 1, ..., then one wrong caption of each picture.
        maybe: (T, B) bool, True where the caption may be true of the picture; such a pair is no negative.
        captions: true captions a picture.
    """
    pictures = logits.shape[1]
    count = pictures * captions
    own = torch.arange(count, device=logits.device) // captions
    positive = logits[torch.arange(count, device=logits.device), own]
    negatives = logits.masked_fill(maybe, -torch.inf)
    over_pictures = torch.logaddexp(positive, negatives[:count].logsumexp(1)) - positive
    over_texts = torch.logaddexp(positive, negatives.logsumexp(0)[own]) - positive
    return (over_pictures.mean() + over_texts.mean()) / 2


def patch_logits(patches: Tensor, texts: Tensor, sharpness: float = 20.0) -> Tensor:
    """How well the best patch of each picture meets each caption: a smooth maximum of cosines.

    Args:
        patches: (B, P, D), normalised. texts: (T, D), normalised.
        sharpness: the higher, the nearer to the plain maximum.

    Returns:
        (T, B), to be scaled as cosines are.
    """
    cosines = torch.einsum("td,bpd->tbp", texts, patches)
    return ((cosines * sharpness).logsumexp(-1) - math.log(patches.shape[1])) / sharpness


def encode_by_length(towers: nn.Module, ids: Tensor, end: int, groups: int = 4) -> Tensor:
    """The features of captions, (T, D), run in groups of like length, since text costs as much as pictures
    otherwise."""
    lengths = (ids != end).sum(1) + 1
    order = lengths.argsort()
    parts = [towers.texts(ids[rows, : int(lengths[rows].max())]) for rows in order.chunk(groups)]  # type: ignore[operator]
    return torch.cat(parts)[order.argsort()]
