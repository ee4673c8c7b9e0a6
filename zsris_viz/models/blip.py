"""BLIP and BLIP-2 with their contrastive heads, and the model class that ALBEF shares with them."""

from __future__ import annotations

import os
import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.errors import InvalidInputError, InvalidTypeError, ZsrisWarning
from zsris_viz.models.base import ImageTextModel, Texts, check_batch_size
from zsris_viz.models.blocks import autograd_mode
from zsris_viz.models.devices import resolve_device
from zsris_viz.models.huggingface import model_type, read_pretrained
from zsris_viz.models.preprocessing import Preprocess
from zsris_viz.models.text_tokens import TextTokens

#: model_type of config.json -> (class in transformers, longest text in tokens, as the authors set it).
KINDS = {"blip": ("BlipForImageTextRetrieval", 35), "blip-2": ("Blip2ForImageTextRetrieval", 32)}


class BlipModel(ImageTextModel):
    """ALBEF, BLIP or BLIP-2 with its image-text contrastive head; `load_clip` creates instances.

    ALBEF (Li et al., 2021) and BLIP (Li et al., 2022) have one feature for an image and one for a text, and their
    cosine is the similarity. In BLIP-2 (Li et al., 2023) an image has a feature for each of its Q query tokens, and its
    similarity to a text is the largest of their cosines; `embed_images` returns all of them in one row.

    The model is not a `LayeredModel`: only whole images and crops can be compared with texts, so that only the methods
    Cropping, Text-only and TAS work with it.

    Attributes:
        family: "albef", "blip" or "blip-2".
        model: The modules of the towers.
        tokenizer: The tokenizer of transformers.
        queries: Q, the number of query tokens; 1 for ALBEF and BLIP.
        text_dim: D, the length of a text feature; `embed_dim` is Q * D.
        context_length: Largest number of tokens in a text.
    """

    kind = "blip"

    def __init__(
        self,
        name: str,
        family: str,
        model: Any,
        tokenizer: Any,
        *,
        text_dim: int,
        queries: int = 1,
        context_length: int,
        preprocess: Preprocess,
        activation: str,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(
            name=name,
            embed_dim=queries * text_dim,
            image_size=preprocess.size,
            preprocess=preprocess,
            activation=activation,
            device=device,
            dtype=dtype,
        )
        self.family, self.model, self.tokenizer = family, model, tokenizer
        self.text_dim, self.queries, self.context_length = text_dim, queries, context_length

    def __repr__(self) -> str:
        return f"BlipModel({self.name!r}, {self.family}, {self.image_size} px, {self.queries} x {self.text_dim})"

    def _encode_images(self, pixels: Tensor) -> Tensor:
        if not len(pixels):
            return torch.zeros(0, self.embed_dim, device=self.device)
        states = self.model.vision_model(pixel_values=pixels).last_hidden_state
        if self.family != "blip-2":
            return self.model.vision_proj(states[:, 0]).float()
        queries = self.model.query_tokens.expand(len(states), -1, -1)
        out = self.model.qformer(
            query_embeds=queries,
            encoder_hidden_states=states,
            encoder_attention_mask=torch.ones(states.shape[:-1], dtype=torch.long, device=states.device),
        ).last_hidden_state
        return self.model.vision_projection(out.to(self.model.vision_projection.weight.dtype)).flatten(1).float()

    def embed_texts(
        self, texts: Texts, *, batch_size: int = 256, allow_empty: bool = False, grad: bool = False
    ) -> Tensor:
        """Return text features in the joint space, (B, D) fp32, not normalised; see `ImageTextModel.embed_texts`.

        A text of more than `context_length` tokens is cut, with a ZsrisWarning.

        Raises:
            InvalidInputError: If a text is empty and `allow_empty` is false.
            InvalidTypeError: If `texts` holds anything but texts; tokens of another model are refused as well.
        """
        listed = _texts(texts, allow_empty)
        self.calls.texts += len(listed)
        parts = []
        with autograd_mode(grad):
            for start in range(0, len(listed), check_batch_size(batch_size)):
                parts.append(self._encode_texts(listed[start : start + batch_size]))
        return torch.cat(parts) if parts else torch.zeros(0, self.text_dim, device=self.device)

    def _encode_texts(self, texts: list[str]) -> Tensor:
        tokenizer = self.tokenizer
        lengths = [len(ids) for ids in tokenizer(texts)["input_ids"]]
        cut = [text for text, length in zip(texts, lengths, strict=True) if length > self.context_length]
        if cut:
            warnings.warn(
                f"{len(cut)} text(s) have more than the {self.context_length} tokens that {self.name!r} reads and are "
                f"cut, the first: {cut[0][:80]!r}",
                ZsrisWarning,
                stacklevel=4,
            )
        tokens = tokenizer(
            texts, padding=True, truncation=True, max_length=self.context_length, return_tensors="pt"
        ).to(self.device)
        mask = tokens["attention_mask"]
        if self.family != "blip-2":
            hidden = self.model.text_encoder(input_ids=tokens["input_ids"], attention_mask=mask).last_hidden_state
            return self.model.text_proj(hidden[:, 0]).float()
        embedded = self.model.embeddings(input_ids=tokens["input_ids"])
        hidden = self.model.qformer(query_embeds=embedded, query_length=0, attention_mask=mask).last_hidden_state
        return self.model.text_projection(hidden[:, 0].to(self.model.text_projection.weight.dtype)).float()

    def similarity(self, images: Tensor, texts: Tensor) -> Tensor:
        """Return the cosines, (B, T) fp32; for BLIP-2, the largest cosine over the query tokens."""
        queries = F.normalize(images.reshape(len(images), self.queries, self.text_dim), dim=-1)
        return torch.einsum("bqd,td->bqt", queries, F.normalize(texts, dim=-1)).amax(dim=1)


def _texts(texts: Any, allow_empty: bool) -> list[str]:
    listed = [texts] if isinstance(texts, str) else texts
    if isinstance(listed, TextTokens) or not all(isinstance(text, str) for text in listed):
        raise InvalidTypeError(
            "texts must be a string or a list of strings; the tokens of another model cannot be used here."
        )
    if not allow_empty and not all(text.strip() for text in listed):
        raise InvalidInputError("an empty text was given; give words, or pass allow_empty=True.")
    return list(listed)


def load_blip(
    source: str | os.PathLike[str],
    *,
    name: str | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> BlipModel:
    """Load BLIP or BLIP-2 with its contrastive head; `load_clip` with the same name does the same.

    Args:
        source: A Hugging Face id such as "Salesforce/blip-itm-base-coco" or "Salesforce/blip2-itm-vit-g", or a folder
            in that format, processor files included.
        name: The name in tables; by default the source.
        device: Name of a device; None for CUDA if present, else the CPU.
        dtype: Number format of the model.

    Raises:
        UnavailableError: If files are missing or cannot be fetched.
        CorruptFileError: If files are damaged or incomplete.
        InvalidInputError: If the model is of another kind.
    """
    where = resolve_device(device)
    family = model_type(source, KINDS)
    cls, longest = KINDS[family]
    model, processor = read_pretrained(source, cls, dtype=dtype)
    config, images = model.config, processor.image_processor
    limit = config.qformer_config if family == "blip-2" else config.text_config
    return BlipModel(
        name or os.fspath(source),
        family,
        model.to(where),
        processor.tokenizer,
        text_dim=config.image_text_hidden_size,
        queries=config.num_query_tokens if family == "blip-2" else 1,
        context_length=min(longest, limit.max_position_embeddings),
        preprocess=Preprocess(
            mean=tuple(images.image_mean), std=tuple(images.image_std), size=config.vision_config.image_size
        ),
        activation=str(config.vision_config.hidden_act),
        device=where,
        dtype=dtype,
    )
