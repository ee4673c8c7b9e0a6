"""Read weight files without running anything that is in them, and check what was read."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.models.archive import STATE_ENTRIES, TensorArchive, is_zip

WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
TOKENIZER_FILES = ("tokenizer.json", "vocab.json")
FOLDER_REMEDY = "A model folder needs config.json, weights and tokenizer files; fetch it again."


def read_state_dict(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a checkpoint file.

    The file may be in safetensors' format, a TorchScript archive as OpenAI publishes it, or a state dict that
    `torch.save` wrote. No code of the file is run, whatever it is: see `TensorArchive` and torch's `weights_only=True`.

    Args:
        path: The file.

    Returns:
        Tensors on the CPU by name. A zip file gives a `TensorArchive`, which reads each tensor when it is asked for.

    Raises:
        UnavailableError: If there is no such file.
        CorruptFileError: For a truncated file, one of another format, or one that could run code.
        InvalidInputError: For a file that holds no state dict.
    """
    if not path.is_file():
        raise UnavailableError(f"there is no checkpoint file {path}; give the path of an OpenAI .pt file.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        if is_zip(path):
            return TensorArchive(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (CorruptFileError, UnavailableError):
        raise
    except pickle.UnpicklingError as error:
        raise CorruptFileError(
            f"{path} was refused: it is damaged, or holds more than tensors and could run code when opened. "
            "Use a file that holds a state dict, from a source that you trust."
        ) from error
    except Exception as error:  # every reader has errors of its own
        raise CorruptFileError(f"{path} is truncated or no weight file ({error}); fetch it again.") from error
    return check_state_dict(content, str(path))


def check_state_dict(content: Any, source: str) -> dict[str, Tensor]:
    """Return `content` as a flat dictionary of tensors.

    Args:
        content: What a file held or a caller gave. The tensors of a training checkpoint are taken from "state_dict" or
            "model".
        source: Where it came from, for the error.

    Raises:
        InvalidInputError: For anything but names and tensors.
    """
    if isinstance(content, Mapping):
        nested = (content[entry] for entry in STATE_ENTRIES if isinstance(content.get(entry), Mapping))
        content = next(nested, content)
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(isinstance(value, Tensor) for value in content.values())
    ):
        raise InvalidInputError(f"{source} is no state dict (names to tensors) but a {type(content).__name__}.")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def check_finite(module: nn.Module, source: str) -> None:
    """Raise CorruptFileError if a weight is infinite or no number; the error names the tensor.

    Args:
        module: The model.
        source: Where its weights came from, for the error.
    """
    for name, weight in module.state_dict().items():
        if not isinstance(weight, Tensor) or not weight.is_floating_point() or not weight.numel():
            continue
        low, high = (float(bound) for bound in torch.aminmax(weight.detach()))
        if not (abs(low) < float("inf") and abs(high) < float("inf")):
            raise CorruptFileError(
                f"the weights of {source} are damaged: the tensor {name!r} holds values that are infinite or no "
                "number. Fetch the model again."
            )
