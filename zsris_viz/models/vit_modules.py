"""The modules of a ViT CLIP in the layout of transformers' `CLIPModel`, for checkpoints in OpenAI's layout and folders.

They hold the weights under the same names, and the towers run them block by block. Importing transformers' own modules
takes longer than everything else that `zsris segment` does, and 240 MB, because they import its training and serving
code as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from zsris_viz.errors import InvalidInputError, ZsrisError
from zsris_viz.io.json_files import read_json_object
from zsris_viz.models.checkpoints import FOLDER_REMEDY, check_finite, read_state_dict
from zsris_viz.models.openai_layout import Shape, assign_weights, read_shape, text_config, to_transformers

WEIGHTS = "model.safetensors"


class QuickGELUActivation(nn.Module):
    """OpenAI's approximation of GELU, x * sigmoid(1.702 x)."""

    def forward(self, wide: Tensor) -> Tensor:
        """Return the activation of every element; in inference mode it allocates one tensor instead of three."""
        if torch.is_inference_mode_enabled():
            return (1.702 * wide).sigmoid_().mul_(wide)
        return wide * torch.sigmoid(1.702 * wide)


ACTIVATIONS: dict[str, type[nn.Module]] = {"quick_gelu": QuickGELUActivation, "gelu": nn.GELU}


class SelfAttention(nn.Module):
    """The projections of a block's self-attention; `zsris_viz.models.blocks` computes it."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        width = config.hidden_size
        self.num_heads: int = config.num_attention_heads
        self.scale = (width // self.num_heads) ** -0.5
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)


class FeedForward(nn.Module):
    """The two linear layers of a block and the activation between them."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.activation_fn = ACTIVATIONS[config.hidden_act]()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)


class EncoderLayer(nn.Module):
    """A transformer block; `zsris_viz.models.blocks.run_block` runs it."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.self_attn, self.mlp = SelfAttention(config), FeedForward(config)
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)


class Encoder(nn.Module):
    """The blocks of a tower."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_hidden_layers))


class TextEmbeddings(nn.Module):
    """The embeddings of tokens and their positions."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)


class TextModel(nn.Module):
    """The text tower without its projection."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.embeddings, self.encoder = TextEmbeddings(config), Encoder(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)


class VisionEmbeddings(nn.Module):
    """The embeddings of patches, of CLS, and of their positions."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        width, patch = config.hidden_size, config.patch_size
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.patch_embedding = nn.Conv2d(config.num_channels, width, kernel_size=patch, stride=patch, bias=False)
        self.position_embedding = nn.Embedding((config.image_size // patch) ** 2 + 1, width)


class VisionModel(nn.Module):
    """The image tower without its projection; the first LayerNorm has its name from OpenAI's checkpoints."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.embeddings, self.encoder = VisionEmbeddings(config), Encoder(config)
        self.pre_layrnorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)


class VitModel(nn.Module):
    """Both towers and their projections.

    Args:
        config: transformers' `CLIPConfig`.

    Attributes:
        config: The configuration.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        text, vision = config.text_config, config.vision_config
        self.text_model, self.vision_model = TextModel(text), VisionModel(vision)
        self.visual_projection = nn.Linear(vision.hidden_size, config.projection_dim, bias=False)
        self.text_projection = nn.Linear(text.hidden_size, config.projection_dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(config.logit_scale_init_value))


class _NoRandomNumbers(TorchFunctionMode):
    """Leave tensors without random numbers: on the meta device they would make torch import its compiler."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func in (nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_):
            return args[0] if args else named["tensor"]
        return func(*args, **named)


def build_vit_model(
    state: Mapping[str, Tensor], activation: str, dtype: torch.dtype, *, copy: bool, shape: Shape | None = None
) -> VitModel:
    """Return a model with the weights of a ViT in OpenAI's layout, on the CPU.

    Args:
        state: The tensors.
        activation: Name of the activation function, one of `ACTIVATIONS`.
        dtype: Number format of the weights.
        copy: Whether to copy the tensors, so that the model shares no memory with `state`.
        shape: The model's sizes, needed if heads do not have 64 channels; by default the result of `read_shape`.

    Raises:
        CorruptFileError: If tensors are missing, superfluous or of the wrong shape.
        InvalidInputError: If a width is not divisible by its number of heads.
    """
    from transformers import CLIPConfig

    shape = shape or read_shape(state)
    if shape.vision_width % shape.vision_heads or shape.text_width % shape.text_heads:
        raise InvalidInputError(
            f"widths of {shape.vision_width} and {shape.text_width} do not divide into OpenAI's heads of 64; give the "
            "model as a Hugging Face folder."
        )
    vision = {
        "hidden_size": shape.vision_width,
        "intermediate_size": shape.vision_mlp,
        "projection_dim": shape.embed_dim,
        "num_hidden_layers": shape.vision_layers[0],
        "num_attention_heads": shape.vision_heads,
        "image_size": shape.image_size,
        "patch_size": shape.patch_size,
        "hidden_act": activation,
    }
    config = CLIPConfig(
        text_config=text_config(shape, activation), vision_config=vision, projection_dim=shape.embed_dim
    )
    return _filled(config, to_transformers(state), dtype, copy=copy)


def _filled(config: Any, weights: Iterable[tuple[str, Tensor]], dtype: torch.dtype, *, copy: bool) -> VitModel:
    with torch.device("meta"), _NoRandomNumbers():  # the weights are assigned below
        model = VitModel(config)
    assign_weights(model, weights, dtype, copy=copy)
    return model


def read_vit_folder(folder: Path, dtype: torch.dtype) -> VitModel | None:
    """Return the model of a folder, on the CPU.

    Args:
        folder: A folder in Hugging Face's format.
        dtype: Number format of the weights.

    Returns:
        The model; None if its weights are in another file, an activation is another one, or the tensors are not those
        of the configuration. transformers then reads the folder, or explains what is wrong with it.

    Raises:
        CorruptFileError: If a weight is infinite or NaN.
    """
    if not (folder / WEIGHTS).is_file():
        return None
    from transformers import CLIPConfig

    try:
        config: Any = CLIPConfig.from_dict(read_json_object(folder / "config.json", FOLDER_REMEDY))
        if {config.text_config.hidden_act, config.vision_config.hidden_act} - set(ACTIVATIONS):
            return None
        state = {
            name: value
            for name, value in read_state_dict(folder / WEIGHTS).items()
            if not name.endswith("position_ids")  # numbers from 0 on, in files of older versions
        }
        model = _filled(config, state.items(), dtype, copy=False)
    except (ZsrisError, OSError, ValueError, TypeError, ArithmeticError, AttributeError):
        return None
    check_finite(model, str(folder))
    return model
