"""`load_clip`, which loads an `ImageTextModel` from a name, a folder, a file, a state dict or a model."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.miniature import WEIGHTS
from zsris_viz.models.albef import is_albef_layout, load_albef
from zsris_viz.models.archive import TensorArchive
from zsris_viz.models.base import ImageTextModel
from zsris_viz.models.blip import KINDS as BLIP_KINDS
from zsris_viz.models.blip import load_blip
from zsris_viz.models.checkpoints import (
    TOKENIZER_FILES,
    WEIGHT_FILES,
    check_finite,
    check_state_dict,
    read_state_dict,
)
from zsris_viz.models.devices import compute_dtype, resolve_device, resolve_dtype
from zsris_viz.models.huggingface import model_type, read_model
from zsris_viz.models.open_clip_hub import PREFIX as OPEN_CLIP
from zsris_viz.models.open_clip_hub import load_open_clip
from zsris_viz.models.openai_layout import is_openai_layout, read_shape
from zsris_viz.models.preprocessing import Preprocess, get_preprocess
from zsris_viz.models.products import use_onednn
from zsris_viz.models.resnet import ResNetClip
from zsris_viz.models.resnet_modules import RNModel, build_rn_model, read_rn_folder, set_dtype
from zsris_viz.models.siglip import CLASSES as SIGLIP_CLASSES
from zsris_viz.models.siglip import load_siglip
from zsris_viz.models.tokenizer import OPENAI_VOCABULARY, ClipTokenizer
from zsris_viz.models.vit import VitClip
from zsris_viz.models.vit_modules import build_vit_model, read_vit_folder

StateDictKind = Literal["openai", "open_clip"]
MINIATURES = {"miniature": "clip", "miniature-rn": "clip-rn"}
OPENAI_MODELS = ("RN50", "RN101", "RN50x4", "RN50x16", "RN50x64", "ViT-B/32", "ViT-B/16", "ViT-L/14", "ViT-L/14@336px")
_ACTIVATIONS = {"openai": "quick_gelu", "open_clip": "gelu"}


def load_clip(
    name: str | os.PathLike[str] | Mapping[str, torch.Tensor] | Any = "miniature",
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    preprocess: str | Preprocess = "clip",
    attention: str = "sdpa",
    kind: StateDictKind | None = None,
    tokenizer: str | os.PathLike[str] | ClipTokenizer | None = None,
) -> ImageTextModel:
    """Load an image-text model.

    A CLIP or SigLIP is loaded as a `LayeredModel`, whose layers are accessible. ALBEF, BLIP and some models of
    open_clip are loaded as an `ImageTextModel`, for the methods that need features only. Code in a file or folder is
    never run.

    Args:
        name: One of the following:
            "miniature" or "miniature-rn", the models that are part of the package;
            one of OpenAI's models by name, such as "RN50" (from ~/.cache/clip, else downloaded by open_clip);
            a Hugging Face id or a folder in that format, of CLIP ("openai/clip-vit-base-patch16"), SigLIP, SigLIP 2
            ("google/siglip2-base-patch16-224"), BLIP or BLIP-2 ("Salesforce/blip-itm-base-coco");
            a model of open_clip with its weights, "open_clip:ViT-B-16/metaclip_400m";
            a folder that `save_clip_rn` wrote;
            a checkpoint file in OpenAI's layout (TorchScript archive, state dict or safetensors), or its tensors;
            a checkpoint file of ALBEF as its authors publish it ("ALBEF.pth"), or its tensors;
            a `CLIPModel` of transformers.
        device: Name of a device; None for the one that the variable ZSRIS_DEVICE names, else CUDA if present, else
            the CPU.
        dtype: Number format of the towers, for example torch.bfloat16 or its name; "auto" for bf16 if it is fast on
            the device, else fp32; None for the one that the variable ZSRIS_DTYPE names, else fp32. Features are fp32 in
            any case. On a CPU without arithmetic for a 16-bit dtype the weights are rounded to it and the towers
            compute in fp32; see `compute_dtype` of the model.
        preprocess: A preset ("clip", "clip-center", "glclip", "hybridgl", "copatch") or a Preprocess. For SigLIP, BLIP
            and open_clip "clip" stands for the model's own mean and standard deviation.
        attention: "sdpa" for torch's fused kernel, or "eager". The attentions of a trace are always computed eagerly.
        kind: Origin of a state dict in OpenAI's layout, which determines its activation: "openai" (QuickGELU) or
            "open_clip" (GELU, for example LAION's models). Other sources state their activation themselves.
        tokenizer: A folder with tokenizer files, or a ClipTokenizer, instead of the model's own; for ALBEF a folder
            with BERT's vocab.txt.

    Returns:
        The model, frozen and in evaluation mode.

    Raises:
        InvalidInputError: If a name, kind, preset, device or dtype is unknown, or a state dict has no kind.
        InvalidTypeError: If `name` has another type.
        UnavailableError: If the weights or the device are not available.
        CorruptFileError: If weights or settings cannot be read, or weights are infinite or NaN.
    """
    if kind is not None and kind not in _ACTIVATIONS:
        raise InvalidInputError(f"kind={kind!r} is unknown; use 'openai' (QuickGELU) or 'open_clip' (GELU).")
    if attention not in ("eager", "sdpa"):
        raise InvalidInputError(f"attention={attention!r} is unknown; use 'eager' or 'sdpa'.")
    where = resolve_device(device)
    dtype = resolve_dtype(dtype, where)
    if isinstance(name, str) and name.startswith(OPEN_CLIP):
        if kind is not None or tokenizer is not None:
            raise InvalidInputError(f"open_clip knows kind and tokenizer of {name!r} itself; leave them out.")
        return load_open_clip(name, device=where, dtype=dtype, preprocess=preprocess, attention=attention)
    title, source = _resolve(name)
    if title in OPENAI_MODELS and kind is None and isinstance(source, Path):
        kind = "openai"
    state = _state(source)
    if state is not None and is_albef_layout(state):
        if kind is not None or isinstance(tokenizer, ClipTokenizer):
            raise InvalidInputError(f"{title} is an ALBEF: leave kind out, and give the folder of a BERT as tokenizer.")
        return _with_preprocess(
            load_albef(state, name=title, vocabulary=tokenizer, device=where, dtype=compute_dtype(dtype, where)),
            preprocess,
        )
    family = _family(source)
    if family in BLIP_KINDS or family in SIGLIP_CLASSES:
        if kind is not None or tokenizer is not None:
            raise InvalidInputError(f"{title} is no CLIP: kind and tokenizer cannot be given for it; leave them out.")
        if family in SIGLIP_CLASSES:
            return load_siglip(
                source, name=title, device=where, dtype=dtype, preprocess=preprocess, attention=attention
            )
        return _with_preprocess(
            load_blip(source, name=title, device=where, dtype=compute_dtype(dtype, where)), preprocess
        )
    model, words = _load(source, state, dtype, kind)
    computing = compute_dtype(dtype, where)
    if computing != dtype:
        model = model.to(computing)
    model = use_onednn(model.to(where).eval().requires_grad_(False))
    is_vit = not isinstance(model, RNModel)
    size = model.config.vision_config.image_size if is_vit else model.visual.image_size
    shared: dict[str, Any] = {
        "name": title,
        "device": where,
        "dtype": dtype,
        "compute_dtype": computing,
        "preprocess": get_preprocess(preprocess, size),
        "tokenizer": _tokenizer(tokenizer if tokenizer is not None else words, model.text_model.config),
    }
    return VitClip(model, attention=attention, **shared) if is_vit else ResNetClip(model, attention=attention, **shared)


def _with_preprocess(model: ImageTextModel, preprocess: str | Preprocess) -> ImageTextModel:
    """Set the preprocessing of a model; "clip" stands for the model's own mean and standard deviation."""
    if preprocess != "clip":
        model.preprocess = get_preprocess(preprocess, model.image_size)
    return model


def _state(source: Any) -> Mapping[str, torch.Tensor] | None:
    """Return the tensors of a file or state dict, or None for folders, ids and models."""
    if isinstance(source, Path) and source.is_file():
        return read_state_dict(source)
    return check_state_dict(source, "the given dictionary") if isinstance(source, Mapping) else None


def _family(source: Any) -> str:
    """Return the model_type of a folder or a Hugging Face id; "clip" for files, state dicts and models."""
    if isinstance(source, str) or (isinstance(source, Path) and source.is_dir()):
        return model_type(source, ("clip", "clip_rn", *BLIP_KINDS, *SIGLIP_CLASSES))
    return "clip"


def _load(
    source: Any, state: Mapping[str, torch.Tensor] | None, dtype: torch.dtype, kind: StateDictKind | None
) -> tuple[Any, str | Path | None]:
    """Return the model on the CPU in `dtype`, and the source of its tokenizer files, or None if there is none."""
    if isinstance(source, Path) and state is not None:
        known = isinstance(state, TensorArchive) and state.is_torchscript  # the format in which OpenAI publishes
        return _from_state_dict(state, kind or ("openai" if known else None), dtype, str(source), copy=False), None
    if state is not None:
        return _from_state_dict(state, kind, dtype, "the given dictionary", copy=True), None
    if kind is not None:
        raise InvalidInputError(
            f"kind={kind!r} is for checkpoints in OpenAI's layout, and a Hugging Face model says it itself: "
            "leave kind out."
        )
    if isinstance(source, Path) and _family(source) == "clip_rn":
        return read_rn_folder(source, dtype), source
    if isinstance(source, Path) and (model := read_vit_folder(source, dtype)) is not None:
        return model, source
    if isinstance(source, str | Path):
        return read_model(source, "CLIPModel", dtype=dtype, attn_implementation="eager"), source
    check_finite(source, "the given model")
    return set_dtype(copy.deepcopy(source), dtype), None  # a copy: the caller may go on training the original


def _resolve(name: Any) -> tuple[str, Any]:
    """Return the displayed name and the source: a folder or file (Path), Hugging Face id (str), state dict or model."""
    if isinstance(name, Mapping):
        return "state dict", name
    if hasattr(name, "text_model") and (hasattr(name, "vision_model") or hasattr(name, "visual")):
        return str(getattr(getattr(name, "config", None), "_name_or_path", "") or type(name).__name__), name
    if not isinstance(name, str | os.PathLike):
        raise InvalidTypeError(
            f"load_clip takes a name, path, state dict or CLIPModel; {type(name).__name__} was given."
        )
    text = os.fspath(name)
    if text in MINIATURES:
        folder = WEIGHTS / MINIATURES[text]
        if not any((folder / file).is_file() for file in WEIGHT_FILES):
            raise UnavailableError(
                f"the weights of {text!r} are missing ({folder}). Reinstall the package, or train them again: "
                f"python -m zsris_viz.miniature train {MINIATURES[text]}"
            )
        return text, folder
    path = Path(text).expanduser()
    if text.strip() and path.exists():
        return text, path
    if text in OPENAI_MODELS:
        return text, _openai_file(text)
    if text.count("/") == 1 and not text.startswith((".", "~", "/")) and path.suffix != ".pt":
        return text, text
    raise InvalidInputError(
        f"there is no model or path {text!r}. Use {', '.join(MINIATURES)}, a Hugging Face id such as "
        f"'openai/clip-vit-base-patch16', one of {', '.join(OPENAI_MODELS)}, or the path of a folder or .pt file."
    )


def _openai_file(name: str) -> Path:
    """Return the file of one of OpenAI's checkpoints: in the cache of OpenAI's own package, or fetched by open_clip."""
    kept = Path("~/.cache/clip").expanduser() / f"{name.replace('/', '-')}.pt"
    if kept.is_file():
        return kept
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg

    try:
        return Path(download_pretrained(get_pretrained_cfg(name.replace("/", "-").replace("@336px", "-336"), "openai")))
    except Exception as error:
        raise UnavailableError(
            f"OpenAI's {name} is not at {kept} and could not be downloaded ({type(error).__name__}). "
            'Put the .pt file there, give its path, or use "miniature-rn" or "miniature", which need no download.'
        ) from error


def _from_state_dict(
    state: Mapping[str, torch.Tensor], kind: StateDictKind | None, dtype: torch.dtype, title: str, *, copy: bool
) -> Any:
    if not is_openai_layout(state):
        raise InvalidInputError(
            f"{title} is not in OpenAI's layout (its first key is {next(iter(state), None)!r}), and nothing else says "
            "which activation and how many heads it has. Pass a Hugging Face folder, or the CLIPModel itself."
        )
    if kind is None:
        raise InvalidInputError(
            f"the tensors of {title} do not tell which activation their model has. Give it: kind='openai' for "
            "QuickGELU (OpenAI's models), kind='open_clip' for GELU (LAION's and most others)."
        )
    build = build_vit_model if read_shape(state).kind == "vit" else build_rn_model
    model = build(state, _ACTIVATIONS[kind], dtype, copy=copy)
    check_finite(model, title)
    return model


def _tokenizer(source: Any, config: Any) -> ClipTokenizer:
    """Return the given tokenizer, the model's own, or OpenAI's if the model has none."""
    context = config.max_position_embeddings
    if isinstance(source, ClipTokenizer):
        words = source
    elif isinstance(source, str) and not Path(source).exists():
        words = ClipTokenizer.from_hub(source, context_length=context)
    elif source is not None and any((Path(source) / file).is_file() for file in TOKENIZER_FILES):
        words = ClipTokenizer.from_folder(source, context_length=context)
    elif source is not None and config.vocab_size != OPENAI_VOCABULARY:
        raise UnavailableError(f"{source} has no tokenizer files; one of {', '.join(TOKENIZER_FILES)} is needed.")
    else:
        if config.vocab_size < OPENAI_VOCABULARY:
            message = f"no tokenizer was given: the first {config.vocab_size} entries of OpenAI's vocabulary are used."
            warnings.warn(message, ZsrisWarning, stacklevel=3)
        words = ClipTokenizer.openai(vocab_size=min(config.vocab_size, OPENAI_VOCABULARY), context_length=context)
    if words.vocab_size > config.vocab_size:
        raise InvalidInputError(
            f"the tokenizer has {words.vocab_size} tokens and the model {config.vocab_size}; give the model's own."
        )
    return words
