"""Models of open_clip by name (EVA, DFN, MetaCLIP, LAION and others); a plain ViT is loaded as a `VitClip`."""

from __future__ import annotations

import dataclasses
import difflib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.models.base import ImageTextModel, Texts, check_batch_size
from zsris_viz.models.blocks import autograd_mode
from zsris_viz.models.checkpoints import check_finite
from zsris_viz.models.devices import compute_dtype, resolve_device, resolve_dtype
from zsris_viz.models.openai_layout import is_openai_layout, read_shape
from zsris_viz.models.preprocessing import CLIP_MEAN, CLIP_STD, Preprocess, get_preprocess
from zsris_viz.models.products import use_onednn
from zsris_viz.models.tokenizer import OPENAI_VOCABULARY, ClipTokenizer
from zsris_viz.models.vit import VitClip
from zsris_viz.models.vit_modules import VitModel, build_vit_model

PREFIX = "open_clip:"
_SCHEMES = ("local-dir:", "hf-hub:")


class OpenClipModel(ImageTextModel):
    """A model of open_clip that embeds images and texts; `load_clip("open_clip:NAME/PRETRAINED")` creates instances.

    Towers whose layers this package can run are loaded as `VitClip` instead.

    Attributes:
        model: The model of open_clip, frozen.
        tokenizer: Its tokenizer, which returns the ids (B, T) int64 of texts.
        context_length: Number of tokens of every text.
    """

    kind = "open_clip"

    def __init__(self, model: Any, tokenizer: Any, **shared: Any) -> None:
        super().__init__(activation="unknown", **shared)
        self.model = model
        self.tokenizer = tokenizer
        self.context_length = int(model.context_length)

    def __repr__(self) -> str:
        return f"OpenClipModel({self.name!r}, {self.image_size} px, D = {self.embed_dim})"

    def _encode_images(self, pixels: Tensor) -> Tensor:
        return self.model.encode_image(pixels).float()

    def embed_texts(
        self, texts: Texts, *, batch_size: int = 256, allow_empty: bool = False, grad: bool = False
    ) -> Tensor:
        """Return text features in the joint space, (B, D) fp32, not normalised; see `ImageTextModel.embed_texts`."""
        listed: list[Any] = [texts] if isinstance(texts, str) or not isinstance(texts, Sequence) else list(texts)
        for text in listed:
            if not isinstance(text, str):
                raise InvalidTypeError(f"a text is a string, e.g. 'the left cat'; {type(text).__name__} was given.")
            if not allow_empty and not text.strip():
                raise InvalidInputError("an empty text was given; give words, or pass allow_empty=True.")
        self.calls.texts += len(listed)
        parts = [torch.zeros(0, self.embed_dim, device=self.device)]
        with autograd_mode(grad):
            for start in range(0, len(listed), check_batch_size(batch_size)):
                ids = self.tokenizer(listed[start : start + batch_size], context_length=self.context_length)
                self._warn_of_cut_texts(listed[start : start + batch_size], ids)
                parts.append(self.model.encode_text(ids.to(self.device)).float())
        return torch.cat(parts)

    def _warn_of_cut_texts(self, texts: list[str], ids: Tensor) -> None:
        """Warn about texts that were cut: their tokens differ if the context is longer by one token."""
        longer = self.tokenizer(texts, context_length=self.context_length + 1)[:, : self.context_length]
        cut = [text for text, differs in zip(texts, (longer != ids).any(dim=1).tolist(), strict=True) if differs]
        if cut:
            warnings.warn(
                f"{len(cut)} text(s) have more than the {self.context_length} tokens that {self.name!r} reads and are "
                f"cut, the first: {cut[0][:80]!r}",
                ZsrisWarning,
                stacklevel=3,
            )


