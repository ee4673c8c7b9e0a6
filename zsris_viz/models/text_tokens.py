"""Tokenized texts with the characters that each token covers, and the interface of tokenizers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError

Overflow = Literal["warn", "error", "ignore"]


def check_overflow(on_overflow: str) -> None:
    """Raise InvalidInputError unless `on_overflow` is one of `Overflow`."""
    accepted = get_args(Overflow)
    if on_overflow not in accepted:
        raise InvalidInputError(f"on_overflow={on_overflow!r} is unknown; use one of {', '.join(accepted)}.")


@dataclass(frozen=True)
class TextTokens:
    """A batch of tokenized texts.

    Attributes:
        texts: The texts as given.
        ids: (B, T) int64, padded.
        attention_mask: (B, T) int64, 1 on tokens and 0 on padding.
        end: (B,) int64, the position at which the text tower is read: the end token for CLIP.
        pieces: The readable token strings of each text, with the start and end tokens and without padding.
        spans: The characters of `texts[b]`, (first, last + 1), that each of these tokens covers; empty for the start
            and end tokens.
        lost: The part of each text that was cut off at the context length, or "".
    """

    texts: tuple[str, ...]
    ids: Tensor
    attention_mask: Tensor
    end: Tensor
    pieces: list[list[str]]
    spans: list[list[tuple[int, int]]]
    lost: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def to(self, device: torch.device | str) -> TextTokens:
        """Return the same tokens with the tensors on `device`."""
        return replace(
            self, ids=self.ids.to(device), attention_mask=self.attention_mask.to(device), end=self.end.to(device)
        )

    def tokens_of(self, start: int, end: int, row: int = 0) -> list[int]:
        """Return the positions of the tokens that cover any of the characters `start` to `end` of a text.

        Args:
            start: The first character.
            end: The position after the last character.
            row: Number of the text in the batch.

        Returns:
            Positions; an empty list for white space, and for characters that were cut off at the context length.
        """
        return [i for i, (first, last) in enumerate(self.spans[row]) if first < end and last > start and last > first]

    def words(self, row: int = 0) -> list[tuple[str, tuple[int, int], list[int]]]:
        """Return (word, (start, end) in characters, token positions) for each whitespace-separated word of a text."""
        found = re.finditer(r"\S+", self.texts[row])
        return [(match.group(), match.span(), self.tokens_of(*match.span(), row=row)) for match in found]


class TextTokenizer(Protocol):
    """Interface of the tokenizers of a `LayeredModel`."""

    context_length: int

    def __call__(
        self,
        texts: str | Sequence[str],
        *,
        on_overflow: Overflow = "warn",
        allow_empty: bool = False,
        length: int | None = None,
    ) -> TextTokens:
        """Tokenize a batch; see `ClipTokenizer` and `SiglipTokenizer`."""
        ...
