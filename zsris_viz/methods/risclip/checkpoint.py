"""Files of a RISCLIP: trained weights that know which tower they belong to."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.io.hashing import weights_hash
from zsris_viz.io.training_state import write_checkpoint
from zsris_viz.methods.risclip.config import Architecture, checked
from zsris_viz.methods.risclip.model import RisClipModel
from zsris_viz.models.base import ImageTextModel
from zsris_viz.models.layered import LayeredModel, require_layers

FORMAT = "zsris-risclip/1"


def tower_hash(clip: LayeredModel, *, exact: bool = False) -> str:
    """SHA-256 over every weight of both towers: names, shapes and values.

    Args:
        exact: over the bytes as they are, to see whether anything changed at all. Otherwise over the values rounded to
            bfloat16, which is the same for one checkpoint loaded in fp32 and in bf16.

    Returns:
        64 hexadecimal digits.
    """
    model: Any = getattr(clip, "model", None)
    vision = [model] if isinstance(model, torch.nn.Module) else []
    return weights_hash(*vision, clip.text.model, rounded=not exact)


def save_model(
    path: str | os.PathLike[str],
    model: RisClipModel,
    *,
    dtype: torch.dtype = torch.float32,
    training: Mapping[str, Any] | None = None,
) -> Path:
    """The trained parts as safetensors, with the architecture and the tower's hash in the file's metadata.

    Args:
        dtype: torch.float16 halves the file.
        training: facts about the training, plain values.

    Raises:
        UnavailableError: the file cannot be written; what was there before is kept.
    """
    from safetensors.torch import save

    target = Path(path)
    tensors = {name: value.detach().to("cpu", dtype).contiguous() for name, value in model.state_dict().items()}
    words = {
        "format": FORMAT,
        "architecture": model.architecture.model_dump_json(),
        "tower": tower_hash(model.clip),
        "tower_name": model.clip.name,
        "training": json.dumps(dict(training or {}), default=str),
    }
    write_checkpoint(target, save(tensors, metadata=words), "The trained RISCLIP")
    return target


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """What a checkpoint says of itself: format, architecture, tower, tower_name, training.

    Raises:
        UnavailableError: no such file. CorruptFileError: damaged. InvalidInputError: no RISCLIP.
    """
    from safetensors import SafetensorError, safe_open

    file = Path(path)
    if not file.is_file():
        raise UnavailableError(
            f"there is no RISCLIP checkpoint {file}; train one: zsris train risclip --config FILE.yaml"
        )
    try:
        with safe_open(str(file), framework="pt") as held:
            words = dict(held.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CorruptFileError(f"{file} is damaged or no safetensors file ({error}); copy it again.") from error
    if words.get("format") != FORMAT:
        raise InvalidInputError(
            f"{file} is no RISCLIP checkpoint (format {words.get('format')!r}, {FORMAT!r} is needed); `zsris train "
            "risclip` writes them as model.safetensors."
        )
    return words


def load_model(path: str | os.PathLike[str], clip: ImageTextModel) -> RisClipModel:
    """The RISCLIP of a checkpoint on its tower, in evaluation mode.

    Raises:
        InvalidInputError: a checkpoint of another tower. Else as :func:`read_metadata`.
    """
    from safetensors.torch import load_file

    words = read_metadata(path)
    found = tower_hash(require_layers(clip, "RISCLIP"))
    if words["tower"] != found:
        raise InvalidInputError(
            f"the RISCLIP in {path} was trained on the tower {words['tower_name']!r} (weights "
            f"{words['tower'][:12]}), and {clip.name!r} has other weights ({found[:12]}). Load its own tower, "
            "or train one for this: zsris train risclip --config FILE.yaml, with clip: in it."
        )
    model = RisClipModel(clip, checked(Architecture, json.loads(words["architecture"]), str(path)))
    try:
        model.load_state_dict({name: value.float() for name, value in load_file(str(path)).items()})
    except RuntimeError as error:
        raise CorruptFileError(f"{path} does not hold the weights of its architecture ({error}).") from error
    return model.eval().requires_grad_(False)
