"""Reading weight files without running anything that is in them."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.io.json_files import read_json_object

WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
FOLDER_REMEDY = "A model folder needs config.json, weights and tokenizer files; fetch it again."
TOKENIZER_FILES = ("tokenizer.json", "vocab.json")


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file on the CPU: safetensors, a TorchScript archive (as OpenAI publishes), or a
    saved state dict.

    Pickled files are read with ``weights_only=True``: one that holds anything but tensors and plain containers is
    refused. A TorchScript archive is opened for its tensors; its code is not run.

    Raises:
        UnavailableError: no such file. CorruptFileError: truncated, of another format, or refused.
    """
    if not path.is_file():
        raise UnavailableError(f"there is no checkpoint file {path}; give the path of an OpenAI .pt file.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.jit.load(path, map_location="cpu").state_dict() if _is_torchscript(path) else _unpickle(path)
    except (CorruptFileError, UnavailableError):
        raise
    except Exception as error:  # every reader has errors of its own
        raise CorruptFileError(f"{path} is truncated or no weight file ({error}); fetch it again.") from error
    return check_state_dict(content, str(path))


def check_state_dict(content: Any, source: str) -> dict[str, Tensor]:
    """``content`` as a flat dictionary of tensors. Raises InvalidInputError for anything else."""
    if isinstance(content, Mapping) and "state_dict" in content:
        raise InvalidInputError(
            f"{source} is a training checkpoint, which does not say which activation its model has. Pass its tensors: "
            'load_clip(checkpoint["state_dict"], kind="open_clip") for GELU, kind="openai" for QuickGELU.'
        )
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(isinstance(value, Tensor) for value in content.values())
    ):
        raise InvalidInputError(f"{source} is no state dict (names to tensors) but a {type(content).__name__}.")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


@contextmanager
def _no_progress_bar(wanted: bool) -> Iterator[None]:
    """Keep the library's bar for reading weights, a matter of a second, off the screen."""
    from transformers.utils import logging

    hide = wanted and logging.is_progress_bar_enabled()
    if hide:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if hide:
            logging.enable_progress_bar()


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _unpickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CorruptFileError(
            f"{path} was refused: it is damaged, or holds more than tensors and could run code when opened. "
            "Use a file that holds a state dict, from a source that you trust."
        ) from error


def read_hf_model(folder: str | Path, dtype: torch.dtype, *, local: bool = True) -> Any:
    """A transformers ``CLIPModel`` from a folder (or, with ``local=False``, a Hugging Face id that is downloaded).

    Raises:
        UnavailableError: weights or config missing, or no way to download. CorruptFileError: damaged or incomplete
        weights. InvalidInputError: a model of another kind.
    """
    from safetensors import SafetensorError
    from transformers import CLIPModel

    if local:
        config = read_json_object(Path(folder) / "config.json", FOLDER_REMEDY)
        if config.get("model_type") != "clip":
            raise InvalidInputError(
                f"{folder} holds a {config.get('model_type')!r} model; load_clip reads 'clip' and 'clip_rn' folders."
            )
        if not any((Path(folder) / name).is_file() for name in WEIGHT_FILES):
            raise UnavailableError(f"{folder} has no weights; one of {', '.join(WEIGHT_FILES)} is needed.")
    try:
        with _no_progress_bar(local):
            loaded: Any = CLIPModel.from_pretrained(
                str(folder), dtype=dtype, attn_implementation="eager", local_files_only=local, output_loading_info=True
            )
    except (SafetensorError, pickle.UnpicklingError, EOFError, zipfile.BadZipFile) as error:
        raise CorruptFileError(
            f"the weights in {folder} are truncated or damaged ({error}); fetch them again."
        ) from error
    except Exception as error:
        if not local:
            raise UnavailableError(
                f"{folder!r} is neither on this machine nor to be had from Hugging Face ({type(error).__name__}). "
                'Give a local folder, or use load_clip("miniature"), which needs no download.'
            ) from error
        raise CorruptFileError(f"the model in {folder} cannot be read ({error}); fetch it again.") from error
    model, report = loaded
    lacking = [*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])]
    if lacking:
        raise CorruptFileError(
            f"the weights in {folder} are incomplete, {len(lacking)} tensors lack, e.g. {lacking[0]}; fetch them again."
        )
    return model