def load_open_clip(
    name: str,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    preprocess: str | Preprocess = "clip",
    attention: str = "sdpa",
) -> ImageTextModel:
    """Load a model of open_clip; `load_clip` with the same name does the same.

    A plain ViT with CLIP's causal text tower (LAION, DFN, MetaCLIP) becomes a `VitClip`, whose layers are accessible;
    any other model (EVA, CoCa, other text towers) an `OpenClipModel`. Weights are read by open_clip with
    torch's `weights_only=True`, so no code of a file is run.

    Args:
        name: "open_clip:NAME/PRETRAINED", for example "open_clip:ViT-B-16/metaclip_400m"; PRETRAINED is a tag of
            `open_clip.list_pretrained()`, or the path of a weights file. Further forms are
            "open_clip:local-dir:FOLDER" and "open_clip:hf-hub:OWNER/NAME".
        device: As for `load_clip`.
        dtype: As for `load_clip`.
        preprocess: A preset or a Preprocess; "clip" stands for the model's own mean and standard deviation.
        attention: "eager" or "sdpa", for a `VitClip`.

    Raises:
        InvalidInputError: If the name or tag is unknown.
        UnavailableError: If the weights are not on this machine and cannot be fetched, or cannot be read.
    """
    import open_clip

    where = resolve_device(device)
    kept = resolve_dtype(dtype, where)
    computing = compute_dtype(kept, where)
    architecture, tag = _split(name)
    options = open_clip.get_pretrained_cfg(architecture, tag) if tag else {}
    try:
        model: Any = open_clip.create_model(
            architecture,
            tag,
            force_quick_gelu=bool(options.get("quick_gelu", False)),
            require_pretrained=True,
            pretrained_text=False,
            weights_only=True,
        )
        own = open_clip.get_model_preprocess_cfg(model) | {
            key: options[key] for key in ("mean", "std", "interpolation") if key in options
        }
    except Exception as error:  # the library raises errors of many classes
        raise UnavailableError(
            f"{name!r} could not be loaded by open_clip ({type(error).__name__}: {str(error)[:200]}). Give the path of "
            f"its weights, '{PREFIX}{architecture}/FILE', or use load_clip('miniature'), which needs no download."
        ) from error
    model = use_onednn(model.eval().requires_grad_(False))
    check_finite(model, name)
    size = own["size"] if isinstance(own["size"], int) else own["size"][0]
    mean, std = tuple(own["mean"]), tuple(own["std"])
    title = "clip" if (mean, std) == (CLIP_MEAN, CLIP_STD) else "open_clip"
    plain = Preprocess(name=title, mean=mean, std=std, interpolation=own["interpolation"], size=size)
    shared: dict[str, Any] = {
        "name": name,
        "preprocess": plain if preprocess == "clip" else get_preprocess(preprocess, size),
        "device": where,
        "dtype": kept,
        "compute_dtype": computing,
    }
    layered = _as_vit_model(model, kept)
    if layered is not None:
        words = ClipTokenizer.openai(context_length=layered.config.text_config.max_position_embeddings)
        layered = use_onednn(layered.to(computing).to(where).eval().requires_grad_(False))
        return VitClip(layered, tokenizer=words, attention=attention, **shared)
    try:
        tokenizer = open_clip.get_tokenizer(architecture)
    except Exception as error:
        raise UnavailableError(
            f"the tokenizer of {name!r} cannot be fetched ({type(error).__name__}: {str(error)[:200]}); connect this "
            "machine to the network once, or use load_clip('miniature')."
        ) from error
    width = _embed_dim(model, size)
    return OpenClipModel(model.to(computing).to(where), tokenizer, embed_dim=width, image_size=size, **shared)


def _split(name: str) -> tuple[str, str | None]:
    """Return the architecture and the tag or file of the weights."""
    import open_clip

    rest = name.removeprefix(PREFIX)
    if rest.startswith(_SCHEMES):
        return rest, None
    architecture, _, tag = rest.partition("/")
    if architecture not in open_clip.list_models():
        near = difflib.get_close_matches(architecture, open_clip.list_models(), n=3)
        raise InvalidInputError(
            f"open_clip has no model {architecture!r}; use a name of open_clip.list_models()"
            f"{', such as ' + ', '.join(near) if near else ''}."
        )
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in tags and not Path(tag).is_file():
        raise InvalidInputError(
            f"{name!r} does not name weights of {architecture}; use '{PREFIX}{architecture}/PRETRAINED' with one of "
            f"{', '.join(tags) or 'no known tags'}, or with the path of a weights file."
        )
    return architecture, tag


def _embed_dim(model: Any, size: int) -> int:
    """Return the length of the features, found by encoding one image."""
    with torch.inference_mode():
        return int(model.encode_image(torch.zeros(1, 3, size, size)).shape[-1])


def _as_vit_model(model: Any, dtype: torch.dtype) -> VitModel | None:
    """Return the same model as a `VitModel`, or None if its towers are of another kind."""
    from open_clip.transformer import QuickGELU, TextTransformer, VisionTransformer

    visual, text = model.visual, getattr(model, "text", model)
    if not isinstance(visual, VisionTransformer) or not (text is model or isinstance(text, TextTransformer)):
        return None
    pooled_at = model.text_pool_type if text is model else text.pool_type
    blocks = [*visual.transformer.resblocks, *text.transformer.resblocks]
    activations = {type(getattr(block.mlp, "gelu", None)) for block in blocks}
    plain = (
        visual.attn_pool is None
        and visual.pool_type == "tok"
        and isinstance(visual.ln_pre, nn.LayerNorm)
        and visual.image_size[0] == visual.image_size[1]
        and pooled_at == "argmax"
        and text.attn_mask is not None
        and text.vocab_size == OPENAI_VOCABULARY
        and getattr(model, "logit_bias", None) is None
        and isinstance(text.text_projection, nn.Parameter)
        and all(_is_plain_block(block) for block in blocks)
        and (activations == {nn.GELU} or activations == {QuickGELU})
    )
    state = {key.removeprefix("text."): value for key, value in model.state_dict().items()}
    if not plain or not is_openai_layout(state) or "visual.proj" not in state:
        return None
    state["logit_scale"] = state["logit_scale"].reshape(())
    shape = dataclasses.replace(
        read_shape(state),
        vision_heads=visual.transformer.resblocks[0].attn.num_heads,
        text_heads=text.transformer.resblocks[0].attn.num_heads,
    )
    return build_vit_model(state, "gelu" if nn.GELU in activations else "quick_gelu", dtype, copy=False, shape=shape)


def _is_plain_block(block: nn.Module) -> bool:
    """Return whether a block consists of two LayerNorms, an attention and a feed-forward part only."""
    expected = {"ln_1", "attn", "ln_2", "mlp"}
    parts = {name for name, part in block.named_children() if not isinstance(part, nn.Identity)}
    return parts == expected and isinstance(block.attn, nn.MultiheadAttention)
