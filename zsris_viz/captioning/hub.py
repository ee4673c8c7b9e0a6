"""Captioners of the transformers library, GIT, BLIP and BLIP-2, from the Hugging Face hub or from a folder."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from zsris_viz.captioning.base import Captioner
from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.io.hashing import weights_hash
from zsris_viz.models.devices import resolve_device
from zsris_viz.models.huggingface import model_type, read_pretrained

if TYPE_CHECKING:
    from zsris_viz.io.cache import DiskCache

#: Class in transformers, largest number of tokens and number of beams for each `model_type` of `config.json`.
KINDS = {
    "git": ("GitForCausalLM", 50, 1),
    "blip": ("BlipForConditionalGeneration", 20, 3),
    "blip-2": ("Blip2ForConditionalGeneration", 30, 5),
}
BUILTIN = 'load_captioner("miniature")'
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
SAMPLED = 64  # number of values of each weight that enter the fingerprint


class HubCaptioner(Captioner):
    """A GIT (Wang et al., 2022), BLIP (Li et al., 2022) or BLIP-2 (Li et al., 2023) captioner; see `load_captioner`.

    Args:
        name: Name for tables.
        source: A folder, or a Hugging Face id.
        device: Device of the model; None for CUDA if it is available, and otherwise the CPU.
        dtype: Type of the weights; None for float16 on CUDA and float32 on other devices.
        eight_bit: Whether to quantise the weights to 8 bits with bitsandbytes; None to do so for BLIP-2 on CUDA if
            bitsandbytes is installed.
        max_tokens: Largest number of tokens of a caption; None for 50 with GIT, 20 with BLIP and 30 with BLIP-2.
        beams: Number of beams, 1 for greedy decoding; None for 1 with GIT, 3 with BLIP, as in its authors' example, and
            5 with BLIP-2, as in the code of TAS.
        prompt: Text that BLIP-2 continues, such as "a photo of"; it is not part of the caption.
        batch_size: See :class:`~zsris_viz.captioning.base.Captioner`.
        cache: See :class:`~zsris_viz.captioning.base.Captioner`.

    Attributes:
        kind: "git", "blip" or "blip-2".
        model: The transformers model.
        processor: The transformers processor.
        device: Device of the model.
        dtype: Type of the weights.
        eight_bit: Whether the weights are quantised.
    """

    def __init__(
        self,
        name: str,
        source: str | os.PathLike[str],
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        eight_bit: bool | None = None,
        max_tokens: int | None = None,
        beams: int | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        cache: bool | DiskCache = True,
    ) -> None:
        super().__init__(name, batch_size=batch_size, cache=cache)
        self.device = resolve_device(device)
        self.dtype = dtype or (torch.float16 if self.device.type == "cuda" else torch.float32)
        if self.dtype not in DTYPES:
            raise InvalidTypeError(f"dtype={dtype!r} is no float type; use torch.float32, float16 or bfloat16.")
        self.kind = model_type(source, KINDS, BUILTIN)
        cls, tokens, default_beams = KINDS[self.kind]
        self.max_tokens = _at_least_one("max_tokens", max_tokens or tokens if max_tokens != 0 else 0)
        self.beams = _at_least_one("beams", beams or default_beams if beams != 0 else 0)
        if prompt and self.kind != "blip-2":
            raise InvalidInputError(f"prompt={prompt!r} was given; only BLIP-2 captioners continue a prompt.")
        self.prompt = (prompt or "").strip()
        self.eight_bit = _eight_bit(eight_bit, self.kind, self.device)
        self.model, self.processor = self._read(source, cls)
        self._fingerprint = weights_hash(self.model, samples=SAMPLED)[:16]
        limit = getattr(self.model.config, "max_position_embeddings", None) if self.kind == "git" else None
        self.max_tokens = self.max_tokens if limit is None else min(self.max_tokens, int(limit))

    def _read(self, source: str | os.PathLike[str], cls: str) -> tuple[Any, Any]:
        if not self.eight_bit:
            model, processor = read_pretrained(source, cls, dtype=self.dtype, builtin=BUILTIN)
            return model.to(self.device), processor
        from transformers import BitsAndBytesConfig

        options = {"quantization_config": BitsAndBytesConfig(load_in_8bit=True), "device_map": {"": self.device}}
        return read_pretrained(source, cls, dtype=self.dtype, builtin=BUILTIN, **options)

    @property
    def settings(self) -> dict[str, Any]:
        """Return all settings that influence a caption, see `Captioner.settings`."""
        return {
            "kind": self.kind,
            "weights": self._fingerprint,
            "dtype": str(self.dtype).removeprefix("torch."),
            "eight_bit": self.eight_bit,
            "max_tokens": self.max_tokens,
            "beams": self.beams,
            "prompt": self.prompt,
        }

    def _generate(self, images: list[Image.Image]) -> list[str]:
        pixels = self.processor.image_processor(images=images, return_tensors="pt").pixel_values
        inputs: dict[str, Any] = {"pixel_values": pixels.to(device=self.device, dtype=self.dtype)}
        if self.kind in ("git", "blip"):
            limit, start = {"max_length": self.max_tokens}, 0
        else:
            ids = self._prompt_ids()
            inputs["input_ids"] = ids.repeat(len(images), 1)
            limit, start = {"max_new_tokens": self.max_tokens}, ids.shape[1]
        with torch.inference_mode():
            out = self.model.generate(**inputs, **limit, num_beams=self.beams, do_sample=False)
        tokens = out.cpu()
        if self.kind == "blip-2" and tokens.shape[1] >= start and (tokens[:, :start] == ids.cpu()).all():
            tokens = tokens[:, start:]  # only some versions of transformers return the prompt too
        return [text.strip() for text in self.processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)]

    def _prompt_ids(self) -> torch.Tensor:
        """Return token ids (1, Q + L): placeholders of the image's query tokens, then the prompt or the start token."""
        config = self.model.config
        place = config.image_token_index
        if place is None:  # the first published checkpoints have no image token; any id can be used
            place = config.image_token_index = config.text_config.pad_token_id
        ids = self.processor.tokenizer(self.prompt)["input_ids"] if self.prompt else [config.text_config.bos_token_id]
        return torch.tensor([[place] * config.num_query_tokens + list(ids)], device=self.device)


def _eight_bit(wanted: bool | None, kind: str, device: torch.device) -> bool:
    """Return whether to quantise the weights; None means only for BLIP-2 on CUDA with bitsandbytes."""
    if wanted is False:
        return False
    from importlib.util import find_spec

    installed = find_spec("bitsandbytes") is not None
    if wanted is None:
        return kind == "blip-2" and device.type == "cuda" and installed
    if not installed:
        raise UnavailableError(
            "eight_bit=True needs bitsandbytes, which is not installed: pip install bitsandbytes, or eight_bit=False."
        )
    if device.type != "cuda":
        warnings.warn(f"eight_bit=True on {device.type} depends on bitsandbytes' own support.", ZsrisWarning, 4)
    return True


def _at_least_one(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidInputError(f"{name}={value!r} was given; a whole number from 1 up is accepted.")
    return value
