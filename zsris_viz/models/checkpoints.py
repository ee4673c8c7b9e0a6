"""Read weight files without running code that they contain, and check the tensors."""

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

    The file may be in the format of safetensors, a TorchScript archive as OpenAI publishes it, or a state dict that
    `torch.save` wrote. No code of the file is run: see `TensorArchive` and torch's `weights_only=True`.

    Args:
        path: The file.

    Returns:
        Tensors on the CPU by name. A zip file gives a `TensorArchive`, which reads each tensor when it is accessed.

    Raises:
        UnavailableError: If there is no such file.
        CorruptFileError: If the file is truncated, has another format, or could run code.
        InvalidInputError: If the file holds no state dict.
    """
    if not path.is_file():
        raise UnavailableError(f"there is no checkpoint file {path}; give the path of an OpenAI .pt file.")
    if path.suffix != ".safetensors" and is_zip(path):
        return TensorArchive(path)
    return load_state_dict(path)


def load_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file in the format of safetensors or of `torch.save`, all read at once.

    Args:
        path: The file. Of a training checkpoint, the entry "state_dict" or "model" is taken.

    Returns:
        Tensors on the CPU by name.

    Raises:
        CorruptFileError: If the file is truncated, has another format, or could run code.
        InvalidInputError: If the file holds no state dict.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CorruptFileError(
            f"{path} was refused: it is damaged, or holds more than tensors and could run code when opened. "
            "Use a file that holds a state dict, from a source that you trust."
        ) from error
    except Exception as error:  # each reader raises errors of its own
        reason = " ".join(str(error).split())[:200]
        raise CorruptFileError(f"{path} is truncated or no weight file ({reason}); fetch it again.") from error
    return check_state_dict(content, str(path))


def check_state_dict(content: Any, source: str) -> dict[str, Tensor]:
    """Return `content` as a flat dictionary of tensors.

    Args:
        content: The content of a file, or an argument of a caller. The tensors of a training checkpoint are taken
            from its entry "state_dict" or "model".
        source: Origin of the content, for the error message.

    Raises:
        InvalidInputError: If the content is not a dictionary of tensors by name.
    """
    if isinstance(content, Mapping):
        nested = (content[entry] for entry in STATE_ENTRIES if isinstance(content.get(entry), Mapping))
        content = next(nested, content)
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(isinstance(value, Tensor) for value in content.values())
    ):
        raise InvalidInputError(
            f"{source} holds no state dict (a mapping of names to tensors) but a {type(content).__name__}."
        )
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def check_finite(module: nn.Module, source: str) -> None:
    """Raise CorruptFileError if a weight is infinite or NaN; the error names the tensor.

    Args:
        module: The model.
        source: Origin of the weights, for the error message.
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
