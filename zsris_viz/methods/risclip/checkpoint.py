"""Checkpoints of RISCLIP, which record the tower that their weights belong to."""

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
from zsris_viz.models.products import use_onednn

FORMAT = "zsris-risclip/1"


def tower_hash(clip: LayeredModel, *, exact: bool = False) -> str:
    """Compute the SHA-256 of the names, shapes and values of all weights of both towers.

    Args:
        clip: The model with both towers.
        exact: Whether to hash the unrounded bytes, which detects any change. Otherwise the values are rounded to
            bfloat16 first, so that a checkpoint has the same hash when it is loaded in float32 and in bfloat16.

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
    """Write the trained parts as safetensors, with the architecture and the hash of the tower in the metadata.

    Args:
        path: Path of the file.
        model: The model.
        dtype: Type of the stored values; torch.float16 halves the size of the file.
        training: Facts about the training as plain values, which are stored as JSON.

    Returns:
        Path of the file.

    Raises:
        UnavailableError: The file cannot be written; an older file at this path is kept.
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
    """Read the metadata of a checkpoint.

    Args:
        path: Path of the file.

    Returns:
        Texts with the keys "format", "architecture", "tower", "tower_name" and "training".

    Raises:
        UnavailableError: The file does not exist.
        CorruptFileError: The file is damaged or is not a safetensors file.
        InvalidInputError: The file is not a checkpoint of RISCLIP.
    """
    from safetensors import SafetensorError, safe_open

    file = Path(path)
    if not file.is_file():
        raise UnavailableError(
            f"there is no RISCLIP checkpoint {file}; train one: zsris train risclip --config FILE.yaml"
        )
    try:
        with safe_open(str(file), framework="pt") as archive:
            words = dict(archive.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CorruptFileError(f"{file} is damaged or no safetensors file ({error}); copy it again.") from error
    if words.get("format") != FORMAT:
        raise InvalidInputError(
            f"{file} is no RISCLIP checkpoint (format {words.get('format')!r}, {FORMAT!r} is needed); `zsris train "
            "risclip` writes them as model.safetensors."
        )
    return words


def load_model(path: str | os.PathLike[str], clip: ImageTextModel) -> RisClipModel:
    """Load a RISCLIP from a checkpoint onto its tower, in evaluation mode and without gradients.

    Args:
        path: Path of the checkpoint.
        clip: The CLIP model that the checkpoint was trained on.

    Returns:
        The model.

    Raises:
        UnavailableError: The file does not exist, or the layers of `clip` cannot be read.
        CorruptFileError: The file is damaged or does not hold the weights of its architecture.
        InvalidInputError: The file is not a checkpoint of RISCLIP, or it was trained on another tower.
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
    return use_onednn(model.eval().requires_grad_(False))
