"""Tokenizer of SigLIP and SigLIP 2, which pads all texts to one length, as in the training of the models."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.models.text_tokens import Overflow, TextTokens, check_overflow


class SiglipTokenizer:
    """A tokenizer of transformers that converts texts to lower case and pads them to the context length.

    The text feature is read at the last position, which is padding for all but the longest texts, and padding is not
    masked, as in the training of the models.

    Args:
        tokenizer: The tokenizer of transformers, whose padding side is used.
        context_length: Number of tokens of every text.
    """

    def __init__(self, tokenizer: Any, *, context_length: int) -> None:
        self.hf = tokenizer
        self.context_length = context_length
        self.vocab_size = len(tokenizer)

    @classmethod
    def from_pretrained(cls, source: str | os.PathLike[str], *, context_length: int) -> SiglipTokenizer:
        """Load the tokenizer of a folder or a Hugging Face id.

        Raises:
            UnavailableError: If it cannot be fetched, or needs a package that is missing.
            CorruptFileError: If the files of a folder cannot be read.
        """
        from transformers import AutoTokenizer

        local = Path(source).is_dir()
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(source), local_files_only=local, trust_remote_code=False)
        except ImportError as error:
            raise UnavailableError(
                f"the tokenizer of {source} needs a package that is missing: pip install sentencepiece."
            ) from error
        except Exception as error:
            raise (CorruptFileError if local else UnavailableError)(
                f"the tokenizer of {source} cannot be read ({type(error).__name__}: {str(error)[:200]}); fetch the "
                "model again."
            ) from error
        return cls(tokenizer, context_length=context_length)

    def __call__(
        self,
        texts: str | Sequence[str],
        *,
        on_overflow: Overflow = "warn",
        allow_empty: bool = False,
        length: int | None = None,
    ) -> TextTokens:
        """Tokenize a batch.

        Args:
            texts: A text or a list of texts.
            on_overflow: Treatment of a text with more tokens than the context length: "warn" (cut it with a warning),
                "error" or "ignore" (cut it).
            allow_empty: Whether a text without visible characters is accepted.
            length: Only the context length is accepted, because the models read a text at its last position.

        Returns:
            Tokens whose `end` is the last position. `pieces` and `spans` have an entry for each position, empty for
            padding.

        Raises:
            InvalidTypeError: If `texts` holds anything but texts.
            InvalidInputError: If there is no text, a text is empty, `on_overflow` is unknown, `length` is another
                number, or a text is too long with `on_overflow="error"`.
        """
        batch = (texts,) if isinstance(texts, str) else tuple(texts)
        check_overflow(on_overflow)
        if not batch:
            raise InvalidInputError('an empty list of texts was given; give at least one, e.g. ["the left cat"].')
        for text in batch:
            if not isinstance(text, str):
                raise InvalidTypeError(f'a text is a string, e.g. "the left cat"; {type(text).__name__} was given.')
            if not text.strip() and not allow_empty:
                raise InvalidInputError(f"the text {text!r} is empty; give words that describe an object.")
        if length not in (None, self.context_length):
            raise InvalidInputError(f"length={length} was given; all texts are padded to {self.context_length} tokens.")
        lowered = [text.lower() for text in batch]
        lost = tuple(self._lost(text, on_overflow) for text in lowered)
        encoded = self.hf(
            lowered,
            padding="max_length",
            truncation=True,
            max_length=self.context_length,
            return_attention_mask=True,
            return_offsets_mapping=self.hf.is_fast,
        )
        ids, mask = torch.tensor(encoded["input_ids"]), torch.tensor(encoded["attention_mask"])
        pieces = [
            [piece if kept else "" for piece, kept in zip(self.hf.convert_ids_to_tokens(row), keep, strict=True)]
            for row, keep in zip(encoded["input_ids"], encoded["attention_mask"], strict=True)
        ]
        spans = (
            [[tuple(span) for span in row] for row in encoded["offset_mapping"]]
            if self.hf.is_fast
            else [_find(text, row) for text, row in zip(lowered, pieces, strict=True)]
        )
        end = torch.full((len(batch),), self.context_length - 1)
        return TextTokens(texts=batch, ids=ids, attention_mask=mask, end=end, pieces=pieces, spans=spans, lost=lost)

    def _lost(self, text: str, on_overflow: Overflow) -> str:
        """Return the part of a text that is cut off at its end, or "" if there is none."""
        count = len(self.hf(text)["input_ids"])
        if count <= self.context_length:
            return ""
        kept = self.hf(text, truncation=True, max_length=self.context_length)["input_ids"]
        start = self.hf.decode(kept, skip_special_tokens=True).strip()
        lost = text[len(start) :].strip() if text.startswith(start) else text
        message = (
            f"the text has {count} tokens and the model reads {self.context_length}; cut off: {lost!r}. Shorten the "
            "text to keep its meaning."
        )
        if on_overflow == "error":
            raise InvalidInputError(message)
        if on_overflow == "warn":
            warnings.warn(message, ZsrisWarning, stacklevel=4)
        return lost


def _find(text: str, pieces: Sequence[str]) -> list[tuple[int, int]]:
    """Return the character span of each piece, searched from left to right; empty if a piece is not in the text."""
    spans, start = [], 0
    for piece in pieces:
        word = piece.replace("▁", " ").strip()
        found = text.find(word, start) if word else -1
        spans.append((found, found + len(word)) if found >= 0 else (start, start))
        start = spans[-1][1]
    return spans
