"""Tiny seeded random CLIP models in each published format, for the tests of every part of the package."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def _seeded(module: torch.nn.Module, seed: int) -> None:
    """Every parameter and batch statistic random, biases and norms too, so that no term can be left out unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    state = module.state_dict()
    for name in sorted(state):
        tensor = state[name]
        if not tensor.is_floating_point() or name == "logit_scale":
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        is_norm = tensor.ndim == 1 and name.endswith("weight")
        if name.endswith("running_var"):
            value = 0.5 + noise.abs()
        elif is_norm:
            value = 1 + 0.2 * noise
        elif tensor.ndim < 2:
            value = 0.1 * noise
        elif "embedding" in name:
            value = 0.3 * noise
        else:
            value = noise / tensor[0].numel() ** 0.5
        tensor.copy_(value)


def tiny_hf_model(
    seed: int = 0,
    *,
    width: int = 64,
    layers: int = 6,
    heads: int = 4,
    patch_size: int = 8,
    image_size: int = 56,
    embed_dim: int = 32,
    text_layers: int = 3,
    vocab_size: int = 49408,
    hidden_act: str = "quick_gelu",
    context_length: int = 77,
) -> Any:
    """A random transformers ``CLIPModel`` with a 7 x 7 token grid, in fp32 on the CPU."""
    from transformers import CLIPConfig, CLIPModel

    vision = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "image_size": image_size,
        "patch_size": patch_size,
        "hidden_act": hidden_act,
    }
    text = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": text_layers,
        "num_attention_heads": 4,
        "vocab_size": vocab_size,
        "max_position_embeddings": context_length,
        "hidden_act": hidden_act,
        "bos_token_id": vocab_size - 2,
        "eos_token_id": vocab_size - 1,
    }
    config = CLIPConfig(vision_config=vision, text_config=text, projection_dim=embed_dim, attn_implementation="eager")
    with torch.device("meta"):  # every tensor is drawn below: skip the library's own initialisation
        model = CLIPModel(config)
    model = model.to_empty(device="cpu")
    for module in (model.vision_model.embeddings, model.text_model.embeddings):
        module.position_ids.copy_(torch.arange(module.position_embedding.num_embeddings))
    with torch.no_grad():
        model.logit_scale.fill_(2.6592)
    _seeded(model, seed)
    return model.eval()


def tiny_vit_clip(seed: int = 0, **overrides: Any) -> Any:
    """A random ViT CLIP: 56 px, 7 x 7 grid, 6 blocks of 64, 4 heads, D = 32, OpenAI's
    tokenizer.

    Overrides go to ``load_clip`` (device, dtype, preprocess, attention) or :func:`tiny_hf_model`.
    """
    from zsris_viz.models import ClipTokenizer, load_clip

    loading = {key: overrides.pop(key) for key in ("device", "dtype", "preprocess", "attention") if key in overrides}
    if "vocab_size" in overrides:
        loading["tokenizer"] = ClipTokenizer.openai(vocab_size=overrides["vocab_size"])
    return load_clip(tiny_hf_model(seed, **overrides), **({"device": "cpu"} | loading))


TINY_OPENAI: dict[str, Any] = {
    "vision_layers": 2,
    "width": 128,
    "image_size": 64,
    "patch_size": 16,
    "embed_dim": 32,
    "text_width": 64,
    "text_layers": 2,
    "vocab_size": 49408,
    "context_length": 77,
}
TINY_RN: dict[str, Any] = {"vision_layers": (1, 1, 1, 1), "width": 8, "image_size": 64}
_FULL_TEXT = {"text_width": 512, "text_layers": 12}
FULL_SIZES: dict[str, dict[str, Any]] = {
    "ViT-B/32": {
        "vision_layers": 12,
        "width": 768,
        "image_size": 224,
        "patch_size": 32,
        "embed_dim": 512,
        **_FULL_TEXT,
    },
    "ViT-B/16": {
        "vision_layers": 12,
        "width": 768,
        "image_size": 224,
        "patch_size": 16,
        "embed_dim": 512,
        **_FULL_TEXT,
    },
    "RN50": {"vision_layers": (3, 4, 6, 3), "width": 64, "image_size": 224, "embed_dim": 1024, **_FULL_TEXT},
}


def openai_state_dict(seed: int = 0, **overrides: Any) -> dict[str, Tensor]:
    """Seeded random weights in OpenAI's checkpoint layout, fp32; four ``vision_layers`` make a ModifiedResNet.

    Tiny unless told otherwise (``TINY_OPENAI``); ``**FULL_SIZES["ViT-B/32"]`` makes the published sizes.
    """
    return dict(openai_model(seed, **overrides).state_dict())


def openai_model(seed: int = 0, *, quick_gelu: bool = True, **overrides: Any) -> Any:
    """The open_clip model whose state dict :func:`openai_state_dict` returns, for comparisons; same keywords."""
    from open_clip.model import CLIP

    shape = TINY_OPENAI | overrides
    is_rn = isinstance(shape["vision_layers"], tuple)
    vision = {
        "layers": shape["vision_layers"],
        "width": shape["width"],
        "image_size": shape["image_size"],
        "patch_size": None if is_rn else shape["patch_size"],
    }
    text = {
        "context_length": shape["context_length"],
        "vocab_size": shape["vocab_size"],
        "width": shape["text_width"],
        "heads": max(1, shape["text_width"] // 64),
        "layers": shape["text_layers"],
    }
    with torch.device("meta"):  # every tensor is drawn below: skip the library's own initialisation
        model = CLIP(shape["embed_dim"], vision_cfg=vision, text_cfg=text, quick_gelu=quick_gelu)
    model = model.to_empty(device="cpu")
    length = shape["context_length"]
    model.attn_mask = torch.full((length, length), float("-inf")).triu(1)
    for name, buffer in model.named_buffers():
        if name.endswith("num_batches_tracked"):
            buffer.zero_()
    with torch.no_grad():
        model.logit_scale.fill_(2.6592)
    _seeded(model, seed)
    return model.eval()


def tiny_rn_clip(seed: int = 0, **overrides: Any) -> Any:
    """A random RN CLIP: 64 px, 2 x 2 grid, stages of 1 block, stem 8 wide (map of 256
    channels), D = 32.

    Overrides go to ``load_clip`` (device, dtype, preprocess) or :func:`openai_state_dict`, e.g. ``image_size=224``
    for 7 x 7.
    """
    from zsris_viz.models import ClipTokenizer, load_clip

    loading = {key: overrides.pop(key) for key in ("device", "dtype", "preprocess") if key in overrides}
    state = openai_state_dict(seed, **(TINY_RN | overrides))
    if "vocab_size" in overrides:
        loading["tokenizer"] = ClipTokenizer.openai(vocab_size=overrides["vocab_size"])
    return load_clip(state, **({"device": "cpu", "kind": "openai"} | loading))
