"""OpenAI's checkpoint layout: the sizes of a model from its tensors, and the weights under transformers' names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zsris_viz.errors import CorruptFileError

_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_TEXT = {
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
}
_VISION = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
}
_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size", "attn_mask")


@dataclass(frozen=True)
class Shape:
    """Sizes of a CLIP model, read from its tensors in OpenAI's layout.

    OpenAI's heads have 64 channels each, so that heads = width / 64. The attention pooling of an RN is 32 times as wide
    as its stem.

    Attributes:
        kind: "vit" or "rn".
        embed_dim: D, length of the features.
        image_size: S, side of the input in pixels.
        patch_size: Side of a patch in pixels; 32 for an RN.
        vision_width: Channels of the blocks, or of an RN's stem.
        vision_layers: Number of blocks, or of the blocks in each of an RN's four stages.
        vision_heads: Attention heads of a block, or of an RN's pooling.
        context_length: Largest number of tokens in a text.
        vocab_size: Number of tokens in the vocabulary.
        text_width: Channels of the text blocks.
        text_layers: Number of text blocks.
        text_heads: Attention heads of a text block.
        vision_mlp: Channels of the feed-forward part; 0 for an RN.
        text_mlp: Channels of the text blocks' feed-forward part.
    """

    kind: str
    embed_dim: int
    image_size: int
    patch_size: int
    vision_width: int
    vision_layers: tuple[int, ...]
    vision_heads: int
    context_length: int
    vocab_size: int
    text_width: int
    text_layers: int
    text_heads: int
    vision_mlp: int
    text_mlp: int


def is_openai_layout(state: Mapping[str, Any]) -> bool:
    """Return whether the keys are those of OpenAI's published checkpoints, which open_clip uses as well."""
    return "text_projection" in state and "token_embedding.weight" in state and "visual.conv1.weight" in state


def read_shape(state: Mapping[str, Tensor]) -> Shape:
    """Return the sizes of the model that the tensors belong to.

    Raises:
        CorruptFileError: If a tensor is missing.
    """
    try:
        vit = "visual.proj" in state
        text_width = state["ln_final.weight"].shape[0]
        grid = "visual.positional_embedding" if vit else "visual.attnpool.positional_embedding"
        side = round((state[grid].shape[0] - 1) ** 0.5)
        if vit:
            width = state["visual.conv1.weight"].shape[0]
            patch = state["visual.conv1.weight"].shape[-1]
            layers: tuple[int, ...] = (_count(state, r"visual\.transformer\.resblocks\.(\d+)\."),)
            heads = _heads(width)
        else:
            width, patch = state["visual.layer1.0.conv1.weight"].shape[0], 32
            layers = tuple(_count(state, rf"visual\.layer{stage}\.(\d+)\.") for stage in (1, 2, 3, 4))
            heads = _heads(width * 32)
        return Shape(
            kind="vit" if vit else "rn",
            embed_dim=state["text_projection"].shape[1],
            image_size=side * patch,
            patch_size=patch,
            vision_width=width,
            vision_layers=layers,
            vision_heads=heads,
            context_length=state["positional_embedding"].shape[0],
            vocab_size=state["token_embedding.weight"].shape[0],
            text_width=text_width,
            text_layers=_count(state, r"transformer\.resblocks\.(\d+)\."),
            text_heads=_heads(text_width),
            vision_mlp=state["visual.transformer.resblocks.0.mlp.c_fc.bias"].shape[0] if vit else 0,
            text_mlp=state["transformer.resblocks.0.mlp.c_fc.bias"].shape[0],
        )
    except KeyError as error:
        raise CorruptFileError(
            f"the checkpoint is in OpenAI's layout but the tensor {error} is missing; download it again."
        ) from error


def _count(state: Mapping[str, Any], pattern: str) -> int:
    return len({match.group(1) for key in state if (match := re.match(pattern, key))})


def _heads(width: int) -> int:
    return max(1, width // 64)


def to_transformers(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors under the names of transformers' `CLIPModel`; an RN's image tower keeps its `visual.` names.

    Fused query-key-value projections are split, and projection matrices are transposed. Each tensor of the state is
    read once, and the yielded tensors are views of it.

    Raises:
        CorruptFileError: If a key does not belong to the layout.
    """
    vit = "visual.proj" in state
    for key in list(state):
        if key in _NOT_WEIGHTS:
            continue
        block = re.fullmatch(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+)", key)
        if key == "text_projection":
            yield "text_projection.weight", state[key].T
        elif key == "visual.proj":
            yield "visual_projection.weight", state[key].T
        elif key in _TEXT:
            yield _TEXT[key], state[key]
        elif vit and key in _VISION:
            yield _VISION[key], state[key]
        elif block:
            tower = "vision_model" if block.group(1) else "text_model"
            prefix = f"{tower}.encoder.layers.{block.group(2)}."
            yield from _block_entry(prefix, block.group(3), state[key], key).items()
        elif not vit and key.startswith("visual."):
            yield key, state[key]
        else:
            raise CorruptFileError(
                f"the checkpoint has the key {key!r}, which is no part of a CLIP model in OpenAI's layout."
            )


def _block_entry(prefix: str, name: str, value: Tensor, key: str) -> dict[str, Tensor]:
    stem, _, kind = name.rpartition(".")
    if name in ("attn.in_proj_weight", "attn.in_proj_bias"):
        kind = name.removeprefix("attn.in_proj_")
        return {
            f"{prefix}self_attn.{letter}_proj.{kind}": part for letter, part in zip("qkv", value.chunk(3), strict=True)
        }
    if stem not in _BLOCK:
        raise CorruptFileError(
            f"the checkpoint has the key {key!r}, which is no part of a CLIP block in OpenAI's layout."
        )
    return {f"{prefix}{_BLOCK[stem]}.{kind}": value}


def text_config(shape: Shape, activation: str) -> dict[str, Any]:
    """Return the settings of transformers' `CLIPTextConfig` for these sizes; the end token is the highest id."""
    return {
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.text_width,
        "intermediate_size": shape.text_mlp,
        "projection_dim": shape.embed_dim,
        "num_hidden_layers": shape.text_layers,
        "num_attention_heads": shape.text_heads,
        "max_position_embeddings": shape.context_length,
        "hidden_act": activation,
        "bos_token_id": shape.vocab_size - 2,
        "eos_token_id": shape.vocab_size - 1,
        "pad_token_id": 0,
    }


def assign_weights(
    model: nn.Module, weights: Iterable[tuple[str, Tensor]], dtype: torch.dtype, *, copy: bool = True
) -> None:
    """Assign weights to a model that was created on the meta device.

    Args:
        model: The model.
        weights: Names and tensors; floats are converted to `dtype`.
        dtype: Number format of the weights.
        copy: Whether tensors are copied even if they need no conversion.

    Raises:
        CorruptFileError: If tensors are missing, superfluous or of the wrong shape.
    """
    converted = {
        key: value.detach().to(device="cpu", dtype=dtype if value.is_floating_point() else None, copy=copy).contiguous()
        for key, value in weights
    }
    try:
        model.load_state_dict(converted, strict=True, assign=True)
    except RuntimeError as error:
        raise CorruptFileError(f"the checkpoint's tensors do not fit together: {error}") from error
    for module in model.modules():  # these buffers are not part of a checkpoint
        if "position_ids" in module._buffers:
            table = module.get_submodule("position_embedding")
            module.position_ids = torch.arange(table.get_parameter("weight").shape[0]).expand(1, -1)
