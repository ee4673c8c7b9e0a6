"""The modules of an RN CLIP (open_clip's ModifiedResNet and transformers' text model), and its folder format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zsris_viz.errors import CorruptFileError, UnavailableError
from zsris_viz.io.json_files import read_json_object
from zsris_viz.models.checkpoints import FOLDER_REMEDY, check_finite, read_state_dict
from zsris_viz.models.openai_layout import assign_weights, read_shape, text_config, to_transformers
from zsris_viz.models.text_tower import TextTower

WEIGHTS = "model.safetensors"


class RNModel(nn.Module):
    """The image tower, text tower and logit scale of an RN CLIP as one trainable module.

    Args:
        config: The content of config.json in its folder: {"model_type": "clip_rn", "embed_dim": D, "vision": {...},
            "text": settings of transformers' `CLIPTextConfig`}. "vision" holds "layers" (blocks of the 4 stages),
            "width" (of the stem), "image_size" (a multiple of 32) and "heads" (of the attention pooling; they divide
            32 * width).

    Attributes:
        settings: The configuration.
        visual: The `ModifiedResNet` of open_clip.
        text_model: The `CLIPTextModel` of transformers.
        text_projection: Linear layer from the text width to D.
        logit_scale: Scalar parameter, before the exponential.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        from open_clip.modified_resnet import ModifiedResNet
        from transformers import CLIPTextConfig, CLIPTextModel

        super().__init__()
        self.settings = json.loads(json.dumps({"model_type": "clip_rn", **config}))
        vision, text = self.settings["vision"], self.settings["text"]
        self.visual = ModifiedResNet(
            layers=vision["layers"],
            output_dim=self.settings["embed_dim"],
            heads=vision["heads"],
            image_size=vision["image_size"],
            width=vision["width"],
        )
        self.text_model = CLIPTextModel._from_config(CLIPTextConfig(**text), attn_implementation="eager")
        self.text_projection = nn.Linear(text["hidden_size"], self.settings["embed_dim"], bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(2.6592))

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Return image features (B, D), not normalised, of pixels (B, 3, S, S); train mode uses batch statistics."""
        return self.visual(pixels)

    def encode_text(self, ids: Tensor, end: Tensor) -> Tensor:
        """Return text features (B, D), not normalised, of token ids (B, T) int64 and end positions (B,) int64."""
        tower = TextTower(self.text_model, self.text_projection)
        return tower.project(tower.run(tower.embed(ids), end=end)[:, 0])


def set_dtype(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Cast a model; batch norms stay in fp32 or better, because bf16 is not precise enough for their statistics."""
    model.to(dtype)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.to(torch.promote_types(dtype, torch.float32))
    return model


def build_rn_model(state: Mapping[str, Tensor], activation: str, dtype: torch.dtype, *, copy: bool) -> RNModel:
    """Return an `RNModel` with the weights of a state dict in OpenAI's layout, on the CPU.

    Args:
        state: The tensors.
        activation: Name of the activation function in the text tower.
        dtype: Number format of the weights; batch norms stay in fp32.
        copy: Whether to copy the tensors, so that the model shares no memory with `state`.

    Raises:
        CorruptFileError: If tensors are missing, superfluous or of the wrong shape.
    """
    shape = read_shape(state)
    vision = {
        "layers": list(shape.vision_layers),
        "width": shape.vision_width,
        "image_size": shape.image_size,
        "heads": shape.vision_heads,
    }
    config = {"embed_dim": shape.embed_dim, "vision": vision, "text": text_config(shape, activation)}
    return _filled(config, to_transformers(state), dtype, copy=copy)


def _filled(
    config: Mapping[str, Any], weights: Iterable[tuple[str, Tensor]], dtype: torch.dtype, *, copy: bool
) -> RNModel:
    with torch.device("meta"):  # the weights are assigned below and need no initialisation
        model = RNModel(config)
    assign_weights(model, weights, torch.promote_types(dtype, torch.float32), copy=copy)
    set_dtype(model, dtype)
    return model


def save_clip_rn(
    model: RNModel, folder: str | Path, *, tokenizer: Any = None, dtype: torch.dtype = torch.float16
) -> Path:
    """Write an RN CLIP as a folder that `load_clip` reads.

    Args:
        model: The model.
        folder: The folder; it is created if it does not exist.
        tokenizer: A tokenizer of transformers or a ClipTokenizer, whose files are written as well.
        dtype: Number format of the stored weights; batch norms are stored in fp32.

    Returns:
        The folder, with config.json, model.safetensors and the files of the tokenizer.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    exact = {
        f"{name}.{entry}"
        for name, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for entry in module.state_dict()
    }
    weights = {
        key: value.detach().cpu().to(value.dtype if key in exact else dtype).contiguous()
        for key, value in model.state_dict().items()
    }
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(model.settings, indent=2) + "\n", encoding="utf-8")
    if tokenizer is not None:
        getattr(tokenizer, "hf", tokenizer).save_pretrained(str(folder))
    return folder


def read_rn_folder(folder: Path, dtype: torch.dtype) -> RNModel:
    """Return an `RNModel` from a folder that `save_clip_rn` wrote, on the CPU.

    Args:
        folder: The folder.
        dtype: Type of the weights; batch norms stay in fp32.

    Raises:
        UnavailableError: If the configuration or the weights are missing.
        CorruptFileError: If one of them cannot be read, or the weights do not match the configuration.
    """
    config = read_json_object(folder / "config.json", FOLDER_REMEDY)
    if not (folder / WEIGHTS).is_file():
        raise UnavailableError(f"{folder} has no weights; {WEIGHTS} is needed, as save_clip_rn writes it.")
    state = read_state_dict(folder / WEIGHTS)
    try:
        model = _filled(config, state.items(), dtype, copy=False)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, CorruptFileError):
            raise
        raise CorruptFileError(
            f"{folder}/config.json does not describe an RN CLIP ({error!r}); fetch it again."
        ) from error
    check_finite(model, str(folder))
    return model
