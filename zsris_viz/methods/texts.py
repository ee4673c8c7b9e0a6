"""Features of texts, computed once for each string."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor

from zsris_viz.io.lru import LruDict
from zsris_viz.models.base import ImageTextModel


class TextCache:
    """Text features of one model, which embeds each distinct string once.

    Args:
        clip: The model.
        batch_size: Largest number of texts that are embedded at once.
        size: Largest number of features that are kept, those of the texts that were used last.
    """

    def __init__(self, clip: ImageTextModel, *, batch_size: int = 256, size: int = 20_000) -> None:
        self.clip = clip
        self.batch_size = batch_size
        self._features: LruDict[str, Tensor] = LruDict(size)

    def __len__(self) -> int:
        return len(self._features)

    def __contains__(self, text: str) -> bool:
        return text in self._features

    def features(self, texts: Sequence[str]) -> Tensor:
        """Return the features of texts; only new strings are embedded.

        Args:
            texts: List of n texts; the empty text is allowed.

        Returns:
            Tensor (n, D) of float32, not normalised, in the order of the texts.
        """
        if not texts:
            return torch.zeros(0, self.clip.embed_dim, device=self.clip.device)
        found = {text: self._features.get(text) for text in texts}
        missing = [text for text, feature in found.items() if feature is None]
        if missing:
            features = self.clip.embed_texts(missing, batch_size=self.batch_size, allow_empty=True)
            embedded = dict(zip(missing, features, strict=True))
            self._features.update(embedded)
            found |= embedded
        return torch.stack([cast(Tensor, found[text]) for text in texts])


def mean_feature(features: Iterable[Tensor]) -> Tensor:
    """Compute the normalised mean of normalised features, for an ensemble of prompts.

    Args:
        features: Tensors (D,), at least one.

    Returns:
        Tensor (D,) of unit length.
    """
    stacked = torch.nn.functional.normalize(torch.stack(list(features)), dim=-1)
    return torch.nn.functional.normalize(stacked.mean(dim=0), dim=-1)
