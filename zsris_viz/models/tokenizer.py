"""Tokenizer of CLIP, which also returns the characters that each token covers."""

from __future__ import annotations

import gzip
import html
import importlib.util
import warnings
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import torch

from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.models.text_tokens import Overflow, TextTokens, check_overflow

OPENAI_VOCABULARY = 49408


class ClipTokenizer:
    """The byte-pair encoding of CLIP, based on a `CLIPTokenizer` of transformers.

    A special token that is spelled out in a text (`"<|endoftext|>"`) is ordinary text: only the end of a text gets the
    end token. Characters that a small vocabulary lacks become the unknown token, with a ZsrisWarning.

    Args:
        tokenizer: The `CLIPTokenizer`.
        context_length: Largest number of tokens in a text, start and end tokens included.
        clean: Whether to apply OpenAI's text cleaning (ftfy, HTML entities) first, which transformers leaves out.
        pad_id: Id for padding. OpenAI pads with 0, Hugging Face models with their pad token, the default.
    """

    def __init__(self, tokenizer: Any, *, context_length: int, clean: bool = False, pad_id: int | None = None) -> None:
        self.hf = tokenizer
        self.context_length = context_length
        self.clean = clean
        self.start_id, self.end_id = int(tokenizer.bos_token_id), int(tokenizer.eos_token_id)
        self.pad_id = int(tokenizer.pad_token_id if pad_id is None else pad_id)
        self.vocab_size = max(tokenizer.get_vocab().values()) + 1
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_padding()
        self._backend.no_truncation()
        self._backend.encode_special_tokens = True
        self._bytes = {letter: byte for byte, letter in byte_letters().items()}

    @classmethod
    def openai(cls, *, vocab_size: int = OPENAI_VOCABULARY, context_length: int = 77) -> ClipTokenizer:
        """Return OpenAI's vocabulary, read from a file of the installed open_clip package.

        Args:
            vocab_size: Number of entries. A smaller vocabulary keeps the first merges, so that shared tokens keep their
                ids; its last two ids are the start and end tokens, as in the full vocabulary.
            context_length: Largest number of tokens in a text.

        Raises:
            InvalidInputError: If `vocab_size` is below 514 (256 bytes, each with and without the end-of-word mark, and
                two special tokens) or above 49408.
            UnavailableError: If open_clip is not installed.
        """
        if not 514 <= vocab_size <= OPENAI_VOCABULARY:
            raise InvalidInputError(
                f"a vocabulary of {vocab_size} tokens cannot be cut from OpenAI's 49408; it takes 514 to 49408. "
                "Give the model's own tokenizer: load_clip(..., tokenizer=folder with vocab.json and merges.txt)."
            )
        from transformers import CLIPTokenizer

        merges = _openai_merges()[: vocab_size - 514]
        letters = list(byte_letters().values())
        entries = letters + [letter + "</w>" for letter in letters] + ["".join(merge) for merge in merges]
        vocab = {entry: i for i, entry in enumerate([*entries, "<|startoftext|>", "<|endoftext|>"])}
        hf = CLIPTokenizer(vocab=vocab, merges=merges)  # type: ignore[arg-type]
        return cls(hf, context_length=context_length, clean=True, pad_id=0)

    @classmethod
    def from_folder(cls, folder: str | Path, *, context_length: int) -> ClipTokenizer:
        """Return the tokenizer of a Hugging Face folder (tokenizer.json, or vocab.json and merges.txt)."""
        from transformers import CLIPTokenizer

        try:
            tokenizer = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        except Exception as error:
            raise CorruptFileError(f"cannot read the tokenizer files in {folder}: {error}") from error
        return cls(tokenizer, context_length=context_length)

    @classmethod
    def from_hub(cls, name: str, *, context_length: int) -> ClipTokenizer:
        """Return the tokenizer of a Hugging Face id; raise UnavailableError if it cannot be fetched."""
        from transformers import CLIPTokenizer

        try:
            return cls(CLIPTokenizer.from_pretrained(name, trust_remote_code=False), context_length=context_length)
        except Exception as error:
            raise UnavailableError(
                f"the tokenizer of {name!r} cannot be fetched ({type(error).__name__}); give tokenizer=folder."
            ) from error

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
            on_overflow: Treatment of a text that exceeds the context length: "warn" (cut it before its end token, with
                a ZsrisWarning that quotes the lost part), "error" or "ignore" (cut it).
            allow_empty: Whether a text without any token is accepted. (The feature of the empty text is the reference
                of CLIP Surgery.)
            length: Number of tokens to which texts are padded; by default that of the longest text. The
                features do not depend on it, because attention is causal.

        Returns:
            The tokens, on the CPU.

        Raises:
            InvalidTypeError: If a text is not a string.
            InvalidInputError: If there is no text, a text has no visible character, `on_overflow` is unknown or
                `length` is out of range, or a text is too long with "error".
        """
        batch = (texts,) if isinstance(texts, str) else tuple(texts)
        check_overflow(on_overflow)
        if not batch:
            raise InvalidInputError('an empty list of texts was given; give at least one, e.g. ["the left cat"].')
        rows = [self._encode(text, on_overflow, allow_empty) for text in batch]
        longest = max(len(ids) for ids, _, _ in rows)
        if length is not None and not longest <= length <= self.context_length:
            raise InvalidInputError(
                f"length={length} must lie between {longest} (longest text) and {self.context_length}."
            )
        ids = torch.full((len(rows), length or longest), self.pad_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for i, (row, _, _) in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        return TextTokens(
            texts=batch,
            ids=ids,
            attention_mask=mask,
            end=torch.tensor([len(row) - 1 for row, _, _ in rows]),
            pieces=[[self._piece(i) for i in row] for row, _, _ in rows],
            spans=[spans for _, spans, _ in rows],
            lost=tuple(lost for _, _, lost in rows),
        )

    def _encode(
        self, text: str, on_overflow: Overflow, allow_empty: bool
    ) -> tuple[list[int], list[tuple[int, int]], str]:
        """Return ids with start and end token, character spans, and the part that was cut off."""
        if not isinstance(text, str):
            raise InvalidTypeError(f'a text is a string, e.g. "the left cat"; {type(text).__name__} was given.')
        cleaned = _repair(text) if self.clean else text
        encoding = self._backend.encode(cleaned, add_special_tokens=False)
        ids, spans = list(encoding.ids), _original_spans(text, cleaned, encoding.offsets)
        if not ids and not allow_empty:
            raise InvalidInputError(
                f'the text {text!r} is empty; give words that describe an object, e.g. "the left cat".'
            )
        lost, limit = "", self.context_length - 2
        if len(ids) > limit:
            lost = text[spans[limit][0] :].strip()
            message = (
                f"the text has {len(ids) + 2} tokens and CLIP reads {self.context_length}: "
                f"{'would lose' if on_overflow == 'error' else 'lost'} {lost!r}. Shorten it to keep its meaning."
            )
            if on_overflow == "error":
                raise InvalidInputError(message)
            if on_overflow == "warn":
                warnings.warn(message, ZsrisWarning, stacklevel=4)
            ids, spans = ids[:limit], spans[:limit]
        if self.end_id in ids:
            unknown = "".join(text[a:b] for i, (a, b) in zip(ids, spans, strict=True) if i == self.end_id)
            warnings.warn(
                f"this model's vocabulary has no characters {unknown!r}; it cannot read them.",
                ZsrisWarning,
                stacklevel=4,
            )
        return [self.start_id, *ids, self.end_id], [(0, 0), *spans, (len(text), len(text))], lost

    def _piece(self, token: int) -> str:
        """Return a token as readable text; incomplete characters become the replacement character."""
        if token in (self.start_id, self.end_id):
            return "[start]" if token == self.start_id else "[end]"
        raw = self.hf.convert_ids_to_tokens(token).removesuffix("</w>")
        return bytes(self._bytes[char] for char in raw if char in self._bytes).decode("utf-8", errors="replace")


def _repair(text: str) -> str:
    """Clean a text as OpenAI does: repair encoding and HTML entities, collapse white space, convert to lower case."""
    import ftfy

    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split()).lower()


def _original_spans(text: str, cleaned: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans of `cleaned` as spans of `text`; a repaired part maps to the whole part that it replaces."""
    if len(text) == len(cleaned):
        return list(spans)
    first, last = [0] * len(cleaned), [0] * len(cleaned)
    for tag, a, b, c, d in SequenceMatcher(None, text.lower(), cleaned, autojunk=False).get_opcodes():
        for offset, i in enumerate(range(c, d)):
            first[i], last[i] = (a + offset, a + offset + 1) if tag == "equal" else (a, b)
    limit = len(text)
    return [(min(first[a], limit), min(last[b - 1], limit)) if b > a else (0, 0) for a, b in spans]


def byte_letters() -> dict[int, str]:
    """Return the letter that stands for each byte in byte-level BPE (Radford et al., GPT-2), in vocabulary order.

    Visible characters of Latin-1 stand for themselves, and the letters from U+0100 on for the other bytes.
    """
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


def _openai_merges() -> list[tuple[str, str]]:
    """Return OpenAI's 48,894 merges from a file of open_clip, without importing the package."""
    spec = importlib.util.find_spec("open_clip")
    path = Path(spec.origin).with_name("bpe_simple_vocab_16e6.txt.gz") if spec and spec.origin else None
    if path is None or not path.is_file():
        raise UnavailableError(
            "OpenAI's vocabulary comes with open_clip, which is not installed: pip install open_clip_torch."
        )
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    pairs = [tuple(line.split()) for line in lines[1 : OPENAI_VOCABULARY - 514 + 1]]
    return [(left, right) for left, right in pairs]
